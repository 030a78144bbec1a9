"""Layers that nothing refers to any more: their files go, then their rows."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from operations.models import Operation
from operations.performers import Again, Performer, TryLater, register
from operations.tasks import ring
from portal import audit
from storage.backends.base import StorageError
from storage.files import backend_of
from storage.models import Datastore, Layer

logger = logging.getLogger(__name__)

KIND, REMOVE = "layer", "remove"
INSIST_EVERY_S = 10


def collect() -> int:
    """Note which layers are unused, and see that those go that have been for a while; how many of these.

    Not at once: a transaction that is about to refer to a layer, by way of a snapshot or an image that is just being
    deleted, must have ended before.
    """
    now = timezone.now()
    unused = Layer.objects.unused()
    Layer.objects.filter(unused_since__isnull=False).exclude(pk__in=unused.values("pk")).update(unused_since=None)
    unused.filter(unused_since=None).update(unused_since=now)
    due = Layer.objects.filter(unused_since__lte=now - timedelta(seconds=settings.LAYER_GRACE_S))
    busy = Operation.objects.open().filter(resource_type=KIND).values("resource_id")
    names = list(due.exclude(name__in=busy).values_list("name", flat=True)[:100])
    if not names:
        return 0
    try:
        with transaction.atomic():
            Operation.objects.owe(REMOVE, KIND, names, actor_name=audit.CLOUD.name)
            ring(len(names))
    except IntegrityError:
        return 0  # another watcher was faster
    return len(names)


def remove(operation: Operation) -> Again | None:
    """Delete the file, then the row; unless something has come to refer to it after all."""
    layer = Layer.objects.unused().filter(name=operation.resource_id).select_related("datastore").first()
    if layer is None:
        with operation.closing():
            pass
        return None
    try:
        backend_of(layer.datastore).delete(layer.file_name)
    except StorageError as error:
        raise TryLater(str(error), after_s=INSIST_EVERY_S) from error
    with operation.closing():
        layer.delete()
        Datastore.objects.all().release(layer.datastore_id, layer.promised_gib)
    return None


def keep(operation: Operation, why: str) -> None:
    logger.error("%s failed: %s", operation, why)


register(KIND, REMOVE, Performer(remove, keep, tries=None))
