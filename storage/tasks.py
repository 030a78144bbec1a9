"""Making and deleting the files of volumes that no instance has."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from operations.models import Operation
from operations.performers import Again, Performer, TryLater, register
from storage.backends.base import StorageError
from storage.files import GIB, backend_of, delete_files, ready_layer
from storage.freezing import settle_snapshots
from storage.models import Layer, Volume, VolumeState
from storage.services import forget_volumes
from storage.verbs import VOLUME, VolumeVerb

logger = logging.getLogger(__name__)

INSIST_EVERY_S = 10


def create(operation: Operation) -> Again | None:
    """Make its file; where blocks cannot be shared, copy what it begins as."""
    volume = _being_created(operation).select_related("datastore", "origin__key", "layer__key", "key").first()
    if volume is not None:
        if operation.params["copy"] and volume.origin is not None:
            _copy(operation, volume, volume.origin)
        else:
            ready_layer(volume)
    with operation.closing():
        made = {"origin": None} if operation.params["copy"] else {}
        _being_created(operation).update(state=VolumeState.AVAILABLE, **made)
    return None


def _being_created(operation: Operation) -> QuerySet[Volume]:
    return Volume.objects.filter(ec2_id=operation.resource_id, state=VolumeState.CREATING)


def _copy(operation: Operation, volume: Volume, origin: Layer) -> None:
    """A first layer of its own that stands on nothing.  The volume refers to its origin until all is copied."""
    layer = _own_layer(volume)
    backend = backend_of(volume.datastore)
    backend.copy(origin.files, layer.file, operation.advance)
    backend.grow(layer.file, volume.size_gib * GIB)
    ready_layer(volume)


@transaction.atomic
def _own_layer(volume: Volume) -> Layer:
    [now] = Volume.objects.select_for_update(of=("self",)).filter(pk=volume.pk).select_related("layer__key", "key")
    if now.layer is None:
        now.layer = Layer.objects.create(datastore_id=now.datastore_id, key=now.key, size_gib=now.size_gib)
        now.save(update_fields=["layer"])
    return now.layer


def create_failed(operation: Operation, why: str) -> None:
    """It stays, with an error, until its tenant deletes it."""
    logger.error("volume %s could not be created: %s", operation.resource_id, why)
    message = _("It could not be created for an internal error; delete it and create another.")
    _being_created(operation).update(state=VolumeState.ERROR, state_message=message)


def delete(operation: Operation) -> Again | None:
    """Remove files, then rows: a crash leaves rows that say what may still be there."""
    rows = Volume.objects.filter(ec2_id=operation.resource_id, state=VolumeState.DELETING)
    try:
        for volume in rows:
            settle_snapshots(volume)
            delete_files(volume)
    except StorageError as error:
        raise TryLater(str(error), after_s=INSIST_EVERY_S) from error
    with operation.closing():
        forget_volumes(rows)
    return None


def keep_as_is(operation: Operation, why: str) -> None:
    logger.error("%s failed: %s", operation, why)


register(VOLUME, VolumeVerb.CREATE, Performer(create, create_failed))
register(VOLUME, VolumeVerb.DELETE, Performer(delete, keep_as_is, tries=None))
