"""Running qemu-img: with limits, with progress, and so that it ends with whoever asked for it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.backends.base import LayerFile, Progress, StorageError

COMMAND_LIMIT_S = 60.0
COPY_LIMIT_S = 24 * 3600.0
# Of address space: a conversion was seen to need 400 MiB of it, and 25 MiB of memory; a long chain of large layers has
# caches of up to 32 MiB for each.
MEMORY_BYTES = 8 * 2**30
TELL_EVERY_S = 1.0
LAST_WORDS = 2000
PERCENT = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")
PACKAGES = {"qemu-img": "qemu-utils", "qemu-storage-daemon": "qemu-system-common"}


Account = tuple[int, int]  # user and group


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may take; ``file_bytes`` is the largest file it may write, ``account`` who it is if not we."""

    seconds: float = COPY_LIMIT_S
    memory_bytes: int = MEMORY_BYTES
    file_bytes: int | None = None
    account: Account | None = None


def bounded(command: Sequence[str], bounds: Bounds) -> list[str]:
    """The command line that runs a command with limits and less priority, and ends it when we end, however we do."""
    limits = [f"--as={bounds.memory_bytes}", "--core=0"]
    if bounds.file_bytes is not None:
        limits.append(f"--fsize={bounds.file_bytes}")
    become = []
    if bounds.account is not None:
        uid, gid = bounds.account
        become = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    return [
        *("setpriv", *become, "--pdeathsig=KILL", "--no-new-privs", "--"),
        *("prlimit", *limits, "--"),
        *("nice", "-n", "10", "--", *command),
    ]


class Secrets:
    """What a child gets as open files: passphrases, because anybody may read a command line, and files whose
    directories it may not enter.

    Passphrases lie in memory, not in pipes: a second try would find these empty, and take that for a passphrase.
    """

    def __init__(self) -> None:
        self.fds: list[int] = []
        self._known: dict[str, str] = {}
        self.options: list[str] = []

    def id_of(self, key: str) -> str:
        """The id by which QEMU's options refer to a passphrase."""
        if key not in self._known:
            fd = os.memfd_create("passphrase")
            self.fds.append(fd)
            os.write(fd, key.encode())
            name = self._known[key] = f"key{len(self._known)}"
            self.options += ["--object", f"secret,id={name},file=/dev/fd/{fd}"]
        return self._known[key]

    def file(self, path: str, flags: int = os.O_RDONLY) -> str:
        """The path by which the child may open a file; whether it may is up to the file itself."""
        self.fds.append(os.open(path, flags | os.O_NOFOLLOW))
        return f"/proc/self/fd/{self.fds[-1]}"


@contextmanager
def secrets() -> Iterator[Secrets]:
    """Somewhere to put passphrases until the child has ended."""
    made = Secrets()
    try:
        yield made
    finally:
        for fd in made.fds:
            os.close(fd)


