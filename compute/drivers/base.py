"""The contract between the cloud and one hypervisor host: plain values in, plain values out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from networking.forwards import PortForward


class DriverError(Exception):
    """The host refused or failed; the message is fit for an operator's eyes."""


class HostUnreachable(DriverError):
    """Nobody answered, or not in time.  The only error that is worth trying again."""


class NotSupported(DriverError):
    """The driver lacks this capability; said before anything is started."""


class PortTaken(DriverError):
    """A port of the host that the domain was to have is in use or forbidden; choose another and try again."""

    def __init__(self, message: str, address: str, port: int) -> None:
        super().__init__(message)
        self.address = address
        self.port = port


class Power(StrEnum):
    """What a hypervisor says of a domain.  A domain that is not listed is OFF."""

    RUNNING = "running"
    PAUSED = "paused"
    OFF = "off"
    CRASHED = "crashed"
    UNKNOWN = "unknown"  # the host has not reported, or is still starting it


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a domain, as the host sees it."""

    path: str
    format: str  # "qcow2" or "raw"
    target: str  # the name the domain gives it: "vda"
    serial: str = ""  # seen inside the guest, at most 20 characters
    read_only: bool = False
    cdrom: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface of a domain."""

    mac: str
    private_ip: str
    subnet: str  # CIDR, such as "172.31.0.0/17"
    gateway: str
    bridge: str = ""  # empty: user-mode networking
    forwards: tuple[PortForward, ...] = ()


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """Everything a host needs to start a domain; usable from a shell with no database."""

    name: str  # the instance's EC2 id
    uuid: str
    installation: str  # the mark in the domain's metadata: whose domain this is
    vcpus: int
    memory_mib: int
    disks: tuple[Disk, ...]
    interfaces: tuple[Interface, ...] = ()
    console_log: str = ""  # path on the host of the serial log, appended to


@dataclass(frozen=True, slots=True)
class DomainReport:
    """What a host says of one domain.  Counters only grow while the domain lives; None: not known."""

    name: str
    power: Power
    installation: str = ""  # empty: not ours, never touched
    vcpus: int = 0
    memory_mib: int = 0
    cpu_time_ns: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    net_rx_bytes: int | None = None
    net_tx_bytes: int | None = None
    console_mark: int | None = None  # changes when the serial log grows; None: look at the log itself
    boot_mark: int | str | None = None  # changes when the guest restarts, or may have unseen; None: nobody listens


@dataclass(frozen=True, slots=True)
class HostReport:
    """What a host says of itself and of every domain on it."""

    domains: tuple[DomainReport, ...]
    vcpus: int
    memory_mib: int
    memory_free_mib: int | None = None
    architecture: str = "x86_64"
    hypervisor: str = ""  # such as "QEMU 7.2.22, libvirt 9.0.0, emulation"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How to reach a host: the plain values of its row."""

    name: str
    uri: str = ""
    options: Mapping[str, object] = field(default_factory=dict)


PowerListener = Callable[[str, Power], None]


class Driver(ABC):
    """One connection to one host.

    Every method is idempotent: asked for what is already so, it returns quietly, because the queue may ask
    twice.  Every method raises only DriverError; HostUnreachable is the one worth trying again.  A domain
    exists on the host only while it runs: one that is off is gone.  Connections open lazily, after the fork.
    """

    capabilities: frozenset[str] = frozenset()

    def __init__(self, host: HostSettings) -> None:
        self.host = host

    @abstractmethod
    def report(self) -> HostReport:
        """The host and all its domains now, those of others included."""

    @abstractmethod
    def power(self, name: str) -> Power:
        """The power of one domain; OFF if there is none of this name."""

    @abstractmethod
    def create(self, spec: DomainSpec) -> None:
        """Start the domain; leave nothing behind on failure.  Quiet if it runs already."""

    @abstractmethod
    def shutdown(self, name: str) -> None:
        """Ask the guest to power off (ACPI) and return at once; it may take its time or never do it."""

    @abstractmethod
    def destroy(self, name: str) -> None:
        """Take the power away; afterwards there is no such domain."""

    @abstractmethod
    def reboot(self, name: str) -> None:
        """Ask the guest to reboot and return at once; it may never do it.  Raises DriverError if the domain is off."""

    @abstractmethod
    def reset(self, name: str) -> None:
        """Press the reset button.  Raises DriverError if the domain is off."""

    @abstractmethod
    def console_output(self, name: str, console_log: str, limit: int = 65536) -> bytes:
        """The last ``limit`` bytes of the domain's serial log, also after its end; empty if there is none."""

    def listen(self, listener: PowerListener) -> None:  # noqa: B027 - a driver without events is polled
        """Call ``listener(name, power)`` from another thread as things happen, until closed."""

    def close(self) -> None:  # noqa: B027 - a driver without a connection has nothing to close
        """Let go of the connection; the driver opens it again when next asked."""
