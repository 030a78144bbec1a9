"""Making a layer of a disk image from outside: looked at first, converted by QEMU with limits afterwards."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from storage.backends import qemu_img
from storage.backends.base import Limits, Progress, StorageError, Unacceptable
from storage.backends.inspecting import Found, identify
from storage.backends.qemu_img import Bounds, Secrets

MIB = 2**20
GIB = 2**30
OWN_BYTES = 64 * MIB  # what a qcow2 file takes beyond its disk: some, and a thousandth of the disk
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


def look(source: str, limits: Limits) -> Found:
    """What the file is.  Raises Unacceptable for what may not be converted."""
    with opened(source) as file:
        found = identify(file)
    _check_size(found.virtual_bytes, limits)
    bounds = Bounds(limits.seconds, limits.memory_bytes, 0)
    image = qemu_img.as_name(qemu_img.image(source, found.format))
    described = qemu_img.run_long(["qemu-img", "info", "--output=json", image], bounds)
    if described.status:
        raise Unacceptable(f"the {found.format} file cannot be read: {_words(described.errors)}")
    answer = json.loads(described.output)
    _check_size(int(answer["virtual-size"]), limits)
    if found.format not in UNCHECKED:
        checked = qemu_img.run_long(["qemu-img", "check", "--output=json", image], bounds)
        if checked.status == DAMAGED:
            raise Unacceptable(
                f"the {found.format} file is damaged or not complete; repair it (qemu-img check) or send it again"
            )
        if checked.status not in FINE:
            raise Unacceptable(f"the {found.format} file cannot be checked: {_words(checked.errors)}")
    return Found(found.format, int(answer["virtual-size"]))


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


def convert(
    source: str, found: Found, target: str, key: str | None, keys: Secrets, limits: Limits, progress: Progress
) -> None:
    """Copy the disk into an empty qcow2 file.  Raises Unacceptable if that takes more than is allowed."""
    bounds = Bounds(limits.seconds, limits.memory_bytes, found.virtual_bytes + found.virtual_bytes // 512 + OWN_BYTES)
    total = Path(source).stat().st_size
    try:
        qemu_img.convert(qemu_img.image(source, found.format), target, key, keys, bounds, total, progress)
    except StorageError as error:
        raise Unacceptable(f"the {found.format} file cannot be converted: {_words(str(error))}") from error
