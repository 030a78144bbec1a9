"""Hosts that exist only in a file, shared by all processes: for development, demonstrations and tests.

A full citizen: it obeys the contract, survives restarts, and delays, hangs or fails when the host's options say so:
``delay_s`` (each start takes so long), ``fail`` (names of methods that are refused), ``unreachable`` (nobody
answers), ``stubborn`` (guests ignore the power button), ``boot_s`` (how long until a guest acts on it); disks that are
unplugged from stubborn guests stay.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compute.drivers.base import (
    Capability,
    Disk,
    DomainReport,
    DomainSpec,
    Driver,
    DriverError,
    HostReport,
    HostSettings,
    HostUnreachable,
    Power,
    Pull,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS domain (
    host TEXT, name TEXT, uuid TEXT, installation TEXT, vcpus INTEGER, memory_mib INTEGER,
    started_at REAL, boots INTEGER,
    PRIMARY KEY (host, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disk (
    host TEXT, name TEXT, serial TEXT, layers TEXT, size_bytes INTEGER,
    PRIMARY KEY (host, name, serial)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS console (host TEXT, name TEXT, text TEXT, PRIMARY KEY (host, name)) WITHOUT ROWID;
"""


class _File:
    """One connection to the file for each thread of each process; none is carried over a fork."""

    def __init__(self) -> None:
        self._local = threading.local()

    def connection(self, path: Path) -> sqlite3.Connection:
        key = (os.getpid(), str(path))
        if getattr(self._local, "key", None) != key:
            path.parent.mkdir(parents=True, exist_ok=True)
            made = sqlite3.connect(path, timeout=30, isolation_level=None)
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("PRAGMA synchronous=OFF")
            made.executescript(SCHEMA)
            self._local.key, self._local.made = key, made
        connection: sqlite3.Connection = self._local.made
        return connection


_file = _File()


