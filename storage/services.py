"""Volumes as rows; files are made and unmade by tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from django.db.models import Count, F, PositiveBigIntegerField, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import quotas
from portal.errors import CloudError
from portal.inserting import insert
from portal.models import Resource, Tag, Tenant
from portal.prepared import PreparedUpdate, slot
from storage.models import (
    AttachmentState,
    Datastore,
    EncryptionKey,
    Image,
    Layer,
    ModificationState,
    Volume,
    VolumeState,
)
from storage.volume_types import Shape, checked_shape


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


_GIB = slot("gib", PositiveBigIntegerField())
_PROMISE = PreparedUpdate(
    lambda: Datastore.objects.filter(
        pk=slot("pk"),
        is_enabled=True,
        is_full=False,
        promised_gib__lte=F("total_gib") * F("overcommit") - _GIB,
    ),
    promised_gib=F("promised_gib") + _GIB,
)


def promise(datastore: Datastore, gib: int) -> None:
    """Promise so much of the datastore, in the caller's transaction.  Raises CloudError if it does not fit.

    One conditional update, so that it is never overfilled.  What it can hold is what it has been seen to have, times
    its overcommit; one that was never seen holds nothing.
    """
    if not _PROMISE(pk=datastore.pk, gib=gib):
        text = _("the cloud has no room for %(gib)s GiB more; delete what is not needed, or ask an operator for more")
        raise CloudError(text % {"gib": gib}, code="InsufficientVolumeCapacity")


def root_disk(
    image: Image,
    *,
    size_gib: int,
    volume_type: str = "gp3",
    iops: int | None = None,
    throughput: int | None = None,
    delete_on_termination: bool = True,
    is_encrypted: bool = False,
) -> NewDisk:
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
        iops=iops,
        throughput=throughput,
        delete_on_termination=delete_on_termination,
        is_encrypted=is_encrypted or snapshot.is_encrypted,
    )


def image_disks(image: Image) -> list[NewDisk]:
    """The disks that an image gives its instances beside the root disk; no query if there is none."""
    if not image.more_devices:
        return []
    devices = image.devices.exclude(device_name=image.root_device_name)
    found = []
    for device in devices.select_related("snapshot__layer__datastore"):
        layer = device.snapshot.layer if device.snapshot else None
        found.append(
            NewDisk(
                device=device.device_name,
                size_gib=device.size_gib,
                datastore=layer.datastore if layer else default_datastore(),
                origin=layer,
                snapshot_id=device.snapshot.ec2_id if device.snapshot else "",
                volume_type=device.volume_type,
                iops=device.iops,
                throughput=device.throughput,
                delete_on_termination=device.delete_on_termination,
                is_encrypted=device.is_encrypted or bool(layer and layer.key_id),
            )
        )
    return found


def checked_disk(disk: NewDisk) -> NewDisk:
    """With the usual speeds of its type.  Raises CloudError for a size or a speed that its type does not have."""
    shape = checked_shape(Shape(disk.size_gib, disk.volume_type, disk.iops, disk.throughput))
    if disk.origin is not None and disk.size_gib < disk.origin.size_gib:
        text = _("The volume of %(size)s GiB at %(device)s is smaller than its snapshot, which needs %(least)s GiB")
        values = {"size": disk.size_gib, "device": disk.device, "least": disk.origin.size_gib}
        raise CloudError(text % values, code="InvalidBlockDeviceMapping")
    return replace(disk, iops=shape.iops, throughput=shape.throughput)


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
    keys = _new_keys(disks, len(instance_ids))
    return insert(
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
            key=next(keys) if _has_own_key(disk) else disk.origin.key if disk.origin else None,
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


def _has_own_key(disk: NewDisk) -> bool:
    """One that begins as something encrypted has the key of that."""
    return disk.is_encrypted and not (disk.origin is not None and disk.origin.key_id)


def _new_keys(disks: Sequence[NewDisk], instances: int) -> Iterator[EncryptionKey]:
    count = sum(map(_has_own_key, disks)) * instances
    return iter(EncryptionKey.objects.bulk_create(EncryptionKey() for _ in range(count)) if count else ())


def forget_volumes(volumes: QuerySet[Volume]) -> None:
    """Delete the rows of volumes whose files are gone, with the layers that were theirs alone, and give back quota and
    promises; in the caller's transaction.
    """
    rows = volumes.order_by()
    growth = Counter[int]()
    for tenant_id, size, target in list(_growing(rows)):
        growth[tenant_id] += target - size
    for tenant_id, count, size in list(rows.values_list("tenant").annotate(Count("pk"), Sum("size_gib"))):
        quotas.release(Tenant(pk=tenant_id), {Resource.VOLUMES: count, Resource.VOLUME_GIB: size + growth[tenant_id]})
    for datastore_id, gib in list(rows.values_list("datastore").annotate(Sum("promised_gib"))):
        Datastore.objects.all().release(datastore_id, gib)
    ids = list(rows.values_list("ec2_id", flat=True))
    layers = list(Layer.objects.only_of(rows.values("pk")).values_list("pk", "datastore", "promised_gib"))
    Tag.objects.filter(resource_type="volume", resource_id__in=ids).delete()
    volumes.delete()
    for pk, datastore_id, gib in sorted(layers, reverse=True):  # what stands on another one is younger
        Layer.objects.filter(pk=pk).delete()
        Datastore.objects.all().release(datastore_id, gib)


def _growing(volumes: QuerySet[Volume]) -> QuerySet[Volume, tuple[int, int, int]]:
    """Tenant, size and the size asked for, of those that are being made larger: quota was given for that already."""
    changing = volumes.filter(modification__state=ModificationState.MODIFYING)
    return changing.values_list("tenant_id", "size_gib", "modification__target__size_gib")


@quotas.counts
def count_volumes() -> dict[tuple[int, str], int]:
    """Usage of volumes by tenant, from the rows."""
    found: dict[tuple[int, str], int] = {}
    for tenant_id, size in Volume.objects.order_by().values_list("tenant_id", "size_gib"):
        found[tenant_id, Resource.VOLUMES] = found.get((tenant_id, Resource.VOLUMES), 0) + 1
        found[tenant_id, Resource.VOLUME_GIB] = found.get((tenant_id, Resource.VOLUME_GIB), 0) + size
    for tenant_id, size, target in _growing(Volume.objects.order_by()):
        found[tenant_id, Resource.VOLUME_GIB] += target - size
    return found
