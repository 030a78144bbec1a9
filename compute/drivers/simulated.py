"""Hosts that exist only in a file, shared by all processes: for development, demonstrations and tests.

A full citizen: it obeys the contract, survives restarts, and delays, hangs or fails when the host's options say so:
``delay_s`` (each start takes so long), ``fail`` (names of methods that are refused), ``unreachable`` (nobody
answers), ``stubborn`` (guests ignore the power button), ``boot_s`` (how long until a guest acts on it).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compute.drivers.base import (
    DomainReport,
    DomainSpec,
    Driver,
    DriverError,
    HostReport,
    HostSettings,
    HostUnreachable,
    Power,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS domain (
    host TEXT, name TEXT, uuid TEXT, installation TEXT, vcpus INTEGER, memory_mib INTEGER,
    started_at REAL, boots INTEGER,
    PRIMARY KEY (host, name)
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

    def _mine(self, db: sqlite3.Connection, name: str) -> bool:
        """Whether there is such a domain.  Raises DriverError if it is not of this installation."""
        row = self._row(db, name)
        if row is not None and row[1] != self._installation:
            raise DriverError(f"domain {name} on {self.host.name} is not of this installation; it is left alone")
        return row is not None

    def _boot_again(self, db: sqlite3.Connection, name: str, *, is_heard: bool = True) -> None:
        if not self._mine(db, name):
            raise DriverError(f"{name} is off on host {self.host.name}; start it first")
        if not is_heard:
            return
        db.execute(
            "UPDATE domain SET boots = boots + 1, started_at = ? WHERE host = ? AND name = ?",
            (time.time(), self.host.name, name),
        )
        self._say(db, name, f"\nreboot: Restarting system\nsimulated guest {name} booting\n{name} login: ")

    def _remove(self, db: sqlite3.Connection, name: str) -> None:
        db.execute("DELETE FROM domain WHERE host = ? AND name = ?", (self.host.name, name))

    def _say(self, db: sqlite3.Connection, name: str, text: str) -> None:
        db.execute(
            "INSERT INTO console VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET text = substr(text || excluded.text, -65536)",
            (self.host.name, name, text),
        )
