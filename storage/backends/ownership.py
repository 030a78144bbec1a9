"""Letting QEMU use a file when it runs as another user than we do."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from functools import partial
from pathlib import Path

Give = Callable[[Path, bool], None]


def private(path: Path, _writable: bool) -> None:
    """For QEMU under our own user: nobody else may look."""
    path.chmod(0o700 if path.is_dir() else 0o600)


def shared(path: Path, writable: bool, *, uid: int, gid: int) -> None:
    """For QEMU under another user, and nobody else.

    Only for what lies in a directory that QEMU cannot write to: elsewhere it could be exchanged for a link.
    """
    is_dir = path.is_dir()
    if writable:
        os.chown(path, uid, gid, follow_symlinks=False)
        path.chmod(0o700 if is_dir else 0o600)
    else:
        os.chown(path, os.geteuid(), gid, follow_symlinks=False)
        path.chmod(0o750 if is_dir else 0o640)


def giver(user: str) -> Give:
    """How to let ``user``'s QEMU in; an empty name is our own user.  Raises KeyError if there is no such user."""
    if not user:
        return private
    account = pwd.getpwnam(user)
    if account.pw_uid == os.geteuid():
        return private
    return partial(shared, uid=account.pw_uid, gid=account.pw_gid)
