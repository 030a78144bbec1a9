"""Files from outside: the good ones become layers, each kind of bad one is refused in words, and leads nowhere."""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import io
import os
import pwd
import struct
import tarfile
import time
from pathlib import Path

import pytest

from storage.backends.base import LayerFile, Limits, StorageError, Unacceptable
from storage.backends.directory import DirectoryBackend
from storage.backends.ownership import giver
from storage.backends.tests.qemu import GIB, MIB, names, qemu, qemu_io

TARGET = LayerFile("images/ami-1.qcow2")
LIMITS = Limits(virtual_bytes=GIB)
FORMATS = {
    "qcow2": ["-O", "qcow2"],
    "old qcow2": ["-O", "qcow2", "-o", "compat=0.10"],
    "compressed qcow2": ["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
    "qcow2 with subclusters": ["-O", "qcow2", "-o", "extended_l2=on"],
    "raw": ["-O", "raw"],
    "vmdk": ["-O", "vmdk"],
    "stream-optimised vmdk": ["-O", "vmdk", "-o", "subformat=streamOptimized"],
    "vdi": ["-O", "vdi"],
    "static vdi": ["-O", "vdi", "-o", "static=on"],
    "vhd": ["-O", "vpc", "-o", "force_size"],
    "fixed vhd": ["-O", "vpc", "-o", "subformat=fixed,force_size"],
    "vhdx": ["-O", "vhdx"],
}


@pytest.fixture
def backend(tmp_path) -> DirectoryBackend:
    return DirectoryBackend(tmp_path / "datastore")


@pytest.fixture
def disk(tmp_path) -> Path:
    """A raw disk of 8 MiB, with something in it that does not compress."""
    path = tmp_path / "disk"
    path.write_bytes(b"\xeb\x63" + bytes(MIB - 2) + os.urandom(MIB) + b"\x11" * MIB + bytes(5 * MIB))
    return path


@pytest.fixture
def sent(tmp_path) -> Path:
    """Where the file from outside lies; its name says nothing true."""
    return tmp_path / "disk.vmdk.img"


@pytest.fixture
def canary(tmp_path):
    """A disk of somebody else: the test fails if anybody opens it."""
    path = tmp_path / "canary"
    path.write_bytes(b"secret of somebody else " * 2**16)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(fd, os.fsencode(path), 0x21) >= 0  # IN_OPEN | IN_ACCESS
    yield path
    with pytest.raises(BlockingIOError):
        os.read(fd, 4096)
    os.close(fd)


def make(disk: Path, sent: Path, kind: str) -> Path:
    qemu("qemu-img", "convert", "-f", "raw", *FORMATS[kind], disk, sent)
    return sent


def patch(path: Path, offset: int, layout: str, *values: object) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack(layout, *values))


def refuse(backend: DirectoryBackend, sent: Path, words: str, limits: Limits = LIMITS) -> None:
    with pytest.raises(Unacceptable, match=words) as caught:
        backend.take(str(sent), TARGET, limits)
    assert str(sent.parent) not in str(caught.value)
    assert names(backend.root / "images") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_disk_of_each_format_becomes_a_layer_with_all_its_bytes(backend, disk, sent, kind):
    heard = []

    size = backend.take(str(make(disk, sent, kind)), TARGET, LIMITS, lambda done, total: heard.append((done, total)))

    assert size == backend.inspect(TARGET).virtual_bytes == 8 * MIB
    assert qemu("qemu-img", "compare", "-f", "raw", "-F", "qcow2", disk, backend.path(TARGET.name))
    assert heard[-1] == (sent.stat().st_size, sent.stat().st_size)
    assert names(backend.root / "images") == ["ami-1.qcow2"]


def test_a_layer_of_a_file_from_outside_may_be_encrypted(backend, disk, sent):
    encrypted = LayerFile(TARGET.name, "a key")

    backend.take(str(make(disk, sent, "qcow2")), encrypted, LIMITS)

    assert backend.inspect(encrypted).is_encrypted
    assert b"\x11" * 512 not in Path(backend.path(TARGET.name)).read_bytes()
    qemu_io(backend, [encrypted], "read -P 17 2M 1M")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("key", [None, "a key"])
