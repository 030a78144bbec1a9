"""Between volume rows and the files behind them: asks backends, called by tasks only."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from storage.backends import backend_for
from storage.backends.base import Backend, StorageError
from storage.models import Datastore, Volume


def backend_of(datastore: Datastore) -> Backend:
    return backend_for(datastore.backend, datastore.path, datastore.options)


def make_volume_file(volume: Volume) -> str:
    """The path of the volume's file, made from its image if it is not there yet."""
    backend = backend_of(volume.datastore)
    if volume.image is not None:
        path = backend.clone(volume.image.path, volume.ec2_id, volume.size_gib)
    else:
        path = backend.create_empty(volume.ec2_id, volume.size_gib)
    if not Volume.objects.filter(pk=volume.pk).update(path=path):
        backend.delete(volume.ec2_id)
        raise StorageError(f"volume {volume.ec2_id} was deleted meanwhile")
    return path


def delete_volume_files(volumes: QuerySet[Volume] | Iterable[Volume]) -> None:
    """Delete the files; the rows are the caller's, afterwards."""
    rows = volumes.select_related("datastore") if isinstance(volumes, QuerySet) else volumes
    for volume in rows:
        backend_of(volume.datastore).delete(volume.ec2_id)
