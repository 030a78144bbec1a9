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


class Capability(StrEnum):
    """What a driver may be able to do; what is missing is refused by name before anything starts."""

    EVENTS = "events"
    HOT_PLUG = "hot-plug"  # disks of a running domain come, go and grow
    LIVE_SNAPSHOT = "live-snapshot"  # a running domain's disks go on in new layers, all at one instant
    LIVE_PULL = "live-pull"  # a running domain's disk takes into itself what it stands on
    ENCRYPTION = "encryption"  # layers encrypted with LUKS


@dataclass(frozen=True, slots=True)
class Secret:
    """A passphrase, and the name under which a hypervisor keeps it; the same layer's is always called the same."""

    uuid: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Backing:
    """A layer that a disk stands on, as the host sees it."""

    path: str
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a domain, as the host sees it.  ``backing`` is all that a qcow2 file stands on, the top first."""

    path: str
    format: str  # "qcow2" or "raw"
    target: str  # the name the domain gives it: "vda"
    serial: str = ""  # seen inside the guest, at most 20 characters; one of a kind in the domain
    read_only: bool = False
    cdrom: bool = False
    secret: Secret | None = None
    backing: tuple[Backing, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Pull:
    """How far a disk of a running domain is with taking in what it stands on."""

    done_bytes: int
    total_bytes: int


PowerListener = Callable[[str, Power], None]


class Driver(ABC):
    """One connection to one host.

    Every method is idempotent: asked for what is already so, it returns quietly, because the queue may ask
    twice.  Every method raises only DriverError; HostUnreachable is the one worth trying again.  A domain
    exists on the host only while it runs: one that is off is gone.  Connections open lazily, after the fork.
    """

    capabilities: frozenset[Capability] = frozenset()

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

    # --- disks of a running domain; a driver without the capability raises NotSupported ---------------------------

    def disks(self, name: str) -> dict[str, tuple[str, ...]]:
        """The paths of the layers of each disk that has a serial, the top first; empty if the domain is off."""
        raise self._lacks(Capability.HOT_PLUG)

    def attach(self, name: str, disk: Disk) -> None:
        """Plug a disk in.  Quiet if the domain has one of this serial; raises DriverError if it is off."""
        raise self._lacks(Capability.HOT_PLUG)

    def detach(self, name: str, serial: str) -> None:
        """Ask the guest to let go of a disk and return at once; ``disks`` says when it has.  Quiet if it is gone."""
        raise self._lacks(Capability.HOT_PLUG)

    def resize(self, name: str, serial: str, size_bytes: int) -> None:
        """Make a disk larger, seen by the guest at once.  Quiet if it is that large already."""
        raise self._lacks(Capability.HOT_PLUG)

    def snapshot(self, name: str, overlays: Mapping[str, Disk]) -> None:
        """Let the disks of these serials go on in new layers, which exist already and stand on what was written to
        until now; all at one instant, or none.  Quiet about those that are on them already.
        """
        raise self._lacks(Capability.LIVE_SNAPSHOT)

    def pull(self, name: str, serial: str, base: str | None) -> None:
        """Begin to take into the top layer what lies between it and the layer at ``base`` (None: all), and return."""
        raise self._lacks(Capability.LIVE_PULL)

    def pulling(self, name: str, serial: str) -> Pull | None:
        """How far that is; None once it has ended, well or not: ``disks`` then says which."""
        raise self._lacks(Capability.LIVE_PULL)

    def stop_pulling(self, name: str, serial: str) -> None:
        """Give it up; what was taken in stays, and nothing is lost."""
        raise self._lacks(Capability.LIVE_PULL)

    def _lacks(self, capability: Capability) -> NotSupported:
        return NotSupported(f"host {self.host.name} ({type(self).__name__}) is not capable of {capability}")

    def listen(self, listener: PowerListener) -> None:  # noqa: B027 - a driver without events is polled
        """Call ``listener(name, power)`` from another thread as things happen, until closed."""

    def close(self) -> None:  # noqa: B027 - a driver without a connection has nothing to close
        """Let go of the connection; the driver opens it again when next asked."""