def test_who_is_root_lets_somebody_else_read_the_file(disk, tmp_path, key):
    """Where only root may enter: QEMU gets both files open."""
    tmp_path.chmod(0o700)
    seen: set[tuple[str, int]] = set()
    backend = DirectoryBackend(tmp_path / "datastore", giver("nobody"))
    uploads = tmp_path / "datastore/uploads"
    uploads.mkdir(parents=True)
    sent = make(disk, uploads / "upload-1", "qcow2")

    def look(_done: int, _total: int) -> None:
        until = time.monotonic() + 0.3
        while time.monotonic() < until and len(seen) < 2:
            for entry in Path("/proc").iterdir():
                with contextlib.suppress(OSError):
                    if entry.name.isdigit() and (entry / "comm").read_text() == "qemu-img\n":
                        words = (entry / "cmdline").read_text().split("\0")
                        if "/proc/self/fd/" in " ".join(words):
                            seen.add((words[1], entry.stat().st_uid))

    backend.take(str(sent), LayerFile(TARGET.name, key), LIMITS, look)

    assert seen
    assert {uid for _verb, uid in seen} == {pwd.getpwnam("nobody").pw_uid}
    status = Path(backend.path(TARGET.name)).stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o640)
    qemu_io(backend, [LayerFile(TARGET.name, key)], "read -P 17 2M 1M")


# --- what refers to other files -------------------------------------------------------------------------------------


def test_a_qcow2_file_with_a_backing_file_is_refused(backend, sent, canary):
    qemu("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", canary, "-F", "raw", sent, "1M")

    refuse(backend, sent, "stands on another file")


def test_a_qcow2_file_with_a_json_backing_file_is_refused(backend, sent, canary):
    nested = f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{canary}"}}}}'
    qemu("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", nested, "-F", "raw", sent, "1M")

    refuse(backend, sent, "stands on another file")


def test_a_qcow2_file_with_an_external_data_file_is_refused(backend, sent, tmp_path, canary):
    (tmp_path / "data").write_bytes(bytes(MIB))
    qemu("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data,data_file_raw=on", sent, "1M")
    content = sent.read_bytes()
    length = len(str(tmp_path / "data"))
    at = content.index(str(tmp_path / "data").encode())
    sent.write_bytes(content[:at] + str(canary).encode()[:length].ljust(length, b"y") + content[at + length :])

    refuse(backend, sent, "keeps its data in another file")


def test_a_vmdk_description_of_other_files_is_refused(backend, sent, canary):
    sent.write_text(
        '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
        f'RW 2048 FLAT "{canary}" 0\n'
    )
    refuse(backend, sent, "description of a VMDK disk")

    sent.write_text("\n # disk descriptorfile\n" + sent.read_text())
    refuse(backend, sent, "description of a VMDK disk")


def described(sent: Path, change) -> Path:
    """Change the description in a VMDK file, in its place."""
    content = bytearray(sent.read_bytes())
    place, length = (n * 512 for n in struct.unpack_from("<QQ", content, 28))
    text = change(bytes(content[place : place + length]).rstrip(b"\0").decode()).encode()
    content[place : place + length] = text.ljust(length, b"\0")
    sent.write_bytes(content)
    return sent


def test_a_vmdk_file_with_data_in_other_files_is_refused(backend, disk, sent, canary):
    make(disk, sent, "vmdk")
    described(sent, lambda text: text.replace("# The Disk", f'RW 2048 FLAT "{canary}" 0\n# The Disk'))

    refuse(backend, sent, "data in other files")


def test_a_vmdk_file_whose_description_counts_alone_is_refused(backend, disk, sent, canary):
    """A capacity of nothing makes QEMU open what the description names."""
    make(disk, sent, "vmdk")
    described(sent, lambda text: text.replace("SPARSE", "FLAT").replace(sent.name, str(canary)))
    patch(sent, 12, "<Q", 0)

    refuse(backend, sent, "data lie in other files")


def test_a_vmdk_file_that_stands_on_another_is_refused(backend, disk, sent, canary):
    make(disk, sent, "vmdk")
    described(sent, lambda text: text.replace("ffffffff", "12345678") + f'\nparentFileNameHint="{canary}"\n')
    refuse(backend, sent, "stands on another file")

    described(sent, lambda text: text.replace("12345678", "ffffffff"))
    refuse(backend, sent, "stands on another file")


def test_a_vmdk_file_whose_two_ends_differ_is_refused(backend, disk, sent):
    make(disk, sent, "stream-optimised vmdk")
    patch(sent, 56, "<Q", 2**64 - 1)
    header = sent.read_bytes()[:512]
    ends = sent.read_bytes() + bytes(512) + header + bytes(512)
    sent.write_bytes(ends)
    patch(sent, len(ends) - 1024 + 12, "<Q", 0)
    refuse(backend, sent, "different things of itself")

    sent.write_bytes(ends[:-1536])
    refuse(backend, sent, "not complete")


def test_a_vdi_file_that_stands_on_another_is_refused(backend, disk, sent):
    make(disk, sent, "vdi")
    patch(sent, 440, "<Q", 1)
    refuse(backend, sent, "VDI file stands on another file")

    make(disk, sent, "vdi")
    patch(sent, 76, "<I", 4)
    refuse(backend, sent, "VDI file stands on another file")


