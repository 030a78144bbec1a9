"""KVM hosts, and hosts where QEMU emulates because KVM does not work."""

from __future__ import annotations

import os
import stat

from compute.drivers.base import Capability, DomainSpec, DriverError
from compute.drivers.domain_xml import domain_xml
from compute.drivers.virt_disks import LibvirtDisks

TRIM_AT_BYTES = 4 * 2**20


class KvmDriver(LibvirtDisks):
    """options["accelerator"]: "kvm" (the default) or "tcg"; options["emulator"]: a QEMU other than libvirt's choice."""

    capabilities = frozenset(Capability)

    def xml(self, spec: DomainSpec) -> str:
        accelerator = str(self.host.options.get("accelerator", "kvm"))
        if accelerator not in ("kvm", "tcg"):
            raise ValueError(f"host {self.host.name} has the accelerator {accelerator!r}; it can be kvm or tcg")
        return domain_xml(spec, accelerator, str(self.host.options.get("emulator", "")))

    def console_output(self, name: str, console_log: str, limit: int = 65536) -> bytes:
        try:
            # QEMU may own the directory: never through a link, never waiting for a pipe's other end.
            fd = os.open(console_log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DriverError(f"console log of {name}: {error}") from error
        with os.fdopen(fd, "rb") as log:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise DriverError(f"console log of {name}: {console_log} is not a file")
            log.seek(max(0, status.st_size - limit))
            end = log.read(limit)
        if status.st_size > TRIM_AT_BYTES:
            self._trim(console_log, end)
        return end

    def _trim(self, console_log: str, end: bytes) -> None:
        """Cut a log that a guest fills without end; QEMU appends, so it goes on behind what we leave."""
        fd = os.open(console_log, os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "wb") as log:
            log.write(end)
