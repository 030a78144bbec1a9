"""Images made of snapshots: registered, or copied; available once all their snapshots are complete."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from operations.models import Operation
from operations.performers import Again, Performer, Refused, register
from operations.tasks import ring
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tenant
from storage.copying import copy_snapshot
from storage.images import KIND, NewDevice, NewImage, fail_image, new_image
from storage.models import Image, ImageState, Snapshot, SnapshotState

COMPLETE = "complete"
LOOK_EVERY_S = 1.0


@transaction.atomic
def register_image(tenant: Tenant, wanted: NewImage, devices: Sequence[NewDevice], *, actor: Actor) -> Image:
    """An image of snapshots that are there, available at once.  Raises CloudError or QuotaExceeded."""
    check_devices(wanted, devices)
    for device in devices:
        if device.snapshot is not None and device.snapshot.state != SnapshotState.COMPLETED:
            text = _("snapshot %(id)s is %(state)s; wait until it is completed")
            values = {"id": device.snapshot.ec2_id, "state": device.snapshot.state}
            raise CloudError(text % values, code="IncorrectState")
    return new_image(tenant, wanted, devices, state=ImageState.AVAILABLE, actor=actor, verb="register")


def check_devices(wanted: NewImage, devices: Sequence[NewDevice]) -> None:
    """Raises CloudError where the disks make no image."""
    names = [device.device_name for device in devices]
    if len(set(names)) < len(names):
        raise CloudError(_("Each device can be named once"), code="InvalidBlockDeviceMapping")
    root = next((device for device in devices if device.device_name == wanted.root_device_name), None)
    if root is None or root.snapshot is None:
        text = _("The root device %(device)s must be mapped to a snapshot")
        raise CloudError(text % {"device": wanted.root_device_name}, code="InvalidBlockDeviceMapping")
    for device in devices:
        if device.snapshot is not None and device.size_gib < device.snapshot.size_gib:
            text = _("Volume of size %(size)sGB is smaller than snapshot '%(id)s', expect size >= %(least)sGB")
            values = {"size": device.size_gib, "id": device.snapshot.ec2_id, "least": device.snapshot.size_gib}
            raise CloudError(text % values, code="InvalidBlockDeviceMapping")


@transaction.atomic
def image_of(
    tenant: Tenant, wanted: NewImage, devices: Sequence[NewDevice], *, actor: Actor, verb: str, **detail: object
) -> Image:
    """An image of snapshots that may still be pending; it is, too, as long as one of them is."""
    check_devices(wanted, devices)
    snapshots = [device.snapshot for device in devices if device.snapshot is not None]
    is_ready = all(snapshot.state == SnapshotState.COMPLETED for snapshot in snapshots)
    state = ImageState.AVAILABLE if is_ready else ImageState.PENDING
    image = new_image(tenant, wanted, devices, state=state, actor=actor, verb=verb, **detail)
    if not is_ready:
        Operation.objects.owe(COMPLETE, KIND, [image.ec2_id], actor_name=actor.name)
        ring()
    return image


@transaction.atomic
def copy_image(tenant: Tenant, source: Image, wanted: NewImage, *, encrypt: bool, actor: Actor) -> Image:
    """A copy of the tenant's own, of an image that it may see.  It shares the blocks, unless it is to be encrypted
    and the original is not: then it is pending until they are copied.
    """
    if source.state != ImageState.AVAILABLE:
        text = _("image %(id)s is %(state)s; only one that is available can be copied")
        raise CloudError(text % {"id": source.ec2_id, "state": source.state}, code="InvalidAMIID.Unavailable")
    devices = []
    for device in source.devices.select_related("snapshot__layer__datastore", "snapshot__layer__key"):
        description = f"Copied for {wanted.name} from {source.ec2_id}"
        copy = device.snapshot and copy_snapshot(
            tenant, device.snapshot, description=description, encrypt=encrypt, actor=actor
        )
        devices.append(
            NewDevice(
                device.device_name,
                device.size_gib,
                copy,
                device.volume_type,
                device.iops,
                device.throughput,
                device.delete_on_termination,
                is_encrypted=copy.is_encrypted if copy else device.is_encrypted or encrypt,
            )
        )
    return image_of(tenant, wanted, devices, actor=actor, verb="copy", source=source.ec2_id)


def complete(operation: Operation) -> Again | None:
    """Look whether the snapshots are complete; the image is available then, or has failed with one of them."""
    image = Image.objects.filter(ec2_id=operation.resource_id, state=ImageState.PENDING).first()
    snapshots = list(Snapshot.objects.filter(image_devices__image__ec2_id=operation.resource_id))
    for snapshot in snapshots:
        if snapshot.state == SnapshotState.ERROR:
            raise Refused(f"snapshot {snapshot} failed: {snapshot.state_message or 'no reason is known'}")
    if image is not None and any(snapshot.state == SnapshotState.PENDING for snapshot in snapshots):
        return Again(LOOK_EVERY_S)
    with operation.closing():
        if image is not None:
            Image.objects.filter(pk=image.pk).update(state=ImageState.AVAILABLE)
    return None


def give_up(operation: Operation, why: str) -> None:
    image = Image.objects.select_related("tenant").filter(ec2_id=operation.resource_id).first()
    if image is not None:
        fail_image(image, why)


register(KIND, COMPLETE, Performer(complete, give_up, tries=None))