def test_a_vhd_file_that_stands_on_another_is_refused(backend, disk, sent):
    make(disk, sent, "vhd")
    for at in (0, sent.stat().st_size - 512):
        patch(sent, at + 60, ">I", 4)
    refuse(backend, sent, "VHD file stands on another file")

    make(disk, sent, "vhd")
    patch(sent, 60, ">I", 4)
    refuse(backend, sent, "VHD file stands on another file")


def test_a_vhdx_file_that_stands_on_another_is_refused(backend, disk, sent):
    make(disk, sent, "vhdx")
    content = sent.read_bytes()
    item = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b")
    entry = content.index(item)
    table = content.rindex(b"metadata", 0, entry)
    patch(sent, table + struct.unpack_from("<I", content, entry + 16)[0] + 4, "<I", 2)

    refuse(backend, sent, "VHDX file stands on another file")


# --- what is too large ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["qcow2", "raw", "vmdk", "vdi", "vhdx", "vpc"])
def test_a_disk_larger_than_allowed_is_refused(backend, sent, kind):
    qemu("qemu-img", "create", "-q", "-f", kind, sent, "2G")

    refuse(backend, sent, r"of 2\.0 GiB; at most 1 GiB are allowed")


def test_a_size_beyond_all_measure_is_refused(backend, disk, sent):
    make(disk, sent, "qcow2")
    patch(sent, 24, ">Q", 2**63)

    refuse(backend, sent, "at most 1 GiB")


def test_a_disk_without_size_is_refused(backend, sent):
    qemu("qemu-img", "create", "-q", "-f", "qcow2", sent, "0")

    refuse(backend, sent, "no size")


def test_a_conversion_takes_no_more_memory_time_or_space_than_allowed(backend, disk, sent):
    make(disk, sent, "compressed qcow2")

    refuse(backend, sent, "memory|cannot be read", Limits(GIB, memory_bytes=60 * MIB))
    with pytest.raises(StorageError, match="longer than it may"):
        backend.take(str(sent), TARGET, Limits(GIB, seconds=0.0))
    assert names(backend.root / "images") == []


def test_what_grows_beyond_its_announced_size_is_ended(backend, disk, sent, tmp_path):
    """The kernel stops the child, whatever the file has made of it."""
    from storage.backends import qemu_img
    from storage.backends.qemu_img import Bounds

    command = ["dd", "if=/dev/zero", f"of={tmp_path}/bomb", "bs=1M", "count=64"]
    ended = qemu_img.run_long(command, Bounds(file_bytes=4 * MIB))

    assert ended.status != 0
    assert (tmp_path / "bomb").stat().st_size == 4 * MIB


# --- what is damaged, or no disk ------------------------------------------------------------------------------------


def test_an_encrypted_qcow2_file_is_refused(backend, disk, sent):
    make(disk, sent, "qcow2")
    patch(sent, 32, ">I", 2)

    refuse(backend, sent, "qcow2 file is encrypted")


def test_unknown_features_are_refused(backend, disk, sent):
    make(disk, sent, "qcow2")
    patch(sent, 72, ">Q", 1 << 40)

    refuse(backend, sent, "features that are not known")


def test_a_qcow2_file_that_is_marked_as_damaged_is_refused(backend, disk, sent):
    make(disk, sent, "qcow2")
    patch(sent, 72, ">Q", 2)

    refuse(backend, sent, "marked as damaged")


def test_snapshots_inside_are_refused_rather_than_lost(backend, disk, sent):
    make(disk, sent, "qcow2")
    qemu("qemu-img", "snapshot", "-c", "before", sent)

    refuse(backend, sent, "snapshots inside")


def test_a_qcow_file_of_version_1_is_refused(backend, disk, sent):
    make(disk, sent, "qcow2")
    patch(sent, 4, ">I", 1)

    refuse(backend, sent, "version 1")


def test_a_raw_disk_that_begins_as_qcow2_is_judged_as_qcow2(backend, sent, canary):
    qemu("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", canary, "-F", "raw", sent, "1M")
    content = sent.read_bytes()
    sent.write_bytes(content + bytes(MIB - len(content) % MIB))

    refuse(backend, sent, "stands on another file")


