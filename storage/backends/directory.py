"""A datastore in a directory: qcow2 files, made by qemu-img."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from storage.backends import qcow2, qemu_img, rebasing, taking
from storage.backends.base import (
    Backend,
    Capability,
    Capacity,
    Chain,
    FileInfo,
    LayerFile,
    Limits,
    Progress,
    StorageError,
    StoredFile,
    silent,
)
from storage.backends.ownership import Give, private
from storage.backends.qemu_img import Account, Bounds

# A part may begin with a dot, for what a killed process left; none can be "..".
LAYER_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,126}/)+\.?[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")
CONSOLE_LOG = "console.log"
INSTANCES = "instances"
PIECE = 4 * 2**20
# How many rounds of hashing a key costs is measured by qemu-img, which sometimes finds its clock too coarse for it.
COARSE_CLOCK = "Unable to get accurate CPU usage"
TRIES = 100


class DirectoryBackend(Backend):
    """Below ``root``: layers and images by their names, instances/i-x/.

    ``give(path, writable)`` lets QEMU use a file when it runs as another user.  No directory is ever writable for
    QEMU, so it cannot put a link where we write next.  What QEMU could write to is not believed: a chain is what the
    caller says, and a file that says otherwise is refused.
    """

    capabilities = frozenset({Capability.SHARE_BLOCKS, Capability.ENCRYPT})

    def __init__(self, root: Path | str, give: Give = private) -> None:
        self.root = Path(root)
        self._give = give

    def path(self, name: str) -> str:
        return str(self.root / _checked_layer(name))

    # --- layers -------------------------------------------------------------------------------------------------

    def inspect(self, layer: LayerFile) -> FileInfo | None:
        with _translated(f"look at {layer.name}"):
            try:
                with Path(self.path(layer.name)).open("rb") as file:
                    header = qcow2.read_header(file)
                    used_bytes = os.fstat(file.fileno()).st_blocks * 512
            except FileNotFoundError:
                return None
            except qcow2.NotQcow2 as error:
                raise StorageError(f"{layer.name} is no layer: {error}") from error
        if header.features & qcow2.EXTERNAL_DATA:
            raise StorageError(f"{layer.name} has its data in another file, as no layer has")
        return FileInfo(header.size, used_bytes, _below(layer.name, header.backing), header.is_encrypted)

    def create(self, layer: LayerFile, size_bytes: int, backing: Chain = ()) -> None:
        target = self._below(*_checked_layer(layer.name).rsplit("/", 1))
        if target.exists():
            return
        options = []
        if backing:
            size_bytes = max(size_bytes, self._there(backing[0]).virtual_bytes)
            for frozen in backing[1:]:
                self.freeze(frozen.name)
            # Relative: hosts may know the datastore by another path than we do.
            relative = posixpath.relpath(backing[0].name, posixpath.dirname(layer.name))
            options = ["-b", relative, "-F", "qcow2"]
        with self._finished(target) as temporary:
            self._make(temporary, layer.key, size_bytes, options)

    def _make(self, path: Path, key: str | None, size_bytes: int, options: Sequence[str] = ()) -> None:
        """An empty qcow2 file, over a file that is there."""
        with qemu_img.secrets() as keys:
            if key is not None:
                luks = f"encrypt.format=luks,encrypt.key-secret={keys.id_of(key)},encrypt.iter-time=10"
                options = [*keys.options, "-o", luks, *options]
            # -u: what it stands on is known, and looking at it might take its passphrase.
            command = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", *options, str(path), str(size_bytes)]
            for _ in range(TRIES):
                try:
                    qemu_img.run(command, keys)
                    return
                except StorageError as error:
                    if COARSE_CLOCK not in str(error):
                        raise
        raise StorageError(f"{path.name}: {COARSE_CLOCK}")

    def freeze(self, name: str) -> None:
        """Let QEMU only read a layer from now on; not itself while it has it open."""
        target = Path(self.path(name))
        with _translated(f"freeze {name}"):
            if target.exists():
                self._give(target, False)

    def delete(self, name: str) -> None:
        target = Path(self.path(name))
        with _translated(f"delete {name}"):
            target.unlink(missing_ok=True)
            self._forget_unfinished(target)

    def _forget_unfinished(self, target: Path) -> None:
        """Remove what killed processes had begun of a file; one that is still at it will fail at its end."""
        for unfinished in target.parent.glob(f".{target.name}.*"):
            unfinished.unlink(missing_ok=True)

    def grow(self, layer: LayerFile, size_bytes: int) -> None:
        if self._there(layer).virtual_bytes >= size_bytes:
            return
        with qemu_img.secrets() as keys:
            # Without what it stands on, which is no larger than it was.
            options = qemu_img.chain([(self.path(layer.name), layer)], keys)
            qemu_img.run(["qemu-img", "resize", "-q", *keys.options, qemu_img.as_name(options), str(size_bytes)], keys)

    def copy(self, chain: Chain, target: LayerFile, progress: Progress = silent) -> None:
        final = self._below(*_checked_layer(target.name).rsplit("/", 1))
        if final.exists():
            return
        infos = self._connected(chain)
        total = max(1, sum(info.used_bytes for info in infos))
        self._forget_unfinished(final)
        with self._finished(final, lasting=True) as temporary, qemu_img.secrets() as keys:
            progress(0, total)
            self._make(temporary, target.key, infos[0].virtual_bytes)
            source = qemu_img.chain([(self.path(layer.name), layer) for layer in chain], keys)
            qemu_img.convert(source, str(temporary), target.key, keys, Bounds(), total, progress)

    def rebase(self, chain: Chain, depth: int, progress: Progress = silent) -> None:
        base = chain[depth].name if depth < len(chain) else ""
        if self._there(chain[0]).backing == base:
            return
        infos = self._connected(chain)
        total = max(1, sum(info.used_bytes for info in infos[1:depth]))
        relative = posixpath.relpath(base, posixpath.dirname(chain[0].name)) if base else ""
        with _translated(f"rebase {chain[0].name}"):
            layers = [(self.path(layer.name), layer) for layer in chain]
            rebasing.stream(layers, depth, relative, lambda part: progress(int(part * total), total))

    def take(self, source: str, target: LayerFile, limits: Limits, progress: Progress = silent) -> int:
        final = self._below(*_checked_layer(target.name).rsplit("/", 1))
        if (there := self.inspect(target)) is not None:
            return there.virtual_bytes
        found = taking.first_look(source, limits)
        self._forget_unfinished(final)
        finished = self._finished(final, writable=False, lasting=True)
        with finished as temporary, qemu_img.secrets() as keys:
            account = self._confined(source, temporary)
            read = source if account is None else keys.file(source)
            work = taking.Work(read, found.format, Path(source).stat().st_size, limits, keys, account)
            size = taking.second_look(work, progress)
            self._make(temporary, target.key, size)
            written = str(temporary)
            if account is not None:
                self._give(temporary, True)  # again: a second try to make it has made another file
                written = keys.file(written, os.O_RDWR)
            taking.convert(work, size, written, target.key, progress)
        return size

    def _confined(self, source: str, temporary: Path) -> Account | None:
        """Who QEMU shall be while it reads a file from outside: if we are root, the user that domains run as.

        Only for a file in the datastore, which may be given to that user.
        """
        if os.geteuid() != 0 or not Path(source).is_relative_to(self.root):
            return None
        self._give(temporary, True)
        owner = temporary.stat()
        if owner.st_uid == 0:
            return None
        self._give(Path(source), False)
        return owner.st_uid, owner.st_gid

    def checksum(self, name: str, progress: Progress = silent) -> str:
        digest, done, told_at = hashlib.sha256(), 0, 0.0
        with _translated(f"checksum of {name}"), Path(self.path(name)).open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            while piece := file.read(PIECE):
                digest.update(piece)
                done += len(piece)
                if time.monotonic() - told_at >= qemu_img.TELL_EVERY_S:
                    told_at = time.monotonic()
                    progress(done, total)
        return digest.hexdigest()

    def _there(self, layer: LayerFile) -> FileInfo:
        """What is known of a layer that must be there, and encrypted only if there is a key for it."""
        info = self.inspect(layer)
        if info is None:
            raise StorageError(f"layer {layer.name} is missing in the datastore at {self.root}")
        if info.is_encrypted != (layer.key is not None):
            raise StorageError(f"layer {layer.name} {'has' if info.is_encrypted else 'lacks'} encryption unexpectedly")
        return info

    def _connected(self, chain: Chain) -> list[FileInfo]:
        """What is known of each layer of a chain; raises StorageError if one stands on something else.

        One may stand on a later layer than the next: it has taken in what lies between, and the rows do not know yet.
        With what it has taken in once more below it, it reads the same.
        """
        infos = [self._there(layer) for layer in chain]
        for number, (layer, info) in enumerate(zip(chain, infos, strict=True)):
            below = [each.name for each in chain[number + 1 :]]
            if info.backing and info.backing not in below:
                expected = repr(below[0]) if below else "nothing"
                raise StorageError(f"layer {layer.name} stands on {info.backing!r}, not on {expected}")
        return infos

    # --- the whole ----------------------------------------------------------------------------------------------

    def files(self) -> Iterable[StoredFile]:
        with _translated(f"files of {self.root}"):
            for file in self._files(self.root, ""):
                if LAYER_NAME.fullmatch(file.name):
                    yield file

    def _files(self, directory: Path, prefix: str) -> Iterator[StoredFile]:
        for entry in os.scandir(directory):
            name = f"{prefix}{entry.name}"
            try:
                if not entry.is_dir(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield StoredFile(name, status.st_blocks * 512, status.st_mtime)
                elif prefix == f"{INSTANCES}/":
                    inside = list(self._files(Path(entry.path), f"{name}/"))
                    newest = max((file.modified_at for file in inside), default=entry.stat().st_mtime)
                    yield StoredFile(name, sum(file.used_bytes for file in inside), newest)
                else:
                    yield from self._files(Path(entry.path), f"{name}/")
            except (FileNotFoundError, PermissionError):
                continue  # gone since, or nothing of ours

    def capacity(self) -> Capacity:
        with _translated("capacity"):
            usage = shutil.disk_usage(self.root)
        return Capacity(usage.total, usage.free)

    # --- directories of instances -------------------------------------------------------------------------------

    def instance_dir(self, instance_id: str) -> str:
        directory = self._below(INSTANCES, _checked(instance_id))
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
        return str(self.root / INSTANCES / _checked(instance_id) / CONSOLE_LOG)

    def write_instance_file(self, instance_id: str, name: str, content: bytes) -> str:
        target = Path(self.instance_dir(instance_id)) / _checked(name)
        with self._temporary(target) as temporary:
            temporary.write_bytes(content)
            self._give(temporary, False)
            temporary.replace(target)
        return str(target)

    def delete_instance_dir(self, instance_id: str) -> None:
        with _translated(f"delete directory of {instance_id}"):
            try:
                shutil.rmtree(self._below(INSTANCES, _checked(instance_id)))
            except FileNotFoundError:
                return

    # --- writing ------------------------------------------------------------------------------------------------

    def _below(self, directory: str, name: str) -> Path:
        """A path in the datastore, its directory made."""
        path = self.root / directory
        if not path.is_dir():
            with _translated(f"directory {path}"):
                path.mkdir(parents=True, exist_ok=True)
                self._give(path, False)
        return path / name

    @contextmanager
    def _temporary(self, target: Path) -> Iterator[Path]:
        """A file beside ``target``, gone at the end."""
        with _translated(f"write {target}"):
            fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            os.close(fd)
            temporary = Path(name)
            try:
                yield temporary
            finally:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def _finished(self, target: Path, *, writable: bool = True, lasting: bool = False) -> Iterator[Path]:
        """A temporary path that gets the final name at the end; nothing stays if the block fails.

        A file that has the name by then stays: a domain may have it open already.
        """
        with self._temporary(target) as temporary:
            yield temporary
            self._give(temporary, writable)
            if lasting:
                qemu_img.sync(temporary)
            try:
                os.link(temporary, target)
            except FileExistsError:
                return


def _checked(name: str) -> str:
    if not PART.fullmatch(name):
        raise StorageError(f"{name!r} cannot be the name of a file in a datastore")
    return name


def _checked_layer(name: str) -> str:
    if not LAYER_NAME.fullmatch(name):
        raise StorageError(f"{name!r} cannot be the name of a layer in a datastore")
    return name


def _below(name: str, backing: str) -> str:
    """The name of what a layer stands on, by what its file says."""
    if not backing:
        return ""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(name), backing))
    if posixpath.isabs(backing) or not LAYER_NAME.fullmatch(found):
        raise StorageError(f"{name} stands on {backing!r}, which is no layer of its datastore")
    return found


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{doing}: {error}") from error
