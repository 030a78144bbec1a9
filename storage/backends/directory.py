"""A datastore in a directory: qcow2 files, made by qemu-img."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.backends.base import Backend, Capacity, StorageError
from storage.backends.ownership import Give, private

COMMAND_LIMIT_S = 60.0
COPY_LIMIT_S = 3600.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")
CONSOLE_LOG = "console.log"


class DirectoryBackend(Backend):
    """Below ``root``: images/, volumes/vol-x.qcow2, instances/i-x/.

    ``give(path, writable)`` lets QEMU use a file when it runs as another user.  No directory is ever writable for
    QEMU, so it cannot put a link where we write next.
    """

    def __init__(self, root: Path | str, give: Give = private) -> None:
        self.root = Path(root)
        self._give = give

    def image_path(self, image_id: str) -> str:
        return str(self._below("images", f"{_checked(image_id)}.qcow2"))

    def volume_path(self, volume_id: str) -> str:
        return str(self._below("volumes", f"{_checked(volume_id)}.qcow2"))

    def add_image(self, image_id: str, source: str) -> str:
        target = Path(self.image_path(image_id))
        if not target.exists():
            with self._finished(target, writable=False) as temporary:
                _run(["qemu-img", "convert", "-c", "-O", "qcow2", source, str(temporary)], COPY_LIMIT_S)
        return str(target)

    def clone(self, image_path: str, volume_id: str, size_gib: int) -> str:
        target = Path(self.volume_path(volume_id))
        if target.exists():
            return str(target)
        image = Path(image_path)
        if not image.exists():
            raise StorageError(f"image {image} is missing; import it again")
        with self._finished(target) as temporary:
            # Relative: libvirt may know the datastore by another path than we do.
            backing = os.path.relpath(image.resolve(), target.parent.resolve())
            _run(
                [
                    "qemu-img",
                    "create",
                    "-q",
                    "-f",
                    "qcow2",
                    "-b",
                    backing,
                    "-F",
                    "qcow2",
                    str(temporary),
                    f"{size_gib}G",
                ]
            )
        return str(target)

    def create_empty(self, volume_id: str, size_gib: int) -> str:
        target = Path(self.volume_path(volume_id))
        if not target.exists():
            with self._finished(target) as temporary:
                _run(["qemu-img", "create", "-q", "-f", "qcow2", str(temporary), f"{size_gib}G"])
        return str(target)

    def delete(self, volume_id: str) -> None:
        with _translated(f"delete volume {volume_id}"):
            volume = Path(self.volume_path(volume_id))
            volume.unlink(missing_ok=True)
            for unfinished in volume.parent.glob(f".{volume.name}.*"):  # of a process that was killed
                unfinished.unlink(missing_ok=True)

    def grow(self, volume_id: str, size_gib: int) -> None:
        path = self.volume_path(volume_id)
        if not Path(path).exists():
            raise StorageError(f"volume {volume_id} is missing at {path}")
        found = json.loads(_run(["qemu-img", "info", "-U", "--output=json", path]))
        if int(found["virtual-size"]) < size_gib * 2**30:
            _run(["qemu-img", "resize", "-q", path, f"{size_gib}G"])

    def used_bytes(self, volume_id: str) -> int:
        try:
            return Path(self.volume_path(volume_id)).stat().st_blocks * 512
        except FileNotFoundError:
            return 0

    def capacity(self) -> Capacity:
        with _translated("capacity"):
            usage = shutil.disk_usage(self.root)
        return Capacity(usage.total, usage.free)

    def instance_dir(self, instance_id: str) -> str:
        directory = self._below("instances") / _checked(instance_id)
        with _translated(f"directory of {instance_id}"):
            directory.mkdir(exist_ok=True)
            self._give(directory, False)
            # Made here, because QEMU may write to files in it but make none.
            log = directory / CONSOLE_LOG
            if not log.exists():
                log.touch(mode=0o600)
                self._give(log, True)
        return str(directory)

    def console_log(self, instance_id: str) -> str:
        return str(self.root / "instances" / _checked(instance_id) / CONSOLE_LOG)

    def write_instance_file(self, instance_id: str, name: str, content: bytes) -> str:
        target = Path(self.instance_dir(instance_id)) / _checked(name)
        with self._finished(target, writable=False) as temporary:
            temporary.write_bytes(content)
        return str(target)

    def delete_instance_dir(self, instance_id: str) -> None:
        with _translated(f"delete directory of {instance_id}"):
            try:
                shutil.rmtree(self._below("instances") / _checked(instance_id))
            except FileNotFoundError:
                return

    def _below(self, *parts: str) -> Path:
        """A path in the datastore, its directory made."""
        directory = self.root / parts[0]
        if not directory.is_dir():
            with _translated(f"directory {directory}"):
                directory.mkdir(parents=True, exist_ok=True)
                self._give(directory, False)
        return directory.joinpath(*parts[1:])

    @contextmanager
    def _finished(self, target: Path, writable: bool = True) -> Iterator[Path]:
        """A temporary path that gets the final name at the end; nothing stays if the block fails."""
        with _translated(f"write {target}"):
            fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            os.close(fd)
            temporary = Path(name)
            try:
                yield temporary
                self._give(temporary, writable)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise StorageError(f"{name!r} cannot be the name of a file in a datastore")
    return name


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{doing}: {error}") from error


def _run(command: list[str], limit_s: float = COMMAND_LIMIT_S) -> str:
    """The command's standard output; raises StorageError with its last words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise StorageError(f"{' '.join(command[:2])} took longer than {limit_s:.0f} s") from error
    except FileNotFoundError as error:
        raise StorageError("qemu-img is not installed; the Debian package is qemu-utils") from error
    if done.returncode:
        raise StorageError(f"{' '.join(command[:2])}: {done.stderr.strip() or 'failed'}")
    return done.stdout
