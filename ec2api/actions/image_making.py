"""Images: made of snapshots and instances, copied, deprecated, ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from compute.image_making import Making
from compute.image_making import create_image as create
from ec2api.actions.instances import named
from ec2api.image_devices import devices_of_register, own_image, wishes_of_create
from ec2api.kinds import one
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, unsupported
from ec2api.tag_specifications import tags_for
from portal.audit import Actor
from storage.errors import SnapshotInUse
from storage.images import (
    NewImage,
    deprecate_image,
    deregister_images,
)
from storage.images import disable_image as disable
from storage.images import enable_image as enable
from storage.models import Image, Snapshot, Volume
from storage.registering import copy_image as copy
from storage.registering import register_image as register
from storage.snapshots import delete_snapshot

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import BlockDeviceMappingTypeDef, TagSpecificationUnionTypeDef

BOOT_MODES = ("legacy-bios", "uefi-preferred")


@action(ignores=["ena_support", "sriov_net_support", "imds_support"])
def register_image(
    call: Call,
    *,
    name: str,
    block_device_mappings: Sequence[BlockDeviceMappingTypeDef] = (),
    root_device_name: str = "",
    architecture: str = "i386",
    description: str = "",
    virtualization_type: str = "paravirtual",
    boot_mode: str = "legacy-bios",
    image_location: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """Of snapshots of the tenant's own, or shared with it.  The defaults are EC2's, which suit nobody."""
    if image_location:
        raise unsupported("An image in S3 (ImageLocation)")
    if not block_device_mappings:
        raise ApiError("MissingParameter", "The request must contain the parameter BlockDeviceMappings")
    if architecture != "x86_64":
        raise unsupported(f"The architecture '{architecture[:20]}' (use x86_64)")
    if virtualization_type != "hvm":
        raise unsupported(f"The virtualization type '{virtualization_type[:20]}' (use hvm)")
    if boot_mode not in BOOT_MODES:
        raise unsupported(f"The boot mode '{boot_mode[:20]}' (use legacy-bios)")
    (tags,) = tags_for(tag_specifications, "image")
    root, devices = devices_of_register(call.tenant, block_device_mappings, root_device_name)
    snapshot = next(device.snapshot for device in devices if device.device_name == root)
    wanted = NewImage(
        name=name,
        description=description,
        boot_mode=boot_mode,
        root_device_name=root,
        login_user=login_user_of(snapshot),
        tags=tags,
    )
    return {"ImageId": register(call.tenant, wanted, devices, actor=call.actor).ec2_id}


def login_user_of(snapshot: Snapshot | None) -> str:
    """As of another image that is made of this snapshot; root if there is none."""
    users = Image.objects.filter(root_snapshot=snapshot).values_list("login_user", flat=True)
    return users.first() or "root" if snapshot is not None else "root"


@action()
def create_image(
    call: Call,
    *,
    instance_id: str,
    name: str,
    description: str = "",
    no_reboot: bool = False,
    block_device_mappings: Sequence[BlockDeviceMappingTypeDef] = (),
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """Pending until the snapshots of its disks are complete.  A running guest is restarted for them unless NoReboot."""
    (instance,) = named(call, [instance_id])
    image_tags, snapshot_tags = tags_for(tag_specifications, "image", "snapshot")
    attached = set(Volume.objects.filter(instance_id=instance.ec2_id).values_list("device", flat=True))
    making = Making(
        name=name,
        description=description,
        wishes=wishes_of_create(call.tenant, block_device_mappings, attached),
        reboot=not no_reboot,
        image_tags=image_tags,
        snapshot_tags=snapshot_tags,
    )
    return {"ImageId": create(instance, making, actor=call.actor).ec2_id}


@action(ignores=["client_token"])
def copy_image(
    call: Call,
    *,
    name: str,
    source_image_id: str,
    source_region: str,
    description: str = "",
    encrypted: bool = False,
    copy_image_tags: bool = False,
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """Within the region; a copy shares the blocks unless it is to be encrypted and the original is not."""
    check_region(source_region, "SourceRegion")
    source: Image = one(call, "ami", source_image_id)
    image_tags, _snapshot_tags = tags_for(tag_specifications, "image", "snapshot")
    tags = dict(image_tags)
    if copy_image_tags:
        tags = {tag.key: tag.value for tag in call.tenant.tags.filter(resource_id=source.ec2_id)} | tags
    wanted = NewImage(
        name=name,
        description=description,
        login_user=source.login_user,
        boot_mode=source.boot_mode,
        architecture=source.architecture,
        root_device_name=source.root_device_name,
        source_image_id=source.ec2_id,
        tags=tags,
    )
    return {"ImageId": copy(call.tenant, source, wanted, encrypt=encrypted, actor=call.actor).ec2_id}


def check_region(name: str, parameter: str) -> None:
    if name != settings.REGION:
        raise ApiError("InvalidParameterValue", f"Invalid {parameter}: '{name[:40]}'; this is {settings.REGION}, alone")


@action()
def deregister_image(call: Call, *, image_id: str, delete_associated_snapshots: bool = False) -> Reply:
    """What was launched from it goes on.  Snapshots that another image needs are not deleted with it."""
    row = own_image(call, image_id)
    results: list[dict[str, Any]] = []
    with transaction.atomic():
        snapshots = list(Snapshot.objects.filter(image_devices__image=row, tenant=call.tenant).distinct())
        deregister_images([row], actor=call.actor)
        if delete_associated_snapshots:
            results = [{"SnapshotId": each.ec2_id, "ReturnCode": _delete(each, call.actor)} for each in snapshots]
    return {"Return": True, "DeleteSnapshotResults": results}


def _delete(snapshot: Snapshot, actor: Actor) -> str:
    try:
        delete_snapshot(snapshot, actor=actor)
    except SnapshotInUse:
        return "skipped"
    return "success"


@action()
def enable_image_deprecation(call: Call, *, image_id: str, deprecate_at: datetime) -> Reply:
    deprecate_image(own_image(call, image_id), deprecate_at, actor=call.actor)
    return {"Return": True}


@action()
def disable_image_deprecation(call: Call, *, image_id: str) -> Reply:
    deprecate_image(own_image(call, image_id), None, actor=call.actor)
    return {"Return": True}


@action()
def disable_image(call: Call, *, image_id: str) -> Reply:
    disable(own_image(call, image_id), actor=call.actor)
    return {"Return": True}


@action()
def enable_image(call: Call, *, image_id: str) -> Reply:
    enable(own_image(call, image_id), actor=call.actor)
    return {"Return": True}
