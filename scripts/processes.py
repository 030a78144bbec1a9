"""Find and end the processes of one DATA_DIR, and nothing else's.

Whatever `make run` starts carries its DATA_DIR in its environment (MARK), which the kernel shows in /proc.  A process
keeps it however often it forks, and guests do not have it: libvirt gives QEMU an environment of its own.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

MARK = "YUSHAN_RUN"
PROGRAM = "YUSHAN_PROGRAM"  # web, worker, copier, watcher or libvirtd
PR_SET_CHILD_SUBREAPER = 36


def environment_of(pid: int) -> dict[str, str]:
    """What the process was started with; empty when it is gone or another user's."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0"))
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def command_line_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def marked(data_dir: Path, program: str = "") -> list[int]:
    """The processes that belong to a run on ``data_dir``, of one program if it is named."""
    found = []
    for pid in all_pids():
        environment = environment_of(pid)
        if environment.get(MARK) == str(data_dir) and program in ("", environment.get(PROGRAM)):
            found.append(pid)
    return found


def all_pids() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def is_alive(pid: int) -> bool:
    """False for a zombie too: it only waits for its parent to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end(pids: Iterable[int], patience_s: float = 5) -> None:
    """Ask them to end, and kill those that have not after ``patience_s``."""
    pids = list(pids)
    send(pids, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while (pids := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    send(pids, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, in place of init."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def children() -> list[int]:
    found: list[int] = []
    for listing in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listing.read_text().split())
    return found


def reap(keep: Iterable[int] = ()) -> None:
    """Collect the children that have ended, except those of ``keep``, for which somebody else waits."""
    for pid in set(children()) - set(keep):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
