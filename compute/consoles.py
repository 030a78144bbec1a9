"""Serial logs: fetched by the watcher when they change, read from the row by everybody else."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from compute.drivers.base import DomainReport, Driver
from compute.models import ConsoleOutput, Host, Instance
from storage.files import backend_of
from storage.models import Datastore

KEPT_BYTES = 64 * 1024


class ConsoleKeeper:
    """What one watcher last saw of the serial logs of one host; after a restart it only writes once too often."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._last: dict[str, bytes] = {}
        self._marks: dict[str, int | None] = {}
        self._paths: dict[str, str] = {}

    def keep(self, driver: Driver, domains: Sequence[DomainReport]) -> None:
        """Store the end of each log that has grown, and once more of those whose domain has ended since."""
        marks = {d.name: d.console_mark for d in domains}
        ended = self._marks.keys() - marks.keys()
        grown = [name for name, mark in marks.items() if mark is None or self._marks.get(name) != mark]
        changed: dict[str, bytes] = {}
        for name in (*grown, *ended):
            text = driver.console_output(name, self._path(name), KEPT_BYTES)
            if text and self._last.get(name) != text:
                changed[name] = self._last[name] = text
        if changed:
            store_consoles(changed)
        self._marks = marks
        for name in ended:
            self._last.pop(name, None)
            self._paths.pop(name, None)

    def _path(self, name: str) -> str:
        if name not in self._paths:
            self._paths[name] = console_log_of(name)
        return self._paths[name]


def console_log_of(name: str) -> str:
    """The path of an instance's serial log in its datastore; empty if there is no such instance."""
    datastore = Datastore.objects.filter(pk__in=Instance.objects.filter(ec2_id=name).values("datastore")).first()
    return backend_of(datastore).console_log(name) if datastore else ""


def store_consoles(texts: dict[str, bytes]) -> None:
    """Write the rows, in one statement."""
    now = timezone.now()
    ids = dict(Instance.objects.filter(ec2_id__in=texts).values_list("ec2_id", "pk"))
    ConsoleOutput.objects.bulk_create(
        [ConsoleOutput(instance_id=pk, text=texts[name], updated_at=now) for name, pk in ids.items()],
        update_conflicts=True,
        unique_fields=["instance"],
        update_fields=["text", "updated_at"],
    )
