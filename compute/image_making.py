"""Images of instances: snapshots of their disks, all at one instant, and an image of those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.utils.translation import gettext as _

from compute.models import Instance
from compute.snapshots import check_state, snapshot_instance
from portal.audit import Actor
from portal.errors import CloudError
from storage.images import NewDevice, NewImage, check_image
from storage.models import Image, Snapshot, Volume
from storage.registering import image_of

MAX_DEVICES = 40


@dataclass(frozen=True, slots=True)
class Wish:
    """What the image is to have of one device, where that is not what the instance has; None leaves that as it is."""

    device_name: str
    is_left_out: bool = False
    new: NewDevice | None = None  # beside those of the instance
    size_gib: int | None = None
    volume_type: str | None = None
    iops: int | None = None
    throughput: int | None = None
    delete_on_termination: bool | None = None


@dataclass(frozen=True, slots=True)
class Making:
    """An image to be made of an instance."""

    name: str
    description: str = ""
    login_user: str = ""
    wishes: Sequence[Wish] = ()
    reboot: bool = True
    image_tags: Mapping[str, str] = field(default_factory=dict)
    snapshot_tags: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def create_image(instance: Instance, making: Making, *, actor: Actor) -> Image:
    """An image of a running or stopped instance, pending until its snapshots are complete.

    With ``reboot`` a running guest is shut down for them and started again, so that what it has not written yet is in
    them.  Raises CloudError or QuotaExceeded, and then nothing was written.
    """
    check_state(instance)  # before its disks are missed
    root = instance.image.root_device_name
    wanted = NewImage(
        name=making.name,
        description=making.description,
        login_user=making.login_user or instance.image.login_user,
        architecture=instance.image.architecture,
        boot_mode=instance.image.boot_mode,
        root_device_name=root,
        source_instance_id=instance.ec2_id,
        tags=making.image_tags,
    )
    check_image(instance.tenant, wanted)
    wishes = {wish.device_name: wish for wish in making.wishes}
    volumes = _volumes(instance, wishes, root)
    snapshots = snapshot_instance(
        instance,
        volumes,
        actor=actor,
        description=f"Created by CreateImage({instance.ec2_id}) for {making.name}"[:255],
        tags=making.snapshot_tags,
        reboot=making.reboot,
    )
    devices = [_device(v, s, wishes.get(v.device)) for v, s in zip(volumes, snapshots, strict=True)]
    devices += [wish.new for wish in making.wishes if wish.new is not None]
    if len(devices) > MAX_DEVICES:
        raise CloudError(
            _("An image has at most %(most)s disks") % {"most": MAX_DEVICES}, code="InvalidBlockDeviceMapping"
        )
    return image_of(instance.tenant, wanted, devices, actor=actor, verb="create", instance=instance.ec2_id)


def _volumes(instance: Instance, wishes: Mapping[str, Wish], root: str) -> list[Volume]:
    """Those that the image gets, the root first."""
    attached = list(Volume.objects.filter(tenant=instance.tenant, instance_id=instance.ec2_id).order_by("pk"))
    names = {volume.device for volume in attached}
    for name, wish in wishes.items():
        if (wish.new is None) != (name in names):
            text = _("%(name)s is a disk of %(instance)s; change it, but do not map it to something else")
            if wish.new is None:
                text = _("%(instance)s has no disk %(name)s; name one that it has, or give the new one a size")
            values = {"name": name, "instance": instance.ec2_id}
            raise CloudError(text % values, code="InvalidBlockDeviceMapping")
    left = [v for v in attached if not (v.device in wishes and wishes[v.device].is_left_out)]
    if not any(volume.device == root for volume in left):
        text = _("The root device %(name)s of %(instance)s must be part of the image, and attached")
        raise CloudError(text % {"name": root, "instance": instance.ec2_id}, code="InvalidBlockDeviceMapping")
    return sorted(left, key=lambda volume: volume.device != root)


def _device(volume: Volume, snapshot: Snapshot, wish: Wish | None) -> NewDevice:
    found = NewDevice(
        volume.device,
        volume.size_gib,
        snapshot,
        volume.volume_type,
        volume.iops,
        volume.throughput,
        volume.delete_on_termination,
        volume.is_encrypted,
    )
    if wish is None:
        return found
    names = ("size_gib", "volume_type", "iops", "throughput", "delete_on_termination")
    return replace(found, **{name: value for name in names if (value := getattr(wish, name)) is not None})
