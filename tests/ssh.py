"""Logging in to guests, as a person would."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

ANSWERS_WITHIN_S = 120
OPTIONS = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5")


def ssh(key: Path, address: str, command: str, *, port: int = 22, user: str = "root") -> str:
    """What the command prints; tried until the guest answers, for it may be booting."""
    line = ["ssh", "-i", str(key), "-p", str(port), *OPTIONS, "-o", "BatchMode=yes", f"{user}@{address}", command]
    return run(line)


def run(line: list[str]) -> str:
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while True:
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        if done.returncode != 255:  # ssh's own word for "could not log in"
            return done.stdout
        assert time.monotonic() < deadline, f"no login: {done.stderr}"
        time.sleep(1)
