"""The private libvirtd of one DATA_DIR, in the foreground: ``python -m compute.localhost.daemon``.

Domains are processes of their own and survive its end, however it comes.  While it lives it is also who collects them
when they end: libvirt waits until an ended QEMU is gone, which takes seconds, or for ever, where process 1 collects
orphans slowly or not at all (in a container).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import grp
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

from compute.localhost.paths import PIECES, UNPRIVILEGED, Paths, UnsafePath, paths_for

LIBVIRTD_CONF = """\
# Written at each start.
host_uuid = "{host_uuid}"
auth_unix_rw = "none"
log_outputs = "3:stderr"
max_client_requests = 20
"""
# stdio_handler: with virtlogd in between, its end would end the serial log of every domain.
# clear_emulator_capabilities: the one capability QEMU may have is to bind ports below 1024 (see privileges()).
QEMU_CONF = """\
# Written at each start.
stdio_handler = "file"
clear_emulator_capabilities = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
"""
KVM = Path("/dev/kvm")
LOCK_WAIT_S = 3.0  # for a libvirtd whose supervisor was killed just now
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


class CannotStart(Exception):
    """Says why this DATA_DIR's libvirtd may not or cannot start."""


def configure(paths: Paths) -> None:
    """Write libvirt's configuration, and forget the running domains of another boot and those that never ran."""
    paths.prepare()
    host_uuid = uuid.uuid5(uuid.NAMESPACE_URL, f"{uuid.getnode()}:{paths.data_dir}")
    for name, text in (("libvirtd.conf", LIBVIRTD_CONF.format(host_uuid=host_uuid)), ("qemu.conf", QEMU_CONF)):
        (paths.config / name).write_text(text)
        paths.give(paths.config / name, writable=False)
    _forget_other_boots(paths.piece("run"))
    _forget_half_started(paths.piece("run") / "libvirt" / "qemu" / "run")


def _forget_other_boots(run: Path) -> None:
    """Empty the run directory if it is from before the last boot (of the machine, or of the container).

    libvirt would take the process ids noted there for its domains, and kill whoever bears them now.
    """
    started = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip() + " " + started
    marker = run.parent / "boot"
    if marker.exists() and marker.read_text() == boot:
        return
    for entry in run.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    marker.write_text(boot)


def _forget_half_started(statuses: Path) -> None:
    """Clear away the domains that libvirtd was starting when it was killed.

    libvirt means to do so itself, but may wait for ever for the job that died with it, and show them as paused.
    """
    for status in statuses.glob("*.xml"):
        try:
            domain = ET.parse(status).getroot()  # noqa: S314 - libvirt wrote it
        except (OSError, ET.ParseError):
            continue
        if domain.get("reason") != "starting up":
            continue
        pid = int(domain.get("pid") or 0)
        with contextlib.suppress(OSError):
            if pid > 1 and f"guest={status.stem},".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        status.with_suffix(".pid").unlink(missing_ok=True)
        status.unlink(missing_ok=True)


def hold_lock(paths: Paths) -> None:
    """Take the lock that libvirtd inherits and holds until its end; raises CannotStart if another has it."""
    fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode().strip() or "unknown"
            if Path(f"/proc/{holder}").exists() or time.monotonic() > deadline:
                raise CannotStart(
                    f"libvirtd for {paths.data_dir} is running already, as process {holder}; stop it first"
                ) from None
            time.sleep(0.05)
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    os.set_inheritable(fd, True)


