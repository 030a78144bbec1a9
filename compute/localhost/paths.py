"""Where one DATA_DIR keeps what libvirt needs, and the short paths by which libvirt knows it."""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from storage.backends.ownership import private, shared

# What libvirt and QEMU see, by its name in the short directory.  A UNIX socket's path has at most 107 bytes, and
# QEMU's monitor socket takes 64 of them below "etc"; hence the short directory, however long DATA_DIR is.
PIECES = {
    "etc": "libvirt/etc",  # XDG_CONFIG_HOME: configuration, monitor sockets
    "cache": "libvirt/cache",  # XDG_CACHE_HOME
    "share": "libvirt/share",  # XDG_DATA_HOME
    "run": "libvirt/run",  # XDG_RUNTIME_DIR: libvirtd's socket, state of running domains
    "datastore": "datastore",
}
UNPRIVILEGED = "nobody"  # who runs libvirtd and QEMU when we are root


class UnsafePath(Exception):
    """A directory that must be ours belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one DATA_DIR; ``uid`` and ``gid`` are those libvirtd and QEMU run as.

    ``short`` holds nothing but symbolic links into DATA_DIR, so it may vanish and be made anew at any time.  When
    we are root libvirtd sees the same names as bind mounts, for it could not follow the links through a DATA_DIR
    that only root may enter.
    """

    data_dir: Path
    short: Path
    uid: int
    gid: int

    @property
    def as_root(self) -> bool:
        """Whether libvirtd runs as another user than we do."""
        return self.uid != os.geteuid()

    @property
    def socket(self) -> Path:
        """Where libvirtd listens."""
        return self.short / "run" / "libvirt" / "libvirt-sock"

    @property
    def uri(self) -> str:
        """What to give libvirt.open()."""
        return f"qemu+unix:///session?socket={self.socket}"

    @property
    def datastore(self) -> Path:
        """Images, volumes and the directories of instances."""
        return self.data_dir / "datastore"

    @property
    def guest_image(self) -> Path:
        """Where guest-image/build.sh puts its results."""
        return self.data_dir / "guest-image"

    @property
    def config(self) -> Path:
        """Where libvirtd reads its configuration."""
        return self.piece("etc") / "libvirt"

    @property
    def lock(self) -> Path:
        """Held by the living libvirtd; contains its process id."""
        return self.data_dir / "libvirt" / "daemon.lock"

    def piece(self, name: str) -> Path:
        """The directory in DATA_DIR behind a name in the short directory."""
        return self.data_dir / PIECES[name]

    def inside(self, path: Path | str) -> str:
        """The path by which libvirt and QEMU know a file of the datastore; a path they may not see is an error."""
        real = Path(path)
        real = real if real.is_absolute() else self.data_dir / real
        for name in PIECES:
            for base in (self.piece(name), self.short / name):
                if real.is_relative_to(base):
                    return str(self.short / name / real.relative_to(base))
        raise ValueError(f"{path} is outside {self.datastore}, where libvirt cannot see it")

    def give(self, path: Path, writable: bool = True) -> None:
        """Let QEMU use a file or directory, and nobody else.

        Only for what lies in a directory that QEMU cannot write to: elsewhere it could be exchanged for a link.
        """
        if self.as_root:
            shared(path, writable, uid=self.uid, gid=self.gid)
        else:
            private(path, writable)

    def prepare(self) -> None:
        """Make every directory and link that is missing; cheap, so whoever connects may call it first.

        Raises UnsafePath if the short directory is not ours alone.
        """
        libvirt = self.config.parents[1]
        if not libvirt.exists():
            libvirt.mkdir(parents=True)
            libvirt.chmod(0o711 if self.as_root else 0o700)  # whatever the umask: QEMU's user must come through
        for name in PIECES:
            self.piece(name).mkdir(parents=True, exist_ok=True)
            self.give(self.piece(name), writable=name not in ("datastore", "etc"))
        self.config.mkdir(exist_ok=True)
        if self.as_root:
            # libvirt makes its own directories here, but may not replace (nor make a link of) what root writes here.
            os.chown(self.config, 0, self.gid)
            self.config.chmod(0o1770)
        self._make_short()
        for name in PIECES:
            _link(self.short / name, self.piece(name))

    def _make_short(self) -> None:
        mode = 0o755 if self.as_root else 0o700
        try:
            self.short.mkdir(mode=mode)
            self.short.chmod(mode)
        except FileExistsError:
            found = self.short.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
                raise UnsafePath(
                    f"{self.short} exists and is not a directory of user {os.geteuid()} alone; remove it, "
                    "or choose another DATA_DIR"
                ) from None


def _link(link: Path, target: Path) -> None:
    """Make or correct a symbolic link; never a moment without one."""
    if link.is_symlink() and link.readlink() == target:
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def paths_for(data_dir: Path | str) -> Paths:
    """The paths of a DATA_DIR; nothing is made yet.

    An ordinary user's short directory is below /tmp rather than XDG_RUNTIME_DIR: that one goes away at the end of
    a login session while domains run on, and is not the same for a service or a cron job of the same user.
    """
    resolved = Path(data_dir).expanduser().resolve()
    digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:8]
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        return Paths(resolved, Path(f"/run/yushan-{digest}"), account.pw_uid, account.pw_gid)
    return Paths(resolved, Path(f"/tmp/yushan-{os.geteuid()}-{digest}"), os.geteuid(), os.getegid())  # noqa: S108
