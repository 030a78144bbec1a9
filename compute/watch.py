"""The watcher: a connection to each host, events and reports; one host that hangs holds up no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from django.conf import settings
from django.db import close_old_connections, connection

from compute import drivers
from compute.compacting import compact_long_chains
from compute.consoles import ConsoleKeeper
from compute.drivers.base import Driver, DriverError, HostReport, Power
from compute.models import Host, Instance
from compute.reconcile import observe, reconcile, restarted, saw
from operations.models import Heartbeat
from operations.tasks import ask_for_signs, sweep
from storage.collecting import collect
from storage.models import Datastore
from storage.uploads import sweep_uploads
from storage.watching import look_at, measure

logger = logging.getLogger(__name__)

WATCHER = "watcher"
ROWS_EVERY_S = 2.0  # how soon a new or changed host row is noticed
SWEEP_EVERY_S = 2.0
BEAT_EVERY_S = 5.0
DATASTORES_EVERY_S = 10.0
MEASURE_EVERY_S = 60.0
SIMULATED = "simulated"


class HostWatch(threading.Thread):
    """Watches some hosts, one after the other, once each interval: a real host has a thread of its own."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        super().__init__(daemon=True, name=f"watch {hosts[0].name}")
        self.hosts = list(hosts)
        self._over = threading.Event()
        self._listening: dict[int, Driver] = {}
        self._boots: dict[int, dict[str, int | str | None]] = {}
        self._consoles = {host.pk: ConsoleKeeper(host) for host in hosts}

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        try:
            while not self._over.is_set():
                began = time.monotonic()
                close_old_connections()
                self.look()
                self._over.wait(max(0.05, settings.WATCH_INTERVAL_S - (time.monotonic() - began)))
        finally:
            for driver in self._listening.values():
                driver.close()
            connection.close()

    def look(self) -> None:
        """Ask all once, and act on what they say."""
        try:
            reports = {host: report for host in self.hosts if (report := self._report(host)) is not None}
            if reports:
                saw(reports)
                reconcile({host: report.domains for host, report in reports.items()})
                if names := [name for host, report in reports.items() for name in self._restarts(host, report)]:
                    restarted(names)
                for host, report in reports.items():
                    ours = [d for d in report.domains if d.installation == settings.INSTALLATION]
                    self._consoles[host.pk].keep(drivers.driver_for(host.driver, host.settings()), ours)
        except Exception:  # one bad report must not end the watch
            logger.exception("%s: its reports could not be used", self.name)

    def _report(self, host: Host) -> HostReport | None:
        """What the host says of itself; None, and the reason on its row, if it says nothing."""
        try:
            driver = drivers.driver_for(host.driver, host.settings())
            self._listen(host, driver)
            return driver.report()
        except DriverError as error:
            logger.warning("host %s: %s", host, error)
            Host.objects.filter(pk=host.pk).update(last_error=str(error))
            return None

    def _restarts(self, host: Host, report: HostReport) -> list[str]:
        """Whose guest has restarted since the last look, or may have."""
        before = self._boots.get(host.pk, {})
        now = self._boots[host.pk] = {domain.name: domain.boot_mark for domain in report.domains}
        return [name for name, mark in now.items() if mark is None or before.get(name) != mark]

    def _listen(self, host: Host, driver: Driver) -> None:
        if self._listening.get(host.pk) is not driver:
            driver.listen(lambda name, power: self._heard(name, power))
            self._listening[host.pk] = driver

    def _heard(self, name: str, power: Power) -> None:
        """An event, in the driver's thread: the same as a report, only sooner."""
        try:
            instance = Instance.objects.filter(ec2_id=name).first()
            if instance is not None:
                observe(instance, power)
        except Exception:
            logger.exception("the event %s of %s could not be used; the next report will be", power, name)
        finally:
            connection.close()


class StorageWatch(threading.Thread):
    """Looks how full the datastores are, and collects what nothing refers to any more."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="watch datastores")
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        measured_at = float("-inf")
        try:
            while not self._over.is_set():
                close_old_connections()
                try:
                    is_due = time.monotonic() - measured_at >= MEASURE_EVERY_S
                    for datastore in Datastore.objects.all():
                        look_at(datastore)
                        if is_due:
                            measure(datastore)
                    if is_due:
                        compact_long_chains()
                    measured_at = time.monotonic() if is_due else measured_at
                    collect()
                    sweep_uploads()
                except Exception:
                    logger.exception("the watch of datastores goes on")
                self._over.wait(DATASTORES_EVERY_S)
        finally:
            connection.close()


class Watcher:
    """All of one process: threads for hosts, the sweep, and the signs of life."""

    def __init__(self) -> None:
        self._watches: dict[tuple[object, ...], HostWatch] = {}
        self._ending: list[HostWatch] = []
        self._storage = StorageWatch()
        self._over = threading.Event()

    def stop(self, *_: object) -> None:
        self._over.set()

    def run(self) -> None:
        beat_at = rows_at = sweep_at = 0.0
        self._storage.start()
        while not self._over.wait(0.2):
            now = time.monotonic()
            try:
                if now >= rows_at:
                    rows_at = now + ROWS_EVERY_S
                    self._follow_rows()
                if now >= sweep_at:
                    sweep_at = now + SWEEP_EVERY_S
                    sweep()
                if now >= beat_at:
                    beat_at = now + BEAT_EVERY_S
                    Heartbeat.beat(WATCHER)
                    ask_for_signs()
            except Exception:  # the database or the broker is away; it may come back
                logger.exception("the watcher goes on")
        self._storage.stop()
        for watch in self._watches.values():
            watch.stop()

    def _follow_rows(self) -> None:
        """Start and stop threads so that they match the host rows as they are now."""
        groups: dict[object, list[Host]] = {}
        for host in Host.objects.order_by("pk"):
            groups.setdefault(SIMULATED if host.driver == SIMULATED else host.pk, []).append(host)
        wanted = {tuple((h.pk, h.driver, repr(h.settings())) for h in hosts): hosts for hosts in groups.values()}
        for facts in self._watches.keys() - wanted.keys():
            self._ending.append(self._watches.pop(facts))
            self._ending[-1].stop()
        self._ending = [watch for watch in self._ending if watch.is_alive()]
        busy = {host.pk for watch in self._ending for host in watch.hosts}
        for facts in wanted.keys() - self._watches.keys():
            if busy.isdisjoint(host.pk for host in wanted[facts]):  # or the old watch would close what the new opens
                self._watches[facts] = HostWatch(wanted[facts])
                self._watches[facts].start()
