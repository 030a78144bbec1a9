"""Making a layer of a disk image from outside: looked at first, converted by QEMU with limits afterwards."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from storage.backends import qemu_img
from storage.backends.base import Limits, Progress, StorageError, Unacceptable
from storage.backends.inspecting import Found, identify
from storage.backends.qemu_img import Account, Bounds, Secrets

MIB = 2**20
GIB = 2**30
OWN_BYTES = 64 * MIB  # what a qcow2 file takes beyond its disk: some, and a thousandth of the disk
FULL = "No space left on device"  # which is not the file's fault
UNCHECKED = ("raw", "vpc")  # for which QEMU has no check
DAMAGED, FINE = 2, (0, 3)  # what qemu-img check ends with; 3: space is lost in it, nothing else


@contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """The file, if it is one: neither a link nor a pipe is followed."""
    try:
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise StorageError(f"{source} is missing; send it again") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StorageError(f"{source} is a link, not a file") from error
        raise StorageError(f"{source}: {error}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StorageError(f"{source} is not a file")
        with os.fdopen(fd, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(fd)


def first_look(source: str, limits: Limits) -> Found:
    """What the file says it is, without QEMU.  Raises Unacceptable for what may not be converted."""
    with opened(source) as file:
        found = identify(file)
    _check_size(found.virtual_bytes, limits)
    return found


@dataclass(frozen=True, slots=True)
class Work:
    """A file from outside on its way through QEMU: the path by which it is read, and what QEMU may take."""

    source: str
    format: str
    total_bytes: int
    limits: Limits
    keys: Secrets
    account: Account | None = None

    def bounds(self, file_bytes: int) -> Bounds:
        return Bounds(self.limits.seconds, self.limits.memory_bytes, file_bytes, self.account)

    @property
    def image(self) -> dict[str, Any]:
        return qemu_img.image(self.source, self.format)


def second_look(work: Work, progress: Progress) -> int:
    """What QEMU says of the file; the size of the disk.  Raises Unacceptable for what may not be converted."""
    name = qemu_img.as_name(work.image)
    described = qemu_img.run_long(["qemu-img", "info", "--output=json", name], work.bounds(0), work.keys)
    if described.status:
        raise Unacceptable(f"the {work.format} file cannot be read: {_words(described.errors)}")
    size = int(json.loads(described.output)["virtual-size"])
    _check_size(size, work.limits)
    if work.format not in UNCHECKED:
        command = ["qemu-img", "check", "--output=json", name]
        checked = qemu_img.run_long(command, work.bounds(0), work.keys, lambda _: progress(0, work.total_bytes))
        if checked.status == DAMAGED:
            raise Unacceptable(
                f"the {work.format} file is damaged or not complete; repair it (qemu-img check) or send it again"
            )
        if checked.status not in FINE:
            raise Unacceptable(f"the {work.format} file cannot be checked: {_words(checked.errors)}")
    return size


def _check_size(size: int, limits: Limits) -> None:
    if size <= 0:
        raise Unacceptable("the disk in the file has no size")
    if size > limits.virtual_bytes:
        raise Unacceptable(
            f"the disk in the file is of {size / GIB:.1f} GiB; at most {limits.virtual_bytes / GIB:g} GiB are allowed"
        )


def _words(errors: str) -> str:
    """QEMU's words without our paths; it may have been ended before it could say any."""
    last = errors.splitlines()[-1] if errors else "it takes more memory, time or space than is allowed"
    return last.rpartition("': ")[2]


def convert(work: Work, size: int, target: str, key: str | None, progress: Progress) -> None:
    """Copy the disk into an empty qcow2 file.  Raises Unacceptable if that takes more than is allowed."""
    bounds = work.bounds(size + size // 512 + OWN_BYTES)
    try:
        qemu_img.convert(work.image, target, key, work.keys, bounds, work.total_bytes, progress)
    except StorageError as error:
        if FULL in str(error):
            raise
        raise Unacceptable(f"the {work.format} file cannot be converted: {_words(str(error))}") from error
