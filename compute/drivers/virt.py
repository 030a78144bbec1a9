"""What every driver that speaks libvirt does alike; how a domain is described is left to each."""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import abstractmethod
from collections import Counter
from typing import Any

import libvirt

from compute.drivers.base import (
    Capability,
    DomainReport,
    DomainSpec,
    Driver,
    DriverError,
    HostReport,
    HostSettings,
    HostUnreachable,
    Power,
    PowerListener,
)
from compute.drivers.connection import Connection
from compute.drivers.domain_xml import Marked, marked
from compute.drivers.virt_secrets import secrets_of, with_secrets

logger = logging.getLogger(__name__)

STATISTICS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_BLOCK
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
)
POWERS = {
    libvirt.VIR_DOMAIN_RUNNING: Power.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: Power.RUNNING,
    libvirt.VIR_DOMAIN_SHUTDOWN: Power.RUNNING,  # on its way down, not there yet
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.PAUSED,
    libvirt.VIR_DOMAIN_SHUTOFF: Power.OFF,
    libvirt.VIR_DOMAIN_CRASHED: Power.CRASHED,
}
# The guest has powered off; libvirt is clearing away.
DOWN = (libvirt.VIR_DOMAIN_SHUTDOWN, libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED)
EVENTS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: Power.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: Power.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: Power.PAUSED,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: Power.PAUSED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: Power.OFF,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: Power.CRASHED,
}
GONE = Marked("", 0, 0)  # a domain that ended before it could be asked
RECONNECT_S = 1.0  # how often a listener looks whether its connection still lives


def power_of(state: int, reason: int = 0) -> Power:
    """libvirt's state of a domain as ours."""
    if state == libvirt.VIR_DOMAIN_PAUSED and reason == libvirt.VIR_DOMAIN_PAUSED_STARTING_UP:
        return Power.UNKNOWN  # may still fail
    return POWERS.get(state, Power.UNKNOWN)


def power_after(event: int, detail: int) -> Power | None:
    """The power a domain has after a lifecycle event; None if the event says nothing of it."""
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED and detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        return Power.CRASHED
    return EVENTS.get(event)


