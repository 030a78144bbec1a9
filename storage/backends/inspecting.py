"""What a file from outside is, found in its bytes; whatever refers to another file, or is no disk, is refused by name.

Nothing here lets content choose what is opened: a file is judged as the one format that it begins as, and QEMU is told
that format afterwards.
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from storage.backends import qcow2
from storage.backends.base import Unacceptable

SECTOR = 512
DESCRIPTOR_LIMIT = 20 * SECTOR  # QEMU's, for the text inside a VMDK file
VHDX_TABLE_AT, VHDX_TABLE_SIZE, VHDX_LIMIT = 192 * 1024, 65536, 2**20
VHDX_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
VHDX_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
VHDX_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
ACCEPTED = "qcow2, raw, VMDK (one sparse file), VDI, VHD and VHDX"

COMPRESSED = "is compressed by {}; unpack it first"
ARCHIVE = "is {}; unpack it first and take the disk image in it"
OTHER = "is {}, which is not taken; convert it to one of " + ACCEPTED
# What files begin as that are no disk images, or none that we take; raw is all the rest.
REFUSED = [
    (0, b"\x1f\x8b", COMPRESSED.format("gzip")),
    (0, b"\xfd7zXZ\x00", COMPRESSED.format("xz")),
    (0, b"BZh", COMPRESSED.format("bzip2")),
    (0, b"\x28\xb5\x2f\xfd", COMPRESSED.format("zstd")),
    (0, b"\x04\x22\x4d\x18", COMPRESSED.format("lz4")),
    (0, b"PK\x03\x04", ARCHIVE.format("a ZIP archive")),
    (0, b"7z\xbc\xaf\x27\x1c", ARCHIVE.format("a 7z archive")),
    (0, b"Rar!\x1a\x07", ARCHIVE.format("a RAR archive")),
    (257, b"ustar", ARCHIVE.format("a tar archive, as OVA files are")),
    (0, b"COWD", OTHER.format("a VMDK file of ESX's old kind")),
    (0, b"QED\x00", OTHER.format("of format QED")),
    (0, b"WithoutFreeSpace", OTHER.format("of Parallels' format")),
    (0, b"WithouFreSpacExt", OTHER.format("of Parallels' format")),
    (0, b"Bochs Virtual HD Image", OTHER.format("of Bochs's format")),
    (0, b"#!/bin/sh\n#V2.0 Format", OTHER.format("of format cloop")),
    (0, b"LUKS\xba\xbe", "is encrypted by LUKS; nobody could start from it: decrypt it first"),
    (0, b"\x7fELF", "is a program, no disk image"),
    (0, b"%PDF", "is a PDF document, no disk image"),
]
DESCRIPTOR = b"# Disk DescriptorFile"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be handed to QEMU: its format by QEMU's name, and how large the disk in it is."""

    format: str
    virtual_bytes: int


def identify(file: BinaryIO) -> Found:
    """What an open file is.  Raises Unacceptable in words for who sent it."""
    length = file.seek(0, 2)
    if length == 0:
        raise Unacceptable("the file is empty")
    start = _at(file, 0, 4096)
    for offset, magic, words in REFUSED:
        if start[offset : offset + len(magic)] == magic:
            raise Unacceptable(f"the file {words}")
    if start.lstrip()[: len(DESCRIPTOR)].lower() == DESCRIPTOR.lower():
        raise Unacceptable(
            "the file is the description of a VMDK disk whose data lie in other files; "
            "make one file of it (qemu-img convert -O qcow2)"
        )
    for magic, offset, judge in READERS:
        if start[offset : offset + len(magic)] == magic:
            return judge(file, length)
    if _at(file, max(0, length - SECTOR), 8) == b"conectix":
        return _vpc(file, length)
    return _raw(file, length)


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _fields(layout: str, content: bytes, offset: int, what: str) -> tuple[int, ...]:
    """Numbers out of a header; raises Unacceptable if it ends before."""
    try:
        return struct.unpack_from(layout, content, offset)
    except struct.error:
        raise Unacceptable(f"the file begins as {what} and ends within its header; send it again") from None


