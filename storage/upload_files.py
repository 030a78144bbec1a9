"""The files of uploads, as they really are on the disk: grown at the end, by one writer at a time.

How much has arrived is the size of the file, whatever a row says: a server may be killed between writing to the one
and to the other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from storage.backends.base import Progress, StorageError, silent
from storage.files import backend_of
from storage.models import Upload

BLOCK = 1024 * 1024
Read = Callable[[int], bytes]


class Busy(Exception):
    """Somebody else is writing to the file."""


def path_of(upload: Upload) -> Path:
    return Path(backend_of(upload.datastore).path(upload.path))


def arrived(upload: Upload) -> int:
    """How many bytes there are."""
    try:
        return path_of(upload).stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StorageError(f"upload {upload}: {error.strerror}") from error


@contextmanager
def writing(upload: Upload) -> Iterator[BinaryIO]:
    """The file, open at its end, for us alone.  Raises Busy or StorageError."""
    path = path_of(upload)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(fd, "r+b", buffering=0) as file:  # noqa: PTH123 - of a descriptor
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(str(upload)) from None
            file.seek(0, os.SEEK_END)
            yield file
            os.fsync(fd)
    except OSError as error:
        raise StorageError(f"upload {upload}: {error.strerror or error}") from error


def append(file: BinaryIO, read: Read, room: int, told: Callable[[int], None]) -> int:
    """Write what ``read`` gives until it gives nothing more, at most ``room`` bytes; how much that was.

    What has come before ``read`` raises stays written.  ``told`` hears after each block how much there is.
    """
    written = 0
    while written < room:
        block = read(min(BLOCK, room - written))
        if not block:
            break
        view = memoryview(block)
        while view:
            view = view[file.write(view) :]
        written += len(block)
        told(written)
    return written


def sha256_of(upload: Upload, progress: Progress = silent) -> str:
    """Of the whole file."""
    found, done, total = hashlib.sha256(), 0, arrived(upload)
    try:
        with path_of(upload).open("rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
                done += len(block)
                if done % (64 * BLOCK) == 0:
                    progress(done, total)
    except OSError as error:
        raise StorageError(f"upload {upload}: {error.strerror}") from error
    return found.hexdigest()


def delete_file(upload: Upload) -> None:
    """Afterwards there is no such file."""
    try:
        path_of(upload).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"upload {upload}: {error.strerror}") from error
