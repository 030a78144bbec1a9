"""What tests do to disk images with QEMU's own tools."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from storage.backends import qemu_img
from storage.backends.base import LayerFile
from storage.backends.directory import DirectoryBackend

MIB = 2**20
GIB = 2**30


def qemu(*words: object) -> str:
    """What one of QEMU's tools says; it must succeed."""
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def qemu_io(backend: DirectoryBackend, chain: Sequence[LayerFile], *commands: str) -> None:
    """Let qemu-io write to the top of a chain, or read: ``write -P 7 0 64k`` puts sevens, ``read -P 7`` checks."""
    layers = [(backend.path(layer.name), layer) for layer in chain]
    with qemu_img.secrets() as keys:
        options = qemu_img.chain(layers, keys)
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(
            ["qemu-io", *keys.options, *words, qemu_img.as_name(options)],
            pass_fds=keys.fds,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout, done.stdout


def info(path: Path | str) -> dict[str, object]:
    return json.loads(qemu("qemu-img", "info", "--output=json", path))


def names(directory: Path) -> list[str]:
    """All that is in a directory, hidden files, too."""
    return sorted(entry.name for entry in directory.iterdir()) if directory.exists() else []
