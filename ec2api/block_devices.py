"""The disks that RunInstances asks for, in EC2's words, as those of a launch of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from compute.devices import ROOT, place_of
from ec2api.kinds import KINDS, check_ids, not_found
from ec2api.protocol.errors import ApiError
from ec2api.registry import missing, unsupported
from portal.models import Tenant
from storage.models import Image, Snapshot, SnapshotState
from storage.services import NewDisk, default_datastore, image_disks

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import BlockDeviceMappingTypeDef

MEMBERS = {  # of Ebs, as those of a NewDisk
    "VolumeSize": "size_gib",
    "VolumeType": "volume_type",
    "Iops": "iops",
    "Throughput": "throughput",
    "DeleteOnTermination": "delete_on_termination",
    "Encrypted": "is_encrypted",
}
IGNORED = {"SnapshotId", "VolumeInitializationRate"}
ROOT_FIELDS = {  # of a NewDisk, as those of a Launch
    "size_gib": "root_size_gib",
    "volume_type": "root_volume_type",
    "iops": "root_iops",
    "throughput": "root_throughput",
    "delete_on_termination": "delete_root_on_termination",
    "is_encrypted": "root_is_encrypted",
}


def disks_of_launch(tenant: Tenant, image: Image, mappings: Sequence[BlockDeviceMappingTypeDef]) -> dict[str, Any]:
    """What is asked of the disks, as arguments of a launch: the image's, changed or left out, and more.

    Instance store volumes, of which no instance type has any, are passed over, as at Amazon.
    """
    disks = {place_of(disk.device, image.root_device_name): disk for disk in image_disks(image)}
    found: dict[str, Any] = {}
    named: set[str] = set()
    for mapping in mappings:
        device = mapping.get("DeviceName", "")
        if not device:
            raise missing("BlockDeviceMapping.DeviceName")
        if mapping.get("VirtualName", "").startswith("ephemeral"):
            continue
        place = place_of(device, image.root_device_name)
        if place in named:
            raise ApiError("InvalidBlockDeviceMapping", f"The device {device} is named more than once")
        named.add(place)
        if place == ROOT:
            found = _root(image, mapping)
        elif "NoDevice" in mapping:
            disks.pop(place, None)
        else:
            disks[place] = _disk(tenant, device, dict(mapping.get("Ebs") or {}), disks.get(place))
    return {**found, "more_disks": list(disks.values())}


def _root(image: Image, mapping: BlockDeviceMappingTypeDef) -> dict[str, Any]:
    device = mapping.get("DeviceName", "")
    if "VirtualName" in mapping or "NoDevice" in mapping:
        raise ApiError("InvalidBlockDeviceMapping", f"The root device {device} must be an EBS volume")
    ebs = dict(mapping.get("Ebs") or {})
    own = image.root_snapshot.ec2_id if image.root_snapshot else ""
    if ebs.get("SnapshotId", own) != own:
        raise ApiError("InvalidBlockDeviceMapping", "The root device's snapshot must be the image's own")
    asked = _asked(ebs)
    _check_encryption(asked, image.root_snapshot)
    return {ROOT_FIELDS[name]: value for name, value in asked.items()}


def _asked(ebs: Mapping[str, Any]) -> dict[str, Any]:
    for name in ebs.keys() - MEMBERS.keys() - IGNORED:
        if ebs[name]:
            raise unsupported(f"The parameter BlockDeviceMapping.Ebs.{name} of RunInstances")
    asked = {MEMBERS[name]: value for name, value in ebs.items() if name in MEMBERS}
    size = asked.get("size_gib", 1)
    if not 1 <= size <= 65536:
        raise ApiError("InvalidParameterValue", f"Volume of {size}GiB is not between 1 and 65536 GiB.")
    return asked


def _check_encryption(asked: Mapping[str, Any], snapshot: Snapshot | None) -> None:
    if snapshot is not None and snapshot.is_encrypted and asked.get("is_encrypted") is False:
        raise ApiError("InvalidParameter", f"Encrypted flag cannot be false since snapshot {snapshot} is encrypted")


def _disk(tenant: Tenant, device: str, ebs: dict[str, Any], of_image: NewDisk | None) -> NewDisk:
    """One of the image's with what is asked of it, or a new one: of a snapshot, or empty."""
    asked = _asked(ebs)
    snapshot_id = ebs.get("SnapshotId", "")
    if of_image is not None and snapshot_id in ("", of_image.snapshot_id):
        if of_image.origin is not None and of_image.origin.key_id and asked.get("is_encrypted") is False:
            raise ApiError("InvalidParameter", f"Encrypted flag cannot be false since the disk {device} is encrypted")
        return replace(of_image, device=device, **asked)
    if snapshot_id:
        snapshot = snapshot_named(tenant, snapshot_id)
        _check_encryption(asked, snapshot)
        assert snapshot.layer is not None
        asked = {"size_gib": snapshot.size_gib, **asked}
        asked["is_encrypted"] = asked.get("is_encrypted", False) or snapshot.is_encrypted
        layer = snapshot.layer
        return NewDisk(device, datastore=layer.datastore, origin=layer, snapshot_id=snapshot.ec2_id, **asked)
    if "size_gib" not in asked:
        raise ApiError("MissingParameter", f"The device {device} needs a VolumeSize or a SnapshotId")
    return NewDisk(device, datastore=default_datastore(), **asked)


def snapshot_named(tenant: Tenant, snapshot_id: str) -> Snapshot:
    """A completed one that the tenant may make volumes of, with its layer and its datastore."""
    check_ids("snap", [snapshot_id])
    rows = KINDS["snap"].rows(tenant).select_related("layer__datastore", "layer__key")
    found: Snapshot | None = rows.filter(ec2_id=snapshot_id).first()
    if found is None:
        raise not_found(KINDS["snap"], [snapshot_id])
    if found.state != SnapshotState.COMPLETED or found.layer is None:
        raise ApiError("IncorrectState", f"Snapshot {snapshot_id} is {found.state}; wait until it is completed")
    return found