def _raw(file: BinaryIO, length: int) -> Found:
    if length % SECTOR:
        raise Unacceptable(
            f"the file is none of {ACCEPTED}: its size is not a multiple of {SECTOR} bytes, so it is no raw disk "
            "either, or not all of one"
        )
    is_bootable = _at(file, 510, 2) == b"\x55\xaa"
    if _at(file, 32769, 5) == b"CD001" and not is_bootable:
        raise Unacceptable("the file is an image of a CD (ISO), no disk; install from it elsewhere and send the disk")
    if _at(file, length - SECTOR, 4) == b"koly":
        raise Unacceptable(f"the file {OTHER.format('of Apple format DMG')}")
    return Found("raw", length)


def _qcow2(file: BinaryIO, length: int) -> Found:
    try:
        header = qcow2.read_header(file)
    except qcow2.NotQcow2 as error:
        raise Unacceptable(f"the file begins as a qcow2 file, but {error}") from error
    for wrong, words in (
        (header.backing, "stands on another file; make one of both (qemu-img convert)"),
        (header.features & qcow2.EXTERNAL_DATA, "keeps its data in another file; make one of both (qemu-img convert)"),
        (header.is_encrypted, "is encrypted; decrypt it first (qemu-img convert)"),
        (header.features & qcow2.CORRUPT, "is marked as damaged; repair it first (qemu-img check -r all)"),
        (header.features & ~qcow2.KNOWN_FEATURES, "uses features that are not known here; convert it anew"),
        (header.snapshots, "has snapshots inside, which would be lost; make one without (qemu-img convert)"),
        (not 9 <= header.cluster_bits <= 21, "has clusters of a size that cannot be"),
        (header.l1_table_offset + header.l1_size * 8 > length, "is not complete; send it again"),
        (header.refcount_table_offset >= length, "is not complete; send it again"),
    ):
        if wrong:
            raise Unacceptable(f"the qcow2 file {words}")
    return Found("qcow2", header.size)


def _vmdk(file: BinaryIO, length: int) -> Found:
    """A sparse file with its description inside; one whose data end with a footer has the same fields there."""
    header = _vmdk_header(_at(file, 0, SECTOR))
    capacity, described_at, described, table_at = header
    if not capacity:
        raise Unacceptable("the VMDK file only describes a disk whose data lie in other files; make one file of it")
    # QEMU looks for a parent in all of these bytes, however short the description says it is.
    text = _at(file, described_at * SECTOR, DESCRIPTOR_LIMIT).decode("latin-1")
    if not described_at or not described or DESCRIPTOR.decode().lower() not in text.lower():
        raise Unacceptable("the VMDK file lacks its description; send it again")
    extents = re.findall(r"(?im)^\s*(?:rw|rdonly|noaccess)\s+\d+\s+(\w+)", text[: described * SECTOR])
    if [extent.lower() for extent in extents] != ["sparse"]:
        raise Unacceptable("the VMDK file has data in other files; make one file of it (qemu-img convert -O qcow2)")
    parents = re.findall(r"(?im)parentcid\s*=\s*(\w+)", text)
    if "parentfilenamehint" in text.lower() or any(parent.lower() != "ffffffff" for parent in parents):
        raise Unacceptable("the VMDK file stands on another file; make one of both (qemu-img convert -O qcow2)")
    if table_at == 2**64 - 1:
        footer = _at(file, max(0, length - 2 * SECTOR), SECTOR)
        if footer[:4] != b"KDMV":
            raise Unacceptable("the VMDK file is not complete; send it again")
        again = _vmdk_header(footer)
        if again[:3] != header[:3]:
            raise Unacceptable("the VMDK file says different things of itself at its two ends")
    return Found("vmdk", capacity * SECTOR)


def _vmdk_header(content: bytes) -> tuple[int, int, int, int]:
    """Capacity, place and length of the description, place of the table: all but the last in sectors."""
    fields = _fields("<IIQQQQIQQ", content, 4, "a VMDK file")
    if fields[0] not in (1, 2, 3):
        raise Unacceptable(f"the VMDK file is of version {fields[0]}, which is not taken")
    return fields[2], fields[4], fields[5], fields[8]


