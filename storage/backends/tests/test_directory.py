"""The directory backend on real files."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.backends.base import LayerFile, Limits, StorageError
from storage.backends.directory import DirectoryBackend
from storage.backends.tests.qemu import GIB, MIB, info, names, qemu, qemu_io

BASE, MIDDLE, TOP, OTHER = (LayerFile(f"layers/{name}.qcow2") for name in ("base", "middle", "top", "other"))


@pytest.fixture
def backend(tmp_path):
    return DirectoryBackend(tmp_path / "datastore")


@pytest.fixture
def chain(backend):
    """Three layers, a MiB of a byte of its own in each, and one MiB that the upper ones have overwritten."""
    backend.create(BASE, 8 * MIB)
    qemu_io(backend, [BASE], "write -P 1 0 1M", "write -P 1 3M 1M")
    backend.create(MIDDLE, 8 * MIB, [BASE])
    qemu_io(backend, [MIDDLE, BASE], "write -P 2 1M 1M", "write -P 2 3M 1M")
    backend.create(TOP, 16 * MIB, [MIDDLE, BASE])
    qemu_io(backend, [TOP, MIDDLE, BASE], "write -P 3 2M 1M", "write -P 3 12M 1M")
    return [TOP, MIDDLE, BASE]


WHOLE = [*(f"read -P {byte} {n}M 1M" for n, byte in enumerate([1, 2, 3, 2])), "read -P 0 4M 8M", "read -P 3 12M 1M"]


# --- one layer, and one on another ----------------------------------------------------------------------------------


def test_an_overlay_survives_a_move_of_the_datastore(backend, tmp_path):
    backend.create(LayerFile("images/ami-1.qcow2"), 96 * MIB)
    backend.create(TOP, 2 * GIB, [LayerFile("images/ami-1.qcow2")])

    backend.root.rename(tmp_path / "elsewhere")

    found = info(tmp_path / "elsewhere/layers/top.qcow2")
    assert found["virtual-size"] == 2 * GIB
    assert found["backing-filename"] == "../images/ami-1.qcow2"
    assert str(found["full-backing-filename"]).startswith(str(tmp_path / "elsewhere"))
    moved = DirectoryBackend(tmp_path / "elsewhere").inspect(TOP)
    assert moved is not None
    assert moved.backing == "images/ami-1.qcow2"


def test_a_layer_says_its_size_what_it_takes_and_what_it_stands_on(backend, chain):
    top, base = backend.inspect(TOP), backend.inspect(BASE)

    assert backend.inspect(OTHER) is None
    assert (base.virtual_bytes, base.backing, base.is_encrypted) == (8 * MIB, "", False)
    assert (top.virtual_bytes, top.backing) == (16 * MIB, MIDDLE.name)
    assert 2 * MIB <= top.used_bytes < 3 * MIB


def test_an_overlay_is_at_least_as_large_as_what_it_stands_on(backend):
    backend.create(BASE, 2 * MIB)
    backend.create(TOP, MIB, [BASE])

    assert backend.inspect(TOP).virtual_bytes == 2 * MIB


def test_asked_twice_what_is_there_stays(backend):
    backend.create(BASE, MIB)
    qemu_io(backend, [BASE], "write -P 7 0 4096")

    backend.create(BASE, MIB)
    backend.copy([BASE], BASE)
    backend.take("/nonexistent", BASE, Limits(MIB))

    qemu_io(backend, [BASE], "read -P 7 0 4096")


def test_who_is_slower_leaves_what_another_process_has_made(backend):
    """A domain may have the file open by then."""
    (backend.root / "layers").mkdir(parents=True)
    with backend._finished(backend.root / BASE.name):
        backend.create(BASE, 2 * MIB)

    assert backend.inspect(BASE).virtual_bytes == 2 * MIB
    assert names(backend.root / "layers") == ["base.qcow2"]


def test_deleting_takes_along_what_a_killed_process_had_begun(backend):
    backend.create(LayerFile("layers/vol-1.qcow2"), MIB)
    backend.create(LayerFile("layers/vol-10.qcow2"), MIB)
    for name in (".vol-1.qcow2.x7_abc", ".vol-10.qcow2.x7_abc"):
        (backend.root / "layers" / name).touch()

    backend.delete("layers/vol-1.qcow2")
    backend.delete("layers/vol-1.qcow2")

    assert names(backend.root / "layers") == [".vol-10.qcow2.x7_abc", "vol-10.qcow2"]
    backend.delete("layers/.vol-10.qcow2.x7_abc")
    assert names(backend.root / "layers") == ["vol-10.qcow2"]


def test_a_layer_grows_and_never_shrinks_and_keeps_what_it_stands_on(backend, chain):
    backend.grow(TOP, 32 * MIB)
    backend.grow(TOP, 4 * MIB)

    grown = backend.inspect(TOP)
    assert (grown.virtual_bytes, grown.backing) == (32 * MIB, MIDDLE.name)
    qemu_io(backend, chain, *WHOLE, "read -P 0 16M 16M")


def test_what_is_missing_is_named_and_nothing_is_left_of_what_failed(backend):
    failing: Callable[[], object]
    for failing in (
        lambda: backend.create(TOP, MIB, [BASE]),
        lambda: backend.grow(BASE, MIB),
        lambda: backend.copy([BASE], TOP),
        lambda: backend.rebase([TOP, BASE], 2),
        lambda: backend.checksum(BASE.name),
    ):
        with pytest.raises(StorageError, match=r"(base|top)\.qcow2"):
            failing()
    with pytest.raises(StorageError):
        backend.create(OTHER, -1)

    assert names(backend.root / "layers") == []


@pytest.mark.parametrize(
    "name",
    ["../x", "layers/../../x", "", ".", "x", "/etc/passwd", "layers//x", "-f/x", "layers/-f", "layers/a,b", "a/:"],
)
def test_a_name_that_could_lead_elsewhere_is_refused(backend, name):
    for asked in (backend.path, backend.delete, backend.checksum, backend.freeze):
        with pytest.raises(StorageError, match="cannot be the name"):
            asked(name)
    with pytest.raises(StorageError, match="cannot be the name"):
        backend.create(LayerFile(name), MIB)


@pytest.mark.parametrize("name", ["../x", "", ".", "a/b", "-f", "x" * 200])
def test_an_instance_whose_name_could_lead_elsewhere_is_refused(backend, name):
    for asked in (backend.instance_dir, backend.console_log, backend.delete_instance_dir):
        with pytest.raises(StorageError, match="cannot be the name"):
            asked(name)


def test_a_layer_whose_file_names_something_elsewhere_is_not_believed(backend, tmp_path):
    """QEMU writes to these files, and whoever has taken over a QEMU may write anything."""
    canary = tmp_path / "canary"
    qemu("qemu-img", "create", "-q", "-f", "qcow2", canary, "1M")
    backend.create(BASE, MIB)
    backend.create(TOP, MIB, [BASE])
    qemu("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", canary, backend.path(TOP.name))

    with pytest.raises(StorageError, match=r"no layer of its datastore"):
        backend.inspect(TOP)
    with pytest.raises(StorageError, match=r"no layer of its datastore"):
        backend.copy([TOP, BASE], OTHER)


def test_a_chain_that_is_not_as_the_caller_says_is_refused(backend, chain):
    with pytest.raises(StorageError, match=r"top\.qcow2 stands on 'layers/middle\.qcow2'"):
        backend.copy([TOP, BASE], OTHER)
    with pytest.raises(StorageError, match=r"middle\.qcow2 stands on 'layers/base\.qcow2', not on nothing"):
        backend.copy([TOP, MIDDLE], OTHER)

    assert not (backend.root / OTHER.name).exists()


def test_a_layer_that_has_taken_in_more_than_the_caller_knows_reads_the_same(backend, chain):
    """The worker died between the rebase and the row."""
    backend.rebase(chain, 2)

    backend.copy(chain, OTHER)
    backend.rebase(chain, 3)

    for layer in (OTHER, TOP):
        qemu_io(backend, [layer], *WHOLE)


# --- copies ---------------------------------------------------------------------------------------------------------


def test_a_copy_has_all_and_stands_on_nothing(backend, chain):
    backend.copy(chain, OTHER)

    for layer in chain:
        backend.delete(layer.name)
    assert backend.inspect(OTHER).backing == ""
    assert backend.inspect(OTHER).used_bytes < 7 * MIB
    qemu_io(backend, [OTHER], *WHOLE)


@pytest.mark.parametrize(("depth", "rest"), [(1, [MIDDLE, BASE]), (2, [BASE]), (3, [])])
def test_a_rebased_layer_has_taken_in_what_lay_between(backend, chain, depth, rest):
    heard = []

    backend.rebase(chain, depth, lambda done, total: heard.append((done, total)))
    backend.rebase(chain, depth)

    for layer in set(chain[1:]) - set(rest):
        backend.delete(layer.name)
    qemu_io(backend, [TOP, *rest], *WHOLE)
    top = backend.inspect(TOP)
    assert top.backing == (rest[0].name if rest else "")
    assert info(backend.path(TOP.name)).get("backing-filename") == (Path(rest[0].name).name if rest else None)
    assert qemu("qemu-img", "check", backend.path(TOP.name))
    if depth > 1:
        assert heard[-1][0] == heard[-1][1]


def test_a_rebase_that_is_ended_leaves_the_layer_where_it_stood(backend, chain):
    def end(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.rebase(chain, 3, end)

    assert backend.inspect(TOP).backing == MIDDLE.name
    qemu_io(backend, chain, *WHOLE)
    backend.rebase(chain, 3)
    qemu_io(backend, [TOP], *WHOLE)


def test_a_layer_that_is_in_use_is_neither_rebased_nor_hurt(backend, chain):
    user = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", backend.path(TOP.name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert user.stdin
    assert user.stdout
    try:
        user.stdin.write(b"length\n")
        user.stdin.flush()
        assert user.stdout.readline()
        with pytest.raises(StorageError, match="lock"):
            backend.rebase(chain, 3)
        assert backend.inspect(TOP).backing == MIDDLE.name
    finally:
        user.communicate(b"quit\n")
    qemu_io(backend, chain, *WHOLE)


def test_a_checksum_is_of_the_file_and_says_how_far_it_is(backend):
    backend.create(BASE, MIB)
    heard = []

    found = backend.checksum(BASE.name, lambda done, total: heard.append((done, total)))

    content = Path(backend.path(BASE.name)).read_bytes()
    assert found == hashlib.sha256(content).hexdigest()
    assert heard == [(len(content), len(content))]


KILLED = """
import sys
from storage.backends.base import LayerFile, Limits
from storage.backends.directory import DirectoryBackend
backend = DirectoryBackend(sys.argv[1])
base, top, other = (LayerFile(f"layers/{name}.qcow2") for name in ("base", "top", "other"))
{
    "copy": lambda: backend.copy([top, base], other),
    "take": lambda: backend.take(sys.argv[1] + "/raw", other, Limits(2**30)),
    "rebase": lambda: backend.rebase([top, base], 2),
}[sys.argv[2]]()
"""


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [int(child) for child in found]


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.mark.parametrize("verb", ["copy", "take", "rebase"])
def test_kill_9_in_the_middle_leaves_nothing_under_a_final_name_and_no_child(backend, verb):
    backend.create(BASE, 512 * MIB)
    backend.create(TOP, 512 * MIB, [BASE])
    qemu_io(backend, [BASE], "write -P 5 0 200M")
    raw = backend.root / "raw"
    with raw.open("wb") as file:
        piece = os.urandom(16 * MIB)
        for _ in range(12):
            file.write(piece)
    child = 0
    for _ in range(20):  # until one was caught at work
        worker = subprocess.Popen([sys.executable, "-c", KILLED, backend.root, verb])
        while worker.poll() is None and not child:
            child = next((pid for pid in children(worker.pid) if at_work(pid, backend.root, verb)), 0)
        if child:
            os.kill(child, signal.SIGSTOP)
            if worker.poll() is None and not (backend.root / OTHER.name).exists():
                break
        worker.wait()
        backend.delete(OTHER.name)
        child = 0
    assert child
    worker.kill()
    worker.wait()

    deadline = time.monotonic() + 10
    while comm(child).startswith("qemu"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not (backend.root / OTHER.name).exists()
    assert backend.inspect(TOP).backing == BASE.name
    qemu_io(backend, [TOP, BASE], "read -P 5 0 200M")
    if verb != "rebase":
        assert any(name.startswith(".other.qcow2.") for name in names(backend.root / "layers"))
        backend.copy([TOP, BASE], OTHER)
        assert names(backend.root / "layers") == ["base.qcow2", "other.qcow2", "top.qcow2"]


def at_work(pid: int, root: Path, verb: str) -> bool:
    """Whether a child is in the midst of writing."""
    if verb == "rebase":
        return comm(pid) == "qemu-storage-da" and (root / TOP.name).stat().st_blocks * 512 > MIB
    unfinished = next((root / "layers").glob(".other.qcow2.*"), None)
    try:
        return comm(pid) == "qemu-img" and unfinished is not None and unfinished.stat().st_blocks * 512 > MIB
    except FileNotFoundError:
        return False


# --- encryption -----------------------------------------------------------------------------------------------------


def test_an_encrypted_chain_is_made_grown_copied_and_rebased(backend):
    """One test, for each key takes seconds to make."""
    plain = LayerFile("images/plain.qcow2")
    backend.create(plain, 8 * MIB)
    qemu_io(backend, [plain], "write -P 1 0 1M")
    middle, top = LayerFile("layers/middle.qcow2", "key, one"), LayerFile("layers/top.qcow2", "key two")

    backend.create(middle, 8 * MIB, [plain])
    qemu_io(backend, [middle, plain], "write -P 65 1M 1M")
    backend.create(top, 8 * MIB, [middle, plain])
    qemu_io(backend, [top, middle, plain], "write -P 66 2M 1M")
    backend.grow(top, 16 * MIB)
    whole = ["read -P 1 0 1M", "read -P 65 1M 1M", "read -P 66 2M 1M", "read -P 0 3M 13M"]

    qemu_io(backend, [top, middle, plain], *whole)
    found = backend.inspect(top)
    assert (found.is_encrypted, found.backing, found.virtual_bytes) == (True, middle.name, 16 * MIB)
    for layer, secret in ((middle, b"AAAA"), (top, b"BBBB")):
        assert secret * 64 not in Path(backend.path(layer.name)).read_bytes()
    with pytest.raises(StorageError, match=r"middle\.qcow2 has encryption unexpectedly"):
        backend.copy([top, LayerFile(middle.name), plain], OTHER)
    with pytest.raises(StorageError, match="nvalid password"):
        backend.copy([top, LayerFile(middle.name, "wrong"), plain], OTHER)
    assert names(backend.root / "layers") == ["middle.qcow2", "top.qcow2"]

    copied = LayerFile("layers/copied.qcow2", "key three")
    backend.copy([top, middle, plain], copied)
    qemu_io(backend, [copied], *whole)
    assert b"BBBB" * 64 not in Path(backend.path(copied.name)).read_bytes()

    backend.rebase([top, middle, plain], 2)
    qemu_io(backend, [top, plain], *whole)
    assert b"AAAA" * 64 not in Path(backend.path(top.name)).read_bytes()
    backend.rebase([top, plain], 2)
    qemu_io(backend, [top], *whole)


def test_no_passphrase_is_on_a_command_line(backend, tmp_path):
    lines: set[str] = set()
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCH, str(os.getpid())], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    backend.create(LayerFile(BASE.name, "sesame-open"), MIB)
    said, _ = watcher.communicate("")
    lines.update(said.splitlines())

    assert any("encrypt.format=luks" in line for line in lines)
    assert not any("sesame-open" in line for line in lines)


WATCH = """
import pathlib, select, sys
seen = set()
while not select.select([sys.stdin], [], [], 0.005)[0]:
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"qemu-img" in line:
                seen.add(line)
