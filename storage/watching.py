"""Looking at datastores: how full they are, and what each layer takes."""

from __future__ import annotations

import logging

from django.utils import timezone

from storage.backends.base import StorageError
from storage.files import GIB, backend_of
from storage.models import Datastore, Layer
from storage.orphans import note

logger = logging.getLogger(__name__)

FULL_BELOW_BYTES = 2 * GIB  # or a fiftieth, if that is less: then nothing new begins, and what is there has some air


def look_at(datastore: Datastore) -> None:
    """Note its size and what is free; or, if it does not answer, why."""
    try:
        capacity = backend_of(datastore).capacity()
    except StorageError as error:
        logger.warning("datastore %s: %s", datastore, error)
        Datastore.objects.filter(pk=datastore.pk).update(last_error=str(error))
        return
    Datastore.objects.filter(pk=datastore.pk).update(
        total_bytes=capacity.total_bytes,
        total_gib=capacity.total_bytes // GIB,
        free_bytes=capacity.free_bytes,
        is_full=capacity.free_bytes < min(FULL_BELOW_BYTES, capacity.total_bytes // 50),
        seen_at=timezone.now(),
        last_error="",
    )


def measure(datastore: Datastore) -> int:
    """Note what each layer takes, and which files are orphans; how many layers have changed.  Raises StorageError."""
    files = list(backend_of(datastore).files())
    sizes = {file.name: file.used_bytes for file in files}
    changed = []
    for layer in datastore.layers.all():
        used = sizes.get(layer.file_name)
        if used is not None and used != layer.used_bytes:
            layer.used_bytes, layer.measured_at = used, timezone.now()
            changed.append(layer)
    Layer.objects.bulk_update(changed, ["used_bytes", "measured_at"], batch_size=500)
    note(datastore, files)
    return len(changed)
