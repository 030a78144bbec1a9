"""Between rows and the files behind them: asks backends, called by tasks only.

A row is there before its file, and goes after it: a crash leaves rows that say what may be there.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from storage.backends import backend_for
from storage.backends.base import Backend, StorageError
from storage.models import Datastore, Layer, Volume

GIB = 2**30


def backend_of(datastore: Datastore) -> Backend:
    return backend_for(datastore.backend, datastore.path, datastore.options)


def make_file(layer: Layer) -> None:
    """Make the layer's file if it is not there yet.  Raises StorageError."""
    backing = layer.parent.files if layer.parent else []
    backend_of(layer.datastore).create(layer.file, layer.size_gib * GIB, backing)
    if layer.made_at is None:
        layer.made_at = timezone.now()
        if not Layer.objects.filter(pk=layer.pk).update(made_at=layer.made_at):
            backend_of(layer.datastore).delete(layer.file_name)
            raise StorageError(f"layer {layer} was deleted meanwhile")


def ready_layer(volume: Volume) -> Layer:
    """The layer that a volume, which no domain uses, is to be written to; its file is made.

    A volume of which a snapshot is being taken goes on in its next layer.  Raises StorageError.
    """
    now = Volume.objects.select_related("layer__parent", "layer__key", "next_layer__key").filter(pk=volume.pk).first()
    if now is None:
        raise StorageError(f"volume {volume} was deleted meanwhile")
    layer = now.layer or _first_layer(now)
    make_file(layer)
    if now.next_layer is not None:
        make_file(now.next_layer)
        move_on(now)
        layer = now.next_layer
    if not Volume.objects.filter(pk=volume.pk, layer=layer).exists():
        backend_of(layer.datastore).delete(layer.file_name)
        raise StorageError(f"volume {volume} was deleted meanwhile")
    return layer


@transaction.atomic
def _first_layer(volume: Volume) -> Layer:
    """The row of the layer in which a volume begins; another worker may have made it."""
    now = Volume.objects.select_for_update(of=("self",)).filter(pk=volume.pk).first()
    if now is None:
        raise StorageError(f"volume {volume} was deleted meanwhile")
    if now.layer is not None:
        return now.layer
    layer = Layer.objects.create(
        datastore=now.datastore, parent=now.origin, key=now.key, size_gib=now.size_gib, used_bytes=0
    )
    Volume.objects.filter(pk=now.pk).update(layer=layer)
    return layer


def move_on(volume: Volume) -> bool:
    """Note that a volume goes on in its next layer, whose file is there: the former one is frozen from now on.

    False if that was noted already.
    """
    moved = Volume.objects.filter(pk=volume.pk, next_layer=volume.next_layer_id).exclude(next_layer=None)
    return bool(moved.update(layer=volume.next_layer_id, next_layer=None))


def delete_files(volume: Volume) -> None:
    """Delete what a volume alone has: the layer it is written to, and the next one.  The rows are the caller's."""
    for layer in Layer.objects.only_of([volume.pk]).select_related("datastore"):
        backend_of(layer.datastore).delete(layer.file_name)