def _vdi(file: BinaryIO, length: int) -> Found:
    content = _at(file, 0, 512)
    version, _size, kind = _fields("<III", content, 68, "a VDI file")
    (data_at,) = _fields("<I", content, 344, "a VDI file")
    size, block_size, _extra, _blocks, allocated = _fields("<QIIII", content, 368, "a VDI file")
    if version != 0x00010001:
        raise Unacceptable(f"the VDI file is of version {version:#x}, which is not taken")
    if kind not in (1, 2) or any(content[424:456]):
        raise Unacceptable("the VDI file stands on another file; make one of both (VBoxManage clonemedium)")
    if data_at + allocated * block_size > length:
        raise Unacceptable("the VDI file is not complete; send it again")
    return Found("vdi", size)


def _vpc(file: BinaryIO, length: int) -> Found:
    """The footer counts: of a growing disk there is a copy at the front, and a file without the end is not whole."""
    footer = _at(file, max(0, length - SECTOR), SECTOR)
    if footer[:8] != b"conectix":
        raise Unacceptable("the VHD file is not complete; send it again")
    (size,) = _fields(">Q", footer, 48, "a VHD file")
    (kind,) = _fields(">I", footer, 60, "a VHD file")
    copy = _at(file, 0, SECTOR)
    if kind == 4 or (copy[:8] == b"conectix" and copy[60:64] != footer[60:64]):
        raise Unacceptable("the VHD file stands on another file; merge both into one first")
    if kind not in (2, 3) or (kind == 3) != (copy[:8] == b"conectix"):
        raise Unacceptable(f"the VHD file is of kind {kind}, which is not taken; there are fixed and growing ones")
    return Found("vpc", size)


def _vhdx(file: BinaryIO, length: int) -> Found:
    regions = _vhdx_entries(_at(file, VHDX_TABLE_AT, VHDX_TABLE_SIZE), b"regi", 8, 16, 32, "<QI")
    if VHDX_METADATA not in regions:
        raise Unacceptable("the VHDX file is not complete; send it again")
    place, _size = regions[VHDX_METADATA]
    metadata = _vhdx_entries(_at(file, place, VHDX_TABLE_SIZE), b"metadata", 10, 32, 32, "<II")
    if VHDX_PARAMETERS not in metadata or VHDX_SIZE not in metadata:
        raise Unacceptable("the VHDX file is not complete; send it again")
    _block, flags = _fields("<II", _at(file, place + metadata[VHDX_PARAMETERS][0], 8), 0, "a VHDX file")
    if flags & 2:
        raise Unacceptable("the VHDX file stands on another file; merge both into one first")
    (size,) = _fields("<Q", _at(file, place + metadata[VHDX_SIZE][0], 8), 0, "a VHDX file")
    return Found("vhdx", size)


def _vhdx_entries(
    table: bytes, magic: bytes, count_at: int, first_at: int, entry_size: int, layout: str
) -> dict[uuid.UUID, tuple[int, ...]]:
    """Places and lengths out of one of the format's two tables, by their names."""
    if table[: len(magic)] != magic:
        raise Unacceptable("the VHDX file is not complete; send it again")
    (count,) = _fields("<H", table, count_at, "a VHDX file")
    found = {}
    for index in range(min(count, 2047)):
        at = first_at + index * entry_size
        fields = _fields(layout, table, at + 16, "a VHDX file")
        found[uuid.UUID(bytes_le=table[at : at + 16])] = fields
    return found


Judge = Callable[[BinaryIO, int], Found]
READERS: list[tuple[bytes, int, Judge]] = [
    (qcow2.MAGIC, 0, _qcow2),
    (b"KDMV", 0, _vmdk),
    (b"\x7f\x10\xda\xbe", 0x40, _vdi),
    (b"vhdxfile", 0, _vhdx),
    (b"conectix", 0, _vpc),
]
