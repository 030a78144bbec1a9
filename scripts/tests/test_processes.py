"""Processes are found by their mark and ended with what they started."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from scripts import processes

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


def start(
    data_dir: Path, program: str, code: str = "print(flush=True); import time; time.sleep(60)"
) -> subprocess.Popen[bytes]:
    mark = {processes.MARK: str(data_dir), processes.PROGRAM: program}
    process = subprocess.Popen([sys.executable, "-c", code], env=mark, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def eventually(fact: Callable[[], bool], within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.05)
    return fact()


def test_only_the_processes_of_this_data_dir_and_program_are_found(tmp_path: Path) -> None:
    web, worker, other = start(tmp_path, "web"), start(tmp_path, "worker"), start(tmp_path / "other", "web")
    try:
        assert sorted(processes.marked(tmp_path)) == sorted([web.pid, worker.pid])
        assert processes.marked(tmp_path, "worker") == [worker.pid]
    finally:
        for process in (web, worker, other):
            process.kill()
            process.communicate()


def test_what_ignores_a_request_to_end_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "worker", STUBBORN)

    processes.end([process.pid], patience_s=0.2)

    process.communicate(timeout=5)
    assert process.returncode == -9


def test_a_child_of_a_killed_parent_still_carries_the_mark(tmp_path: Path) -> None:
    fork = "import os, time\npid = os.fork()\nif pid: print(pid, flush=True)\ntime.sleep(60)"
    parent = start(tmp_path, "worker", fork)
    parent.kill()
    parent.wait()

    orphans = processes.marked(tmp_path)
    processes.end(orphans)

    assert len(orphans) == 1
    assert eventually(lambda: processes.marked(tmp_path) == [])
