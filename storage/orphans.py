"""Files that belong to no row: found with each measurement, removed only when an operator asks for it.

A row is there before its file and goes after it, so a file without one is of a database that was restored from before,
of a process that was killed while it wrote, or of nobody here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.models import Operation
from operations.performers import Again, Performer, Refused, TryLater, register
from operations.tasks import ring
from portal import audit
from portal.audit import Actor
from storage.backends.base import Backend, LayerFile, StorageError, StoredFile
from storage.files import backend_of
from storage.models import Datastore, Layer, Orphan

KIND, REMOVE = "orphan", "remove"
SETTLED = timedelta(hours=1)  # what was changed later may be a copy under way
INSTANCES, UPLOADS = "instances/", "uploads/"
INSIST_EVERY_S = 10

# What other apps keep in a datastore: the names of their files, such as "instances/i-0123".
owners: list[Callable[[Datastore], Iterable[str]]] = []


def unowned(files: Iterable[StoredFile], owned: set[str], before: float) -> list[StoredFile]:
    """Those files that have not changed since ``before`` and are not owned; an upload's name may have an ending."""
    return [file for file in files if file.modified_at < before and not _is_owned(file.name, owned)]


def _is_owned(name: str, owned: set[str]) -> bool:
    return name in owned or (name.startswith(UPLOADS) and name.partition(".")[0] in owned)


def owned_by_rows(datastore: Datastore) -> set[str]:
    """The names of all files that belong to something.  To be asked after the files were listed, never before."""
    names = {layer.file_name for layer in Layer.objects.filter(datastore=datastore).only("name", "path")}
    names.update(f"{UPLOADS}{ec2_id}" for ec2_id in datastore.uploads.values_list("ec2_id", flat=True))
    for owner in owners:
        names.update(owner(datastore))
    return names


def note(datastore: Datastore, files: Iterable[StoredFile]) -> int:
    """Write down which of a datastore's files are orphans now; how many."""
    before = (timezone.now() - SETTLED).timestamp()
    found = unowned(files, owned_by_rows(datastore), before)
    datastore.orphans.exclude(name__in=[file.name for file in found]).delete()
    Orphan.objects.bulk_create(
        [
            Orphan(
                datastore=datastore,
                name=file.name,
                used_bytes=file.used_bytes,
                modified_at=datetime.fromtimestamp(file.modified_at, UTC),
            )
            for file in found
        ],
        update_conflicts=True,
        unique_fields=["datastore", "name"],
        update_fields=["used_bytes", "modified_at"],
        batch_size=500,
    )
    return len(found)


@transaction.atomic
def remove_orphans(orphans: Iterable[Orphan], *, actor: Actor) -> int:
    """Ask for the removal of these files; how many.  Those that are asked for already are passed over."""
    wanted = Orphan.objects.filter(pk__in=[orphan.pk for orphan in orphans]).select_related("datastore").order_by("pk")
    rows = list(wanted.select_for_update(of=("self",)))  # of two who ask at once the second finds the first's work
    busy = set(Operation.objects.open().on(KIND, [str(row.pk) for row in rows]).values_list("resource_id", flat=True))
    asked = [row for row in rows if str(row.pk) not in busy]
    for row in asked:
        audit.record(actor, REMOVE, KIND, [row.name], tenant=None, datastore=row.datastore.name, file=row.name)
    Operation.objects.owe(REMOVE, KIND, [str(row.pk) for row in asked], actor_name=actor.name)
    ring(len(asked))
    return len(asked)


def remove(operation: Operation) -> Again | None:
    """Delete the file, unless something has come to own it or a layer's file stands on it."""
    orphan = Orphan.objects.select_related("datastore").filter(pk=operation.resource_id).first()
    if orphan is not None:
        backend = backend_of(orphan.datastore)
        try:
            _check(orphan, backend)
            if orphan.name.startswith(INSTANCES):
                backend.delete_instance_dir(orphan.name.removeprefix(INSTANCES))
            else:
                backend.delete(orphan.name)
        except StorageError as error:
            raise TryLater(str(error), after_s=INSIST_EVERY_S) from error
    with operation.closing():
        if orphan is not None:
            orphan.delete()
    return None


def _check(orphan: Orphan, backend: Backend) -> None:
    """Raises Refused if it is no orphan, or no longer."""
    if _is_owned(orphan.name, owned_by_rows(orphan.datastore)):
        raise Refused(_("%(file)s belongs to something by now; it stays") % {"file": orphan.name})
    for layer in Layer.objects.filter(datastore=orphan.datastore):
        info = backend.inspect(LayerFile(layer.file_name))
        if info is not None and info.backing == orphan.name:
            raise Refused(
                _("the file of %(layer)s stands on %(file)s, although no row says so; it stays")
                % {"layer": layer.name, "file": orphan.name}
            )


def leave(operation: Operation, why: str) -> None:
    """The file stays; the next measurement says whether it still is an orphan."""


register(KIND, REMOVE, Performer(remove, leave))