def environment(paths: Paths) -> dict[str, str]:
    """What makes libvirtd keep to this DATA_DIR."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "LIBVIRT_", "VIR_", "DBUS_", "LISTEN_"))}
    return {
        **kept,
        "HOME": str(paths.short),
        "XDG_CONFIG_HOME": str(paths.short / "etc"),
        "XDG_CACHE_HOME": str(paths.short / "cache"),
        "XDG_DATA_HOME": str(paths.short / "share"),
        "XDG_RUNTIME_DIR": str(paths.short / "run"),
    }


def kvm_group() -> int | None:
    """The group that may use KVM, if that is what makes it usable: the way Debian sets it up."""
    try:
        device = KVM.stat()
    except OSError:
        return None
    by_group = device.st_gid != 0 and device.st_mode & (stat.S_IRGRP | stat.S_IWGRP)
    return device.st_gid if by_group and grp.getgrgid(device.st_gid).gr_name == "kvm" else None


def privileges(paths: Paths) -> list[str]:
    """The command prefix that turns root into who runs libvirtd and QEMU; empty for an ordinary user.

    All that is left of root is the right to bind ports below 1024, for a domain's SSH at port 22.
    """
    if not paths.as_root:
        return []
    group = kvm_group()
    groups = ["--clear-groups"] if group is None else [f"--groups={group}"]
    only = "-all,+net_bind_service"
    return [
        *("setpriv", f"--reuid={paths.uid}", f"--regid={paths.gid}", *groups, "--pdeathsig=KILL"),
        *(f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}", "--"),
    ]


# What root runs in a mount namespace of its own: the pieces of DATA_DIR, bound to where their links are outside.
IN_NAMESPACE = """\
set -e
short=$1; shift
mount -t tmpfs -o mode=711,size=64k,nosuid,nodev yushan "$short"
while [ "$1" != -- ]; do
    mkdir -m 711 "$short/$1"
    mount --rbind "$2" "$short/$1"
    shift 2
done
shift
exec "$@"
"""


def command(paths: Paths) -> list[str]:
    """The command that is, in the end, libvirtd."""
    libvirtd = shutil.which("libvirtd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if libvirtd is None:
        raise CannotStart(
            "libvirtd is not installed; the Debian packages are libvirt-daemon libvirt-daemon-driver-qemu"
        )
    if not paths.as_root:
        return [libvirtd]
    if not _may_unshare():
        _check_reachable(paths)
        return [*privileges(paths), libvirtd]
    binds = [word for name in PIECES for word in (name, str(paths.piece(name)))]
    namespace = ["unshare", "--mount", "--propagation=slave", "--", "sh", "-c", IN_NAMESPACE, "sh", str(paths.short)]
    return [*namespace, *binds, "--", *privileges(paths), libvirtd]


def _may_unshare() -> bool:
    """Whether root may have a mount namespace: not in most containers."""
    done = subprocess.run(["unshare", "--mount", "--propagation=slave", "true"], capture_output=True, check=False)
    return done.returncode == 0


def _check_reachable(paths: Paths) -> None:
    """Without a namespace libvirtd follows the links into DATA_DIR; raises CannotStart if it may not."""
    paths.prepare()
    look = [*privileges(paths), "test", "-x", str(paths.short / "run" / ".")]
    if subprocess.run(look, capture_output=True, check=False).returncode:
        raise CannotStart(
            f"{UNPRIVILEGED} may not enter {paths.data_dir}, and this container allows no mount namespace (it lacks "
            "CAP_SYS_ADMIN): let others enter the directories above it (chmod o+x), or choose another DATA_DIR"
        )


def run(data_dir: Path | str) -> int:
    """Run the libvirtd of a DATA_DIR until it ends or SIGTERM or SIGINT comes; its exit status."""
    paths = paths_for(data_dir)
    line = command(paths)
    paths.prepare()  # the lock needs its directory
    hold_lock(paths)
    configure(paths)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        _become(line, environment(paths))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: _tell(child, number))
    while True:  # whatever ends is collected: libvirtd, but also the domains it started
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _become(line: list[str], env: dict[str, str]) -> None:
    """Exec libvirtd, to be killed when this process is: a libvirtd that nobody supervises would hold the lock."""
    try:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir("/")
        os.execvpe(line[0], line, env)  # noqa: S606
    except OSError as error:
        print(f"compute.localhost.daemon: {line[0]}: {error}", file=sys.stderr)
    finally:
        os._exit(127)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _tell(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def main() -> int:
    """Run for the DATA_DIR of the environment."""
    try:
        return run(os.environ.get("DATA_DIR") or "var")
    except (CannotStart, UnsafePath, OSError) as error:
        print(f"compute.localhost.daemon: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