for line in seen:
    print(line.replace(bytes(1), b" ").decode())
"""


# --- the whole ------------------------------------------------------------------------------------------------------


def test_an_instance_directory_has_its_files_and_keeps_its_log(backend):
    directory = backend.instance_dir("i-1")
    log = backend.root / "instances/i-1/console.log"
    log.write_text("said before")

    path = backend.write_instance_file("i-1", "seed.iso", b"first")
    backend.write_instance_file("i-1", "seed.iso", b"second")

    assert Path(path).read_bytes() == b"second"
    assert backend.instance_dir("i-1") == directory
    assert log.read_text() == "said before"
    assert names(log.parent) == ["console.log", "seed.iso"]

    backend.delete_instance_dir("i-1")
    backend.delete_instance_dir("i-1")
    assert not log.parent.exists()


def test_files_are_found_whoever_they_belong_to(backend):
    backend.create(BASE, MIB)
    backend.write_instance_file("i-1", "seed.iso", b"x" * 5000)
    (backend.root / "layers/.top.qcow2.x7").write_bytes(b"x")
    (backend.root / "layers/link").symlink_to("/etc")

    found = {file.name: file for file in backend.files()}

    assert sorted(found) == ["instances/i-1", "layers/.top.qcow2.x7", BASE.name, "layers/link"]
    assert found["instances/i-1"].used_bytes >= 5000
    assert abs(found[BASE.name].modified_at - time.time()) < 60


def test_a_frozen_layer_is_for_qemu_to_read_and_a_new_one_to_write(tmp_path):
    given: dict[str, bool] = {}
    backend = DirectoryBackend(tmp_path, lambda path, writable: given.__setitem__(path.name, writable))
    backend.create(BASE, MIB)
    backend.create(MIDDLE, MIB, [BASE])
    backend.freeze(BASE.name)
    backend.freeze(OTHER.name)

    assert [writable for name, writable in given.items() if name.startswith(".")] == [True, True]
    assert given["base.qcow2"] is False
    assert "middle.qcow2" not in given
    backend.create(TOP, MIB, [MIDDLE, BASE])
    assert "middle.qcow2" not in given  # a domain may write to it until it goes on in the top one

    given.clear()
    backend.take(backend.path(BASE.name), OTHER, Limits(MIB))
    assert list(given.values()) == [False]
