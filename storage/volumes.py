"""Volumes that no instance has: made, and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from operations.models import Operation
from operations.tasks import ring
from portal import audit, quotas
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Resource, Tenant
from portal.tags import add_tags, check_tags
from storage.backends.base import Capability, StorageError
from storage.errors import IdempotentParameterMismatch, IncorrectVolumeState, VolumeInUse
from storage.files import backend_of
from storage.models import Datastore, EncryptionKey, Snapshot, SnapshotState, Volume, VolumeState
from storage.services import default_datastore, promise
from storage.verbs import VOLUME, VolumeVerb
from storage.volume_types import Shape, checked_shape


@dataclass(frozen=True, slots=True)
class NewVolume:
    """What a tenant may ask of a new volume.  Without a size it is as large as its snapshot."""

    zone: str
    size_gib: int | None = None
    snapshot: Snapshot | None = None
    volume_type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    is_encrypted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    client_token: str | None = None
    digest: str = ""


def create_volume(tenant: Tenant, new: NewVolume, *, actor: Actor) -> Volume:
    """One that is being created; or, for a client token that was used before, the one it made then.

    Raises CloudError, QuotaExceeded or IdempotentParameterMismatch, and then nothing was written.
    """
    check_tags(new.tags)
    shape = _shape(new)
    if new.client_token and (before := _made_before(tenant, new)):
        return before
    try:
        with transaction.atomic():
            return _create(tenant, new, shape, actor)
    except IntegrityError:  # another call with this token was faster
        if new.client_token and (before := _made_before(tenant, new)):
            return before
        raise


def _shape(new: NewVolume) -> Shape:
    snapshot = new.snapshot
    if snapshot is not None and (snapshot.state != SnapshotState.COMPLETED or snapshot.layer is None):
        text = _("Snapshot is in invalid state - %(state)s; wait until %(id)s is completed.")
        raise IncorrectVolumeState(text % {"state": snapshot.state, "id": snapshot})
    size = new.size_gib if new.size_gib is not None else snapshot.size_gib if snapshot else None
    if size is None:
        text = _("The request must contain the parameter size/snapshot")
        raise CloudError(text, code="MissingParameter")
    if snapshot is not None and size < snapshot.size_gib:
        text = _("Snapshot of size %(snapshot)s GiB is larger than the volume of %(size)s GiB.")
        raise CloudError(text % {"snapshot": snapshot.size_gib, "size": size})
    return checked_shape(Shape(size, new.volume_type, new.iops, new.throughput))


def _made_before(tenant: Tenant, new: NewVolume) -> Volume | None:
    before = Volume.objects.filter(tenant=tenant, client_token=new.client_token).first()
    if before is not None and before.digest != new.digest:
        text = _("client token %(token)s was used for another volume, %(volume)s; use a new token")
        raise IdempotentParameterMismatch(text % {"token": new.client_token, "volume": before})
    return before


def _create(tenant: Tenant, new: NewVolume, shape: Shape, actor: Actor) -> Volume:
    origin = new.snapshot.layer if new.snapshot else None
    datastore = origin.datastore if origin else default_datastore()
    is_encrypted = new.is_encrypted or bool(origin and origin.key_id)
    must_copy = origin is not None and _must_copy(datastore, is_encrypted=is_encrypted, key=origin.key)
    key = origin.key if origin and origin.key else EncryptionKey.objects.create() if is_encrypted else None
    quotas.reserve(tenant, {Resource.VOLUMES: 1, Resource.VOLUME_GIB: shape.size_gib})
    promise(datastore, shape.size_gib)
    volume = Volume.objects.create(
        tenant=tenant,
        datastore=datastore,
        origin=origin,
        key=key,
        snapshot_id=new.snapshot.ec2_id if new.snapshot else "",
        promised_gib=shape.size_gib,
        is_encrypted=is_encrypted,
        zone=new.zone,
        client_token=new.client_token or None,
        digest=new.digest,
        **shape.as_dict(),
    )
    add_tags(tenant, VOLUME, [volume.ec2_id], new.tags)
    params = {"copy": must_copy}
    Operation.objects.owe(
        VolumeVerb.CREATE, VOLUME, [volume.ec2_id], actor_name=actor.name, params=params, slow=must_copy
    )
    detail = {"size": shape.size_gib, "type": shape.volume_type, "snapshot": volume.snapshot_id}
    audit.record(actor, "create", VOLUME, [volume.ec2_id], tenant=tenant, **detail)
    ring(slow=must_copy)
    return volume


def _must_copy(datastore: Datastore, *, is_encrypted: bool, key: EncryptionKey | None) -> bool:
    """Whether the blocks of what it begins as cannot stay where they are.  Raises CloudError if it cannot be done."""
    try:
        capabilities = backend_of(datastore).capabilities
    except StorageError as error:
        raise CloudError(str(error), code="Unavailable") from error
    return Capability.SHARE_BLOCKS not in capabilities or (is_encrypted and key is None)


@transaction.atomic
def delete_volume(volume: Volume, *, actor: Actor) -> None:
    """Its snapshots stay, also those that are being taken; one that is being created is given up.

    Raises VolumeInUse.
    """
    Operation.objects.supersede(VOLUME, [volume.ec2_id])  # first, as with who closes one
    now = Volume.objects.select_for_update(of=("self",)).select_related("tenant").filter(pk=volume.pk).first()
    if now is not None and now.instance_id:
        text = _("Volume %(volume)s is currently attached to %(instance)s; detach it first.")
        raise VolumeInUse(text % {"volume": now, "instance": now.instance_id})
    if now is None:
        return
    Operation.objects.owe(VolumeVerb.DELETE, VOLUME, [now.ec2_id], actor_name=actor.name)
    if now.state != VolumeState.DELETING:
        Volume.objects.filter(pk=now.pk).update(state=VolumeState.DELETING)
        audit.record(actor, "delete", VOLUME, [now.ec2_id], tenant=now.tenant)
    ring()
