"""Plain lines of progress, and commands whose output goes to a log."""

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO


class Stop(Exception):
    """Going on makes no sense; the message says why and what to do."""


def show(text: str, *, to: TextIO = sys.stdout) -> None:
    """Print it; a terminal that has gone away must not keep us from stopping in good order."""
    with contextlib.suppress(OSError):
        print(text, file=to, flush=True)


def say(text: str) -> None:
    show(f"==> {text}")


def complain(text: str) -> None:
    show(f"\n{text}", to=sys.stderr)


def tail(path: Path, lines: int = 30) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def quietly(command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str]) -> None:
    """Run it with its output in the log; raise Stop with the log's end when it fails."""
    with log.open("a") as output:
        print(f"\n$ {' '.join(command)}", file=output, flush=True)
        try:
            done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        except OSError as error:
            raise Stop(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise Stop(f"{tail(log)}\n\nThat did not work: {' '.join(command)}\nThe whole log is in {log}")
