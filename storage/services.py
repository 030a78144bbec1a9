"""Volumes as rows; files are made and unmade by tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import quotas
from portal.errors import CloudError
from portal.models import Resource, Tag, Tenant
from storage.models import AttachmentState, Datastore, EncryptionKey, Image, Layer, Volume, VolumeState


@dataclass(frozen=True, slots=True)
class NewDisk:
    """One disk that every instance of a launch gets.  It begins as ``origin``, whose key it then has, or empty."""

    device: str
    size_gib: int
    datastore: Datastore
    origin: Layer | None = None
    snapshot_id: str = ""
    volume_type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    delete_on_termination: bool = True
    is_encrypted: bool = False
    tags: dict[str, str] = field(default_factory=dict)


def default_datastore() -> Datastore:
    """Where what begins empty goes: the enabled one with the most room left to promise."""
    rows = [d for d in Datastore.objects.filter(is_enabled=True) if not d.is_full]
    if not rows:
        raise CloudError(_("no datastore is enabled; an operator must add one"), code="Unavailable")
    return max(rows, key=lambda d: d.total_gib * d.overcommit - d.promised_gib)


def promise(datastore: Datastore, gib: int) -> None:
    """Promise so much of the datastore, in the caller's transaction.  Raises CloudError if it does not fit."""
    if not Datastore.objects.all().promise(datastore.pk, gib):
        text = _("the cloud has no room for %(gib)s GiB more; delete what is not needed, or ask an operator for more")
        raise CloudError(text % {"gib": gib}, code="InsufficientVolumeCapacity")


def root_disk(image: Image, *, size_gib: int, volume_type: str, delete_on_termination: bool) -> NewDisk:
    """The root disk of an instance of this image, which has been fetched with its snapshot, layer and datastore."""
    snapshot = image.root_snapshot
    if snapshot is None or snapshot.layer is None:
        raise CloudError(_("image %(image)s has no disk; register it again") % {"image": image}, code="Unavailable")
    return NewDisk(
        device=image.root_device_name,
        size_gib=size_gib,
        datastore=snapshot.layer.datastore,
        origin=snapshot.layer,
        snapshot_id=snapshot.ec2_id,
        volume_type=volume_type,
        delete_on_termination=delete_on_termination,
        is_encrypted=snapshot.is_encrypted,
    )


def create_launch_volumes(
    tenant: Tenant, instance_ids: Sequence[str], disks: Sequence[NewDisk], *, zone: str
) -> list[Volume]:
    """The volumes of new instances, attached from the start; one insert, and a promise of each datastore.

    Quota is the caller's.
    """
    wanted = Counter[Datastore]()
    for disk in disks:
        wanted[disk.datastore] += disk.size_gib * len(instance_ids)
    for datastore, gib in sorted(wanted.items(), key=lambda pair: pair[0].pk):
        promise(datastore, gib)
    now = timezone.now()
    return Volume.objects.bulk_create(
        Volume(
            tenant=tenant,
            datastore=disk.datastore,
            origin=disk.origin,
            snapshot_id=disk.snapshot_id,
            size_gib=disk.size_gib,
            promised_gib=disk.size_gib,
            volume_type=disk.volume_type,
            iops=disk.iops,
            throughput=disk.throughput,
            is_encrypted=disk.is_encrypted,
            key=key_for(disk.origin, is_encrypted=disk.is_encrypted),
            zone=zone,
            state=VolumeState.CREATING,
            instance_id=instance_id,
            device=disk.device,
            attachment_state=AttachmentState.ATTACHING,
            delete_on_termination=disk.delete_on_termination,
            attached_at=now,
            created_at=now,
        )
        for instance_id in instance_ids
        for disk in disks
    )


def key_for(origin: Layer | None, *, is_encrypted: bool) -> EncryptionKey | None:
    """What a new volume is encrypted with: as what it begins as, or with a key of its own."""
    if not is_encrypted:
        return None
    return origin.key if origin is not None and origin.key_id else EncryptionKey.objects.create()


def forget_volumes(volumes: QuerySet[Volume]) -> None:
    """Delete the rows of volumes whose files are gone, with the layers that were theirs alone, and give back quota and
    promises; in the caller's transaction.
    """
    rows = volumes.order_by()
    for tenant_id, count, size in list(rows.values_list("tenant").annotate(Count("pk"), Sum("size_gib"))):
        quotas.release(Tenant(pk=tenant_id), {Resource.VOLUMES: count, Resource.VOLUME_GIB: size})
    for datastore_id, gib in list(rows.values_list("datastore").annotate(Sum("promised_gib"))):
        Datastore.objects.all().release(datastore_id, gib)
    ids = list(rows.values_list("ec2_id", flat=True))
    layers = list(Layer.objects.only_of(rows.values("pk")).values_list("pk", "datastore", "promised_gib"))
    Tag.objects.filter(resource_type="volume", resource_id__in=ids).delete()
    volumes.delete()
    for pk, datastore_id, gib in sorted(layers, reverse=True):  # what stands on another one is younger
        Layer.objects.filter(pk=pk).delete()
        Datastore.objects.all().release(datastore_id, gib)


@quotas.counts
def count_volumes() -> dict[tuple[int, str], int]:
    """Usage of volumes by tenant, from the rows."""
    found: dict[tuple[int, str], int] = {}
    for tenant_id, size in Volume.objects.order_by().values_list("tenant_id", "size_gib"):
        found[tenant_id, Resource.VOLUMES] = found.get((tenant_id, Resource.VOLUMES), 0) + 1
        found[tenant_id, Resource.VOLUME_GIB] = found.get((tenant_id, Resource.VOLUME_GIB), 0) + size
    return found