def test_a_disk_inside_which_a_qcow2_header_lies_stays_raw(backend, sent, canary, tmp_path):
    """Once the guest's bytes are in a layer, nobody guesses at a format any more."""
    qemu("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", canary, "-F", "raw", tmp_path / "trap", "1M")
    sent.write_bytes(bytes(512) + (tmp_path / "trap").read_bytes().ljust(MIB, b"\0"))

    backend.take(str(sent), TARGET, LIMITS)
    backend.create(LayerFile("layers/top.qcow2"), 2 * MIB, [TARGET])
    backend.copy([LayerFile("layers/top.qcow2"), TARGET], LayerFile("layers/copy.qcow2"))

    assert backend.inspect(TARGET).backing == ""


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "stream-optimised vmdk", "vdi", "vhd", "vhdx"])
def test_a_file_that_did_not_arrive_whole_is_refused(backend, disk, sent, kind):
    make(disk, sent, kind)
    os.truncate(sent, sent.stat().st_size // 1024 * 512)
    refuse(backend, sent, "complete|cannot be")

    os.truncate(sent, 700)
    refuse(backend, sent, "complete|within its header|cannot be|lacks its description")
    os.truncate(sent, 60)
    refuse(backend, sent, "complete|within its header|not a multiple")


def test_an_empty_file_is_refused(backend, sent):
    sent.touch()

    refuse(backend, sent, "is empty")


def test_a_raw_disk_ends_with_a_whole_sector(backend, sent):
    sent.write_bytes(b"hello")

    refuse(backend, sent, "not a multiple of 512 bytes")


def archive(path: Path, disk: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(disk, "disk.vmdk")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(bytes(4096), mtime=0), "compressed by gzip; unpack it first"),
        (b"\xfd7zXZ\x00" + bytes(1018), "compressed by xz; unpack it first"),
        (b"BZh9" + bytes(1020), "compressed by bzip2"),
        (b"\x28\xb5\x2f\xfd" + bytes(1020), "compressed by zstd"),
        (b"\x04\x22\x4d\x18" + bytes(1020), "compressed by lz4"),
        (b"PK\x03\x04" + bytes(1020), "a ZIP archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(1018), "a 7z archive"),
        (b"Rar!\x1a\x07" + bytes(1018), "a RAR archive"),
        (b"COWD" + bytes(1020), "ESX"),
        (b"QED\x00" + bytes(1020), "QED"),
        (b"WithoutFreeSpace" + bytes(1008), "Parallels"),
        (b"WithouFreSpacExt" + bytes(1008), "Parallels"),
        (b"Bochs Virtual HD Image" + bytes(1002), "Bochs"),
        (b"#!/bin/sh\n#V2.0 Format\n" + bytes(1001), "cloop"),
        (b"LUKS\xba\xbe" + bytes(1018), "encrypted by LUKS"),
        (b"\x7fELF" + bytes(1020), "a program"),
        (b"%PDF-1.7" + bytes(1016), "PDF"),
        (bytes(32769) + b"CD001" + bytes(1018), "image of a CD"),
        (bytes(1024) + b"koly" + bytes(508), "DMG"),
    ],
)
def test_what_is_no_disk_image_is_refused_by_name(backend, sent, content, words):
    sent.write_bytes(content)

    refuse(backend, sent, words)


def test_a_tar_archive_is_refused_by_name(backend, disk, sent):
    sent.write_bytes(archive(sent, disk))

    refuse(backend, sent, "a tar archive, as OVA files are")


def test_a_cd_that_is_also_a_disk_to_start_from_is_a_disk(backend, sent):
    content = bytearray(64 * 1024)
    content[510:512], content[32769:32774] = b"\x55\xaa", b"CD001"
    sent.write_bytes(content)

    assert backend.take(str(sent), TARGET, LIMITS) == 64 * 1024


def test_only_a_file_is_taken(backend, sent, canary, tmp_path):
    sent.symlink_to(canary)
    with pytest.raises(StorageError, match="is a link"):
        backend.take(str(sent), TARGET, LIMITS)
    os.mkfifo(tmp_path / "pipe")
    for wrong, words in ((tmp_path / "pipe", "not a file"), (tmp_path, "not a file"), (tmp_path / "no", "missing")):
        with pytest.raises(StorageError, match=words):
            backend.take(str(wrong), TARGET, LIMITS)
    assert names(backend.root / "images") == []


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vdi", "vhd", "vhdx"])
def test_spoilt_headers_never_lead_to_anything_but_a_refusal_or_a_layer(backend, disk, sent, kind):
    """Each of the first fields set to what hurts; not one may hang, crash the reader or leave something behind."""
    make(disk, sent, kind)
    content = sent.read_bytes()
    starts = {"vdi": range(64, 400, 4), "vhdx": [*range(192 * 1024, 192 * 1024 + 96, 4)]}.get(kind, range(4, 112, 4))
    for at in list(starts)[::3]:
        for value in (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"):
            sent.write_bytes(content[:at] + value + content[at + 4 :])
            try:
                backend.take(str(sent), TARGET, Limits(64 * MIB, seconds=20))
            except Unacceptable:
                assert names(backend.root / "images") == []
            else:
                backend.delete(TARGET.name)