def image(
    path: str, format: str, key_id: str | None = None, backing: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """QEMU's options for a file whose format is known; without ``backing`` none is opened, whatever the file says."""
    options: dict[str, Any] = {"driver": format, "file": {"driver": "file", "filename": path}}
    if format not in ("raw", "vdi", "vpc", "vhdx"):
        options["backing"] = backing
    if key_id is not None:
        options["encrypt"] = {"format": "luks", "key-secret": key_id}
    return options


def chain(layers: Sequence[tuple[str, LayerFile]], keys: Secrets) -> dict[str, Any]:
    """QEMU's options for a chain, given by paths: every layer said, so that no name in a file is followed."""
    options: dict[str, Any] | None = None
    for path, layer in reversed(layers):
        options = image(path, "qcow2", None if layer.key is None else keys.id_of(layer.key), options)
    assert options is not None
    return options


def as_name(options: Mapping[str, Any]) -> str:
    """QEMU's options in the place of a file name."""
    return "json:" + json.dumps(options)


def as_options(path: str, key_id: str | None) -> str:
    """A qcow2 file for --target-image-opts, which knows no JSON."""
    escaped = path.replace(",", ",,")
    encrypted = "" if key_id is None else f",encrypt.format=luks,encrypt.key-secret={key_id}"
    return f"driver=qcow2,file.driver=file,file.filename={escaped}{encrypted}"


def run(command: Sequence[str], keys: Secrets | None = None) -> str:
    """What a command that takes no time says; raises StorageError with its last words."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=COMMAND_LIMIT_S,
            check=False,
            pass_fds=keys.fds if keys else (),
        )
    except subprocess.TimeoutExpired as error:
        raise StorageError(f"{' '.join(command[:2])} took longer than {COMMAND_LIMIT_S:.0f} s") from error
    except FileNotFoundError as error:
        raise StorageError(missing(command)) from error
    if done.returncode:
        raise StorageError(f"{' '.join(command[:2])}: {done.stderr.strip()[-LAST_WORDS:] or 'failed'}")
    return done.stdout


def missing(command: Sequence[str]) -> str:
    """What to say when a program is not there."""
    name = next((word for word in command if word in PACKAGES), command[0])
    return f"{name} is not installed; the Debian package is {PACKAGES.get(name, 'util-linux')}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, and what it said."""

    status: int
    output: str
    errors: str


def run_long(
    command: Sequence[str], bounds: Bounds, keys: Secrets | None = None, tell: Callable[[float], None] | None = None
) -> Ended:
    """Run a command that may take long; ``tell`` hears about each second how far it is, from 0 to 1.

    Whatever ``tell`` raises ends the child.  Raises StorageError when it takes too long.
    """
    try:
        child = subprocess.Popen(
            bounded(command, bounds),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=keys.fds if keys else (),
        )
    except FileNotFoundError as error:
        raise StorageError(missing(command)) from error
    with ending(child):
        output, errors = _listen(child, time.monotonic() + bounds.seconds, tell, " ".join(command[:2]))
        status = child.wait()
    if status == 127:
        raise StorageError(missing(command))
    return Ended(status, output.decode(errors="replace"), errors.decode(errors="replace").strip()[-LAST_WORDS:])


@contextmanager
def ending(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """However the block ends, the child has, too."""
    try:
        yield
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _listen(
    child: subprocess.Popen[bytes], deadline: float, tell: Callable[[float], None] | None, what: str
) -> tuple[bytes, bytes]:
    """Both of a child's streams, each cut to its end."""
    said = {child.stdout: b"", child.stderr: b""}
    told_at = 0.0
    done = 0.0
    with selectors.DefaultSelector() as selector:
        for stream in said:
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            now = time.monotonic()
            if now > deadline:
                raise StorageError(f"{what} takes longer than it may, and was ended")
            if tell is not None and now - told_at >= TELL_EVERY_S:
                told_at = now
                tell(done)
            for key, _events in selector.select(min(TELL_EVERY_S / 4, deadline - now)):
                stream = key.fileobj  # type: ignore[assignment]
                piece = stream.read(65536) if stream is not None else b""
                if not piece:
                    selector.unregister(key.fileobj)
                    continue
                said[stream] = (said[stream] + piece)[-65536:]
                if stream is child.stdout and (percents := PERCENT.findall(said[stream][-64:])):
                    done = float(percents[-1]) / 100
    return said[child.stdout], said[child.stderr]


def convert(
    source: Mapping[str, Any],
    target: str,
    target_key: str | None,
    keys: Secrets,
    bounds: Bounds,
    total_bytes: int,
    progress: Progress,
) -> None:
    """Copy what ``source`` has into an empty qcow2 file that is there.  Raises StorageError with qemu-img's words."""
    key_id = None if target_key is None else keys.id_of(target_key)
    command = [
        *("qemu-img", "convert", "-p", "-n", "--target-is-zero", *keys.options),
        *("--target-image-opts", as_name(source), as_options(target, key_id)),
    ]
    ended = run_long(command, bounds, keys, lambda part: progress(int(part * total_bytes), total_bytes))
    if ended.status:
        raise StorageError(f"qemu-img convert: {ended.errors or f'ended with {ended.status}'}")
    progress(total_bytes, total_bytes)


def sync(path: Path) -> None:
    """Have a file on disk, whatever happens to the machine."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
