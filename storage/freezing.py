"""Rows of snapshots that are being taken: which layer freezes, and in which one the volume goes on.

A snapshot is bound to the layer that its volume is written to, and the volume gets a next layer.  It freezes when the
volume moves on, whoever lets it: who takes the snapshot, or who finds the volume's domain off and readies its layer.
Until then no other snapshot of the volume is bound: its ``layer`` stays empty, and it waits for its turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from portal import quotas
from portal.models import Resource
from storage.files import GIB, backend_of, ready_layer
from storage.models import Datastore, Layer, Snapshot, SnapshotState, Volume
from storage.services import promise


def hold_volumes(volumes: QuerySet[Volume]) -> list[Volume]:
    """As they are now, kept so until the transaction ends."""
    return list(volumes.order_by("pk").select_related("tenant", "datastore", "layer").select_for_update(of=("self",)))


def open_snapshots(volumes: Sequence[Volume], *, description: str = "") -> list[Snapshot]:
    """A pending snapshot of each of these volumes, which the caller's transaction holds.  Raises CloudError."""
    tenant = volumes[0].tenant
    quotas.reserve(tenant, {Resource.SNAPSHOTS: len(volumes)})
    return Snapshot.objects.bulk_create(
        Snapshot(
            tenant=tenant,
            volume_id=volume.ec2_id,
            description=description,
            size_gib=volume.size_gib,
            is_encrypted=volume.is_encrypted,
        )
        for volume in volumes
    )


def bind(snapshots: Sequence[Snapshot], volumes: Sequence[Volume]) -> bool:
    """Let the snapshots be what these volumes are written to now, and the volumes go on in layers of their own.

    All or, if one of the volumes has a next layer already or none yet, none: then False.  In the transaction that holds
    the volumes.  Raises CloudError if the datastore has no room.
    """
    if any(volume.layer_id is None or volume.next_layer_id is not None for volume in volumes):
        return False
    wanted = {snapshot.volume_id: snapshot for snapshot in snapshots}
    for volume in volumes:
        assert volume.layer_id is not None
        promise(volume.datastore, volume.size_gib)
        Layer.objects.filter(pk=volume.layer_id).update(promised_gib=F("promised_gib") + volume.size_gib)
        volume.next_layer = Layer.objects.create(
            datastore_id=volume.datastore_id, parent_id=volume.layer_id, key_id=volume.key_id, size_gib=volume.size_gib
        )
        Volume.objects.filter(pk=volume.pk).update(next_layer=volume.next_layer)
        snapshot = wanted.get(volume.ec2_id)
        if snapshot is not None:
            snapshot.layer_id = volume.layer_id
            Snapshot.objects.filter(pk=snapshot.pk).update(layer=volume.layer_id)
    return True


def stay(volumes: Iterable[Volume]) -> None:
    """Let volumes that have certainly not moved on stay where they are; their next layers are collected."""
    for volume in volumes:
        if Volume.objects.filter(pk=volume.pk, next_layer=volume.next_layer_id).update(next_layer=None):
            layer = Layer.objects.select_for_update(of=("self",)).get(volume=volume.pk)
            Datastore.objects.all().release(layer.datastore_id, layer.promised_gib)
            Layer.objects.filter(pk=layer.pk).update(promised_gib=0)


def complete(snapshots: QuerySet[Snapshot]) -> None:
    """Their layers are frozen."""
    pending = snapshots.filter(state=SnapshotState.PENDING)
    pending.update(state=SnapshotState.COMPLETED, progress=100, completed_at=timezone.now())


def fail(snapshots: QuerySet[Snapshot], why: str) -> None:
    """They will never be; the tenant reads why, and deletes them."""
    pending = snapshots.filter(state=SnapshotState.PENDING)
    pending.update(state=SnapshotState.ERROR, state_message=why, layer=None)


def used_by(layer: Layer) -> int | None:
    """The bytes that a layer's file takes; None if there is none.  Raises StorageError."""
    info = backend_of(layer.datastore).inspect(layer.file)
    return info.used_bytes if info is not None else None


def shrink_promise(layer: Layer, used_bytes: int) -> None:
    """Take back what a frozen layer will never take.  In a transaction."""
    now = Layer.objects.select_for_update(of=("self",)).filter(pk=layer.pk).first()
    if now is None:
        return
    takes = min(now.promised_gib, -(-used_bytes // GIB))
    measured = {"promised_gib": takes, "used_bytes": used_bytes, "measured_at": timezone.now()}
    Layer.objects.filter(pk=now.pk).update(**measured)
    Datastore.objects.all().release(now.datastore_id, now.promised_gib - takes)


def settle_snapshots(volume: Volume) -> None:
    """Complete the pending snapshots of a volume that is about to go, and that no domain uses.  Raises StorageError."""
    pending = Snapshot.objects.filter(volume_id=volume.ec2_id, state=SnapshotState.PENDING)
    if pending.exists():
        layer = ready_layer(volume)
        with transaction.atomic():
            pending.filter(layer=None).update(layer=layer)
            complete(pending)