class LibvirtDriver(Driver):
    """A host reached by libvirt; options["installation"] tells which domains are ours."""

    capabilities = frozenset({Capability.EVENTS})

    def __init__(self, host: HostSettings) -> None:
        super().__init__(host)
        self.installation = str(host.options.get("installation", ""))
        self._connection = Connection(host.name, host.uri, self._register)
        self._marks: dict[tuple[str, int], Marked] = {}  # by UUID and run: libvirt counts each domain it starts
        self._strangers: set[str] = set()  # UUIDs of others' domains that a listener need not hear of
        self._listener: PowerListener | None = None
        self._events: queue.SimpleQueue[tuple[Any, int, int] | None] = queue.SimpleQueue()
        self._boots: Counter[str] = Counter()  # restarts heard of, by UUID
        self._connections = 0  # with a listener; between two of them anything may have restarted

    @abstractmethod
    def xml(self, spec: DomainSpec) -> str:
        """The domain's description in the dialect of this hypervisor; raises ValueError if it has none."""

    # --- what is ------------------------------------------------------------------------------------------------

    def report(self) -> HostReport:
        with self._connection.calling("report") as connection:
            statistics = connection.getAllDomainStats(STATISTICS, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
            vcpus = connection.getInfo()[2]
            memory = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
            hypervisor = self._hypervisor(connection)
        domains = tuple(self._domain_report(domain, values) for domain, values in statistics)
        present = {(domain.UUIDString(), domain.ID()) for domain, _values in statistics}
        self._marks = {run: mark for run, mark in self._marks.items() if run in present}
        for uuid in set(self._boots) - {uuid for uuid, _run in present}:
            del self._boots[uuid]
        # Not getInfo()'s memory: it leaves out what was added to a machine after its boot.
        free_kib = sum(memory.get(kind, 0) for kind in ("free", "buffers", "cached"))
        return HostReport(domains, vcpus, memory["total"] // 1024, free_kib // 1024, hypervisor=hypervisor)

    def _hypervisor(self, connection: Any) -> str:
        library = _version(connection.getLibVersion())
        return f"{connection.getType()} {_version(connection.getVersion())}, libvirt {library}"

    def _domain_report(self, domain: Any, values: dict[str, Any]) -> DomainReport:
        mark = self._mark(domain)
        return DomainReport(
            name=domain.name(),
            power=power_of(values.get("state.state", 0), values.get("state.reason", 0)),
            installation=mark.installation,
            vcpus=mark.vcpus,
            memory_mib=mark.memory_mib,
            cpu_time_ns=values.get("cpu.time"),
            disk_read_bytes=_sum(values, "block.", ".rd.bytes"),
            disk_write_bytes=_sum(values, "block.", ".wr.bytes"),
            net_rx_bytes=_sum(values, "net.", ".rx.bytes"),
            net_tx_bytes=_sum(values, "net.", ".tx.bytes"),
            boot_mark=self._boot_mark(domain.UUIDString()),
        )

    def _boot_mark(self, uuid: str) -> str | None:
        return f"{self._connections}.{self._boots[uuid]}" if self._listener else None

    def _mark(self, domain: Any) -> Marked:
        """Whose a domain is and its size, asked once for each run of it; one that is gone is nobody's."""
        run = (domain.UUIDString(), domain.ID())
        if run not in self._marks:
            try:
                self._marks[run] = marked(domain.XMLDesc(0))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                return GONE
        return self._marks[run]

    def power(self, name: str) -> Power:
        with self._connection.calling(f"state of {name}") as connection:
            domain = self._find(connection, name)
            if domain is None:
                return Power.OFF
            try:
                return power_of(*domain.state())
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return Power.OFF
                raise

    def _find(self, connection: Any, name: str) -> Any:
        try:
            return connection.lookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def _ours(self, connection: Any, name: str) -> Any:
        """The domain of this name, None if there is none; raises DriverError if it is not of this installation."""
        domain = self._find(connection, name)
        if domain is None:
            return None
        whose = self._mark(domain).installation
        if not whose or whose != self.installation:
            raise DriverError(
                f"host {self.host.name} has a domain {name} (UUID {domain.UUIDString()}) of "
                f"{whose or 'somebody else'}, not of this installation; it is left alone: remove it there first"
            )
        return domain

    # --- what shall be ------------------------------------------------------------------------------------------

    def create(self, spec: DomainSpec) -> None:
        if spec.installation != self.installation:
            raise DriverError(
                f"{spec.name} is of installation {spec.installation!r}, this driver's {self.installation!r}"
            )
        try:
            xml = self.xml(spec)
        except ValueError as error:
            raise DriverError(f"{spec.name} cannot be started: {error}") from error
        with self._connection.calling(f"start {spec.name}") as connection:
            if self._runs(connection, spec):
                return
            try:
                with_secrets(connection, secrets_of(spec.disks), lambda: connection.createXML(xml, 0))
            except libvirt.libvirtError:
                if connection.isAlive() == 1 and self._runs(connection, spec):
                    return  # another worker was faster
                raise

    def _runs(self, connection: Any, spec: DomainSpec) -> bool:
        domain = self._ours(connection, spec.name)
        if domain is None:
            return False
        if domain.UUIDString().lower() != spec.uuid.lower():
            raise DriverError(
                f"host {self.host.name} has a domain {spec.name} with another UUID, {domain.UUIDString()}"
            )
        try:
            state, reason = domain.state()
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return False
            raise
        if power_of(state, reason) is Power.UNKNOWN:
            raise HostUnreachable(f"host {self.host.name} is still busy with starting {spec.name}")
        if state not in DOWN:
            return True
        _unless_off(domain.destroy)  # gone before the new one comes
        return False

    def shutdown(self, name: str) -> None:
        with self._connection.calling(f"shut down {name}") as connection:
            domain = self._ours(connection, name)
            if domain is not None:
                _unless_off(lambda: domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))

    def destroy(self, name: str) -> None:
        with self._connection.calling(f"destroy {name}") as connection:
            domain = self._ours(connection, name)
            if domain is not None:
                _unless_off(domain.destroy)

    def reboot(self, name: str) -> None:
        with self._connection.calling(f"reboot {name}") as connection:
            self._running(connection, name).reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)

    def reset(self, name: str) -> None:
        with self._connection.calling(f"reset {name}") as connection:
            self._running(connection, name).reset(0)

    def _running(self, connection: Any, name: str) -> Any:
        domain = self._ours(connection, name)
        if domain is None:
            raise DriverError(f"{name} is off on host {self.host.name}; start it first")
        return domain

    # --- what happens -------------------------------------------------------------------------------------------

    def listen(self, listener: PowerListener) -> None:
        if self._listener is not None:
            raise DriverError(f"host {self.host.name} has a listener already; close the driver first")
        self._listener = listener
        self._events = queue.SimpleQueue()
        self._connection.close()  # the next to open it registers
        threading.Thread(
            target=self._tell, args=(self._events, listener), name=f"events of {self.host.name}", daemon=True
        ).start()

    def _register(self, connection: Any) -> None:
        """Ask a new connection for events, if anybody listens."""
        if self._listener is None:
            return
        events = self._events

        def happened(_connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
            events.put((domain, event, detail))  # libvirt's own thread: no calls from here

        def restarted(_connection: Any, domain: Any, _opaque: Any) -> None:
            self._boots[domain.UUIDString()] += 1

        self._connections += 1
        try:
            connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, happened, None)
            connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, restarted, None)
        except libvirt.libvirtError as error:
            raise HostUnreachable(f"host {self.host.name}: listen: {error}") from error

    def _tell(self, events: queue.SimpleQueue[tuple[Any, int, int] | None], listener: PowerListener) -> None:
        """Hand events to the listener until closed; open the connection again when it breaks."""
        while self._listener is listener:
            try:
                self._connection.get()
                happened = events.get(timeout=RECONNECT_S)
            except queue.Empty:
                continue
            except DriverError:
                time.sleep(RECONNECT_S)
                continue
            if happened is None:
                return
            domain, event, detail = happened
            power = power_after(event, detail)
            if power is None or self._is_strange(domain, power):
                continue
            try:
                listener(domain.name(), power)
            except Exception:
                logger.exception("the listener of host %s failed at %s %s", self.host.name, domain.name(), power)

    def _is_strange(self, domain: Any, power: Power) -> bool:
        """Whether a domain is known not to be ours; asked at its start, for at its end nobody knows any more."""
        uuid = domain.UUIDString()
        if power is Power.RUNNING:
            try:
                mark = self._mark(domain)
                strange = mark != GONE and mark.installation != self.installation
            except libvirt.libvirtError:
                strange = False
            (self._strangers.add if strange else self._strangers.discard)(uuid)
        return uuid in self._strangers

    def close(self) -> None:
        self._listener = None
        self._events.put(None)
        self._connection.close()


def _unless_off(call: Any) -> None:
    """Call, and be content if the domain is off or gone by now."""
    try:
        call()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


def _sum(values: dict[str, Any], prefix: str, suffix: str) -> int | None:
    found = [value for key, value in values.items() if key.startswith(prefix) and key.endswith(suffix)]
    return sum(found) if found else None


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