class SimulatedDriver(Driver):
    """One simulated host."""

    capabilities = frozenset(Capability) - {Capability.EVENTS}

    def __init__(self, host: HostSettings) -> None:
        super().__init__(host)
        self._path = Path(str(host.options["data_dir"])) / "simulated.sqlite3"
        self._installation = str(host.options.get("installation", ""))

    @contextmanager
    def _asked(self, method: str) -> Iterator[sqlite3.Connection]:
        """Fail, hang or go on, as the host's options say."""
        options = self.host.options
        if options.get("hang_s"):
            time.sleep(float(str(options["hang_s"])))
        if options.get("unreachable"):
            raise HostUnreachable(f"simulated host {self.host.name} does not answer")
        failing = options.get("fail") or []
        if isinstance(failing, list) and method in failing:
            raise DriverError(f"simulated host {self.host.name} refuses to {method}")
        try:
            yield _file.connection(self._path)
        except sqlite3.Error as error:
            raise HostUnreachable(f"simulated host {self.host.name}: {error}") from error

    def report(self) -> HostReport:
        with self._asked("report") as db:
            rows = db.execute(
                "SELECT name, installation, vcpus, memory_mib, started_at, boots FROM domain WHERE host = ?",
                (self.host.name,),
            ).fetchall()
        now = time.time()
        domains = tuple(
            DomainReport(
                name=name,
                power=Power.RUNNING,
                installation=mark,
                vcpus=vcpus,
                memory_mib=memory_mib,
                cpu_time_ns=int((now - started_at) * 5e7),
                console_mark=boots,
                boot_mark=boots,
            )
            for name, mark, vcpus, memory_mib, started_at, boots in rows
        )
        vcpus, memory_mib = int(str(self.host.options["vcpus"])), int(str(self.host.options["memory_mib"]))
        free = max(0, memory_mib - sum(d.memory_mib for d in domains))
        return HostReport(domains, vcpus, memory_mib, free, hypervisor="simulated")

    def power(self, name: str) -> Power:
        with self._asked("power") as db:
            return Power.RUNNING if self._row(db, name) else Power.OFF

    def _row(self, db: sqlite3.Connection, name: str) -> tuple[str, str] | None:
        """The uuid and the mark of a domain."""
        row: tuple[str, str] | None = db.execute(
            "SELECT uuid, installation FROM domain WHERE host = ? AND name = ?", (self.host.name, name)
        ).fetchone()
        return row

    def create(self, spec: DomainSpec) -> None:
        with self._asked("create") as db:
            time.sleep(float(str(self.host.options.get("delay_s", 0))))
            row = self._row(db, spec.name)
            if row is not None and row[0] != spec.uuid:
                raise DriverError(f"host {self.host.name} has another domain called {spec.name}")
            inserted = db.execute(
                "INSERT OR IGNORE INTO domain VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                (self.host.name, spec.name, spec.uuid, spec.installation, spec.vcpus, spec.memory_mib, time.time()),
            )
            if inserted.rowcount:
                for disk in spec.disks:
                    self._plug(db, spec.name, disk)
                self._say(db, spec.name, f"simulated guest {spec.name} booting\n{spec.name} login: ")

    def shutdown(self, name: str) -> None:
        with self._asked("shutdown") as db:
            if self._mine(db, name) and not self.host.options.get("stubborn"):
                self._say(db, name, "\nThe system is going down NOW!\nreboot: Power down\n")
                self._remove(db, name)

    def destroy(self, name: str) -> None:
        with self._asked("destroy") as db:
            if self._mine(db, name):
                self._remove(db, name)

    def reboot(self, name: str) -> None:
        with self._asked("reboot") as db:
            self._boot_again(db, name, is_heard=not self.host.options.get("stubborn"))

    def reset(self, name: str) -> None:
        with self._asked("reset") as db:
            self._boot_again(db, name)

    def console_output(self, name: str, console_log: str, limit: int = 65536) -> bytes:
        with self._asked("console_output") as db:
            row = db.execute("SELECT text FROM console WHERE host = ? AND name = ?", (self.host.name, name)).fetchone()
        return row[0].encode()[-limit:] if row else b""

    def disks(self, name: str) -> dict[str, tuple[str, ...]]:
        with self._asked("disks") as db:
            self._mine(db, name)
            rows = db.execute(
                "SELECT serial, layers FROM disk WHERE host = ? AND name = ?", (self.host.name, name)
            ).fetchall()
        return {serial: tuple(json.loads(layers)) for serial, layers in rows}

    def attach(self, name: str, disk: Disk) -> None:
        with self._asked("attach") as db:
            self._running(db, name)
            self._plug(db, name, disk)

    def detach(self, name: str, serial: str) -> None:
        with self._asked("detach") as db:
            if self._mine(db, name) and not self.host.options.get("stubborn"):
                db.execute(
                    "DELETE FROM disk WHERE host = ? AND name = ? AND serial = ?", (self.host.name, name, serial)
                )

    def resize(self, name: str, serial: str, size_bytes: int) -> None:
        with self._asked("resize") as db:
            self._layers(db, name, serial)
            db.execute(
                "UPDATE disk SET size_bytes = max(size_bytes, ?) WHERE host = ? AND name = ? AND serial = ?",
                (size_bytes, self.host.name, name, serial),
            )

    def snapshot(self, name: str, overlays: Mapping[str, Disk]) -> None:
        with self._asked("snapshot") as db:
            self._running(db, name)
            before = {serial: self._layers(db, name, serial) for serial in overlays}
            for serial, disk in overlays.items():
                stands_on = disk.backing[0].path if disk.backing else ""
                if before[serial][0] not in (disk.path, stands_on):
                    raise DriverError(f"disk {serial} of {name} is at {before[serial][0]}, not at {stands_on}")
            for serial, disk in overlays.items():
                if before[serial][0] != disk.path:
                    self._set_layers(db, name, serial, [disk.path, *before[serial]])

    def pull(self, name: str, serial: str, base: str | None) -> None:
        """Done at once: there is nothing to copy."""
        with self._asked("pull") as db:
            layers = self._layers(db, name, serial)
            if base is not None and base not in layers:
                raise DriverError(f"disk {serial} of {name} does not stand on {base}")
            rest = layers[layers.index(base) :] if base is not None else []
            self._set_layers(db, name, serial, [layers[0], *rest])

    def pulling(self, name: str, serial: str) -> Pull | None:
        with self._asked("pulling") as db:
            self._mine(db, name)
        return None

    def stop_pulling(self, name: str, serial: str) -> None:
        with self._asked("stop_pulling") as db:
            self._mine(db, name)

    def _plug(self, db: sqlite3.Connection, name: str, disk: Disk) -> None:
        if disk.serial:
            layers = json.dumps([disk.path, *(backing.path for backing in disk.backing)])
            db.execute("INSERT OR IGNORE INTO disk VALUES (?, ?, ?, ?, 0)", (self.host.name, name, disk.serial, layers))

    def _running(self, db: sqlite3.Connection, name: str) -> None:
        if not self._mine(db, name):
            raise DriverError(f"{name} is off on host {self.host.name}; start it first")

    def _layers(self, db: sqlite3.Connection, name: str, serial: str) -> list[str]:
        self._running(db, name)
        row = db.execute(
            "SELECT layers FROM disk WHERE host = ? AND name = ? AND serial = ?", (self.host.name, name, serial)
        ).fetchone()
        if row is None:
            raise DriverError(f"{name} on host {self.host.name} has no disk {serial}")
        layers: list[str] = json.loads(row[0])
        return layers

    def _set_layers(self, db: sqlite3.Connection, name: str, serial: str, layers: list[str]) -> None:
        db.execute(
            "UPDATE disk SET layers = ? WHERE host = ? AND name = ? AND serial = ?",
            (json.dumps(layers), self.host.name, name, serial),
        )

    def _mine(self, db: sqlite3.Connection, name: str) -> bool:
        """Whether there is such a domain.  Raises DriverError if it is not of this installation."""
        row = self._row(db, name)
        if row is not None and row[1] != self._installation:
            raise DriverError(f"domain {name} on {self.host.name} is not of this installation; it is left alone")
        return row is not None

    def _boot_again(self, db: sqlite3.Connection, name: str, *, is_heard: bool = True) -> None:
        self._running(db, name)
        if not is_heard:
            return
        db.execute(
            "UPDATE domain SET boots = boots + 1, started_at = ? WHERE host = ? AND name = ?",
            (time.time(), self.host.name, name),
        )
        self._say(db, name, f"\nreboot: Restarting system\nsimulated guest {name} booting\n{name} login: ")

    def _remove(self, db: sqlite3.Connection, name: str) -> None:
        for table in ("domain", "disk"):
            db.execute(f"DELETE FROM {table} WHERE host = ? AND name = ?", (self.host.name, name))  # noqa: S608

    def _say(self, db: sqlite3.Connection, name: str, text: str) -> None:
        db.execute(
            "INSERT INTO console VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET text = substr(text || excluded.text, -65536)",
            (self.host.name, name, text),
        )
