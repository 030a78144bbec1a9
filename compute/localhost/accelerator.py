"""Whether KVM works on this machine, found out by trying: ``python -m compute.localhost.accelerator``."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

from compute.localhost.daemon import KVM, kvm_group, privileges
from compute.localhost.paths import Paths, paths_for

Accelerator = Literal["kvm", "tcg"]
BOOT_LIMIT_S = 5.0  # a kernel under KVM says its first word within half a second
EMULATOR = "qemu-system-x86_64"


def accelerator(data_dir: Path | str, kernel: Path | None) -> Accelerator:
    """What to start domains with: "kvm" only if a kernel really boots with it, as the user QEMU will run as.

    /dev/kvm may exist, and even open, and yet crash every guest.  The answer is remembered in DATA_DIR until the
    machine's kernel, the device or its permissions change.  Without a kernel to try nothing is remembered.
    """
    paths = paths_for(data_dir)
    memory = paths.data_dir / "libvirt" / "accelerator.json"
    key = _circumstances(paths)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        remembered = json.loads(memory.read_text())
        if remembered["key"] == key and remembered["accelerator"] in ("kvm", "tcg"):
            return "kvm" if remembered["accelerator"] == "kvm" else "tcg"
    if kernel is None or not kernel.exists():
        return "tcg"
    answer: Accelerator = "kvm" if KVM.exists() and boots(kernel, paths) else "tcg"
    memory.parent.mkdir(parents=True, exist_ok=True)
    temporary = memory.with_name(f".{memory.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"key": key, "accelerator": answer}))
    temporary.replace(memory)
    return answer


def _circumstances(paths: Paths) -> list[object]:
    """What the answer depends on."""
    try:
        device = KVM.stat()
        about: list[object] = [device.st_rdev, device.st_ino, device.st_mode, device.st_uid, device.st_gid]
    except OSError:
        about = []
    groups = [kvm_group()] if paths.as_root else sorted(os.getgroups())
    return [platform.release(), paths.uid, groups, *about]


def boots(kernel: Path, paths: Paths, limit_s: float = BOOT_LIMIT_S) -> bool:
    """Whether the kernel says anything under KVM within the limit."""
    emulator = shutil.which(EMULATOR)
    if emulator is None:
        return False
    with kernel.open("rb") as image:  # by descriptor: the unprivileged user may not be able to reach the path
        command = [
            *privileges(paths),
            *(emulator, "-accel", "kvm", "-m", "128", "-nodefaults", "-display", "none", "-no-reboot"),
            *("-serial", "stdio", "-kernel", f"/proc/self/fd/{image.fileno()}"),
            *("-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1"),
        ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[image.fileno()],
            cwd="/",
        )
        try:
            return _says(process, b"Linux version", limit_s)
        finally:
            process.kill()
            process.communicate()


def _says(process: subprocess.Popen[bytes], words: bytes, limit_s: float) -> bool:
    """Whether the words come out of a process in time."""
    assert process.stdout is not None
    heard = b""
    deadline = time.monotonic() + limit_s
    while words not in heard:
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            return False
        heard += chunk
    return True


def newest_kernel(paths: Paths) -> Path | None:
    """The kernel of the guest image built last."""
    with contextlib.suppress(OSError):
        kernel = paths.guest_image / f"tiny-{(paths.guest_image / 'tiny.stamp').read_text().strip()}.vmlinuz"
        if kernel.exists():
            return kernel
    return None


def main(arguments: list[str]) -> int:
    """Print the answer for the DATA_DIR of the environment; the kernel to try may be named."""
    data_dir = os.environ.get("DATA_DIR") or "var"
    kernel = Path(arguments[0]) if arguments else newest_kernel(paths_for(data_dir))
    print(accelerator(data_dir, kernel))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
