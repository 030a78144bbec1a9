"""Block device mappings of images, in EC2's words, as disks of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compute.image_making import Wish
from ec2api.kinds import KINDS, check_ids, not_found, one
from ec2api.launches import VOLUME_TYPES
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, missing, unsupported
from portal.models import Tenant
from storage.images import NewDevice
from storage.models import Image, Snapshot

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import BlockDeviceMappingTypeDef

MAX_GIB = 65536
MEMBERS = {"SnapshotId", "VolumeSize", "VolumeType", "Iops", "Throughput", "DeleteOnTermination", "Encrypted"}


def own_image(call: Call, image_id: str) -> Image:
    """One of the tenant's own.  Another's that it may see is told to be another's, as EC2 does."""
    row: Image = one(call, "ami", image_id)
    if row.tenant_id != call.tenant.pk:
        raise ApiError("AuthFailure", f"Not authorized for image:{image_id}")
    return row


def own_snapshot(call: Call, snapshot_id: str) -> Snapshot:
    row: Snapshot = one(call, "snap", snapshot_id)
    if row.tenant_id != call.tenant.pk:
        raise ApiError("UnauthorizedOperation", f"You are not authorized to change snapshot {snapshot_id}")
    return row


def snapshot_named(tenant: Tenant, snapshot_id: str) -> Snapshot:
    """One that the tenant may make something of."""
    check_ids("snap", [snapshot_id])
    found: Snapshot | None = KINDS["snap"].rows(tenant).filter(ec2_id=snapshot_id).first()
    if found is None:
        raise not_found(KINDS["snap"], [snapshot_id])
    return found


def devices_of_register(
    tenant: Tenant, mappings: Sequence[BlockDeviceMappingTypeDef], root: str
) -> tuple[str, list[NewDevice]]:
    """The root device's name, and all disks.  Where it is not said, the root is the first disk with a snapshot."""
    devices = []
    for mapping in mappings:
        name = mapping.get("DeviceName", "")
        if not name:
            raise missing("BlockDeviceMapping.DeviceName")
        if "VirtualName" in mapping or "NoDevice" in mapping:
            continue  # instance store, of which there is none, and what is left out anyway
        ebs: dict[str, Any] = dict(mapping.get("Ebs") or {})
        snapshot = snapshot_named(tenant, ebs["SnapshotId"]) if ebs.get("SnapshotId") else None
        devices.append(new_device(name, ebs, snapshot))
    found = root or next((device.device_name for device in devices if device.snapshot is not None), "")
    if not any(device.device_name == found and device.snapshot for device in devices):
        text = f"The root device {found or '(none is named)'} must be mapped to a snapshot"
        raise ApiError("InvalidBlockDeviceMapping", text)
    return found, devices


def new_device(
    name: str, ebs: Mapping[str, Any], snapshot: Snapshot | None, *, least: int = 0, **defaults: Any
) -> NewDevice:
    """One disk as it is asked for; as large as its snapshot where no size is said."""
    for member in ebs.keys() - MEMBERS:
        if ebs[member]:
            raise unsupported(f"The parameter BlockDeviceMapping.Ebs.{member}")
    size = ebs.get("VolumeSize") or max(least, snapshot.size_gib if snapshot else 0)
    if not size:
        raise ApiError("MissingParameter", f"Device {name[:20]} needs a VolumeSize or a SnapshotId")
    if not 1 <= size <= MAX_GIB:
        raise ApiError("InvalidParameterValue", f"Volume of {size}GiB is not between 1 and {MAX_GIB} GiB.")
    kind = ebs.get("VolumeType", defaults.get("volume_type", "gp3"))
    if kind not in VOLUME_TYPES:
        raise ApiError("InvalidParameterValue", f"Invalid volume type '{kind[:40]}'")
    if len(name) > 20:
        raise ApiError("InvalidBlockDeviceMapping", f"'{name[:40]}' is no name of a device")
    if ebs.get("Encrypted") and snapshot is not None and not snapshot.is_encrypted:
        raise unsupported("Encrypting a disk that begins as a snapshot which is not (copy the snapshot with Encrypted)")
    return NewDevice(
        name,
        size,
        snapshot,
        kind,
        ebs.get("Iops", defaults.get("iops")),
        ebs.get("Throughput", defaults.get("throughput")),
        ebs.get("DeleteOnTermination", defaults.get("delete_on_termination", True)),
        bool(ebs.get("Encrypted", defaults.get("is_encrypted", False))) or bool(snapshot and snapshot.is_encrypted),
    )


def wishes_of_create(tenant: Tenant, mappings: Sequence[BlockDeviceMappingTypeDef], attached: set[str]) -> list[Wish]:
    """What CreateImage asks of single devices: to leave one out, to change one, or to add one."""
    found: list[Wish] = []
    for mapping in mappings:
        name = mapping.get("DeviceName", "")
        if not name:
            raise missing("BlockDeviceMapping.DeviceName")
        if any(wish.device_name == name for wish in found):
            raise ApiError("InvalidBlockDeviceMapping", f"The device {name[:20]} is mapped twice")
        if "VirtualName" in mapping:
            continue  # instance store, of which there is none
        ebs: dict[str, Any] = dict(mapping.get("Ebs") or {})
        if "NoDevice" in mapping:
            found.append(Wish(name, is_left_out=True))
        elif name in attached:
            found.append(_changed(name, ebs))
        else:
            snapshot = snapshot_named(tenant, ebs["SnapshotId"]) if ebs.get("SnapshotId") else None
            found.append(Wish(name, new=new_device(name, ebs, snapshot)))
    return found


def _changed(name: str, ebs: Mapping[str, Any]) -> Wish:
    if ebs.get("SnapshotId"):
        raise ApiError("InvalidBlockDeviceMapping", f"{name[:20]} is a disk of the instance: leave its SnapshotId out")
    for member in ebs.keys() - MEMBERS | ({"Encrypted"} if ebs.get("Encrypted") else set()):
        if ebs[member]:
            raise unsupported(f"The parameter BlockDeviceMapping.Ebs.{member} of CreateImage")
    if ebs.get("VolumeSize") is not None and not 1 <= ebs["VolumeSize"] <= MAX_GIB:
        raise ApiError("InvalidParameterValue", f"Volume of {ebs['VolumeSize']}GiB is not between 1 and {MAX_GIB} GiB.")
    if ebs.get("VolumeType", "gp3") not in VOLUME_TYPES:
        raise ApiError("InvalidParameterValue", f"Invalid volume type '{ebs['VolumeType'][:40]}'")
    return Wish(
        name,
        size_gib=ebs.get("VolumeSize"),
        volume_type=ebs.get("VolumeType"),
        iops=ebs.get("Iops"),
        throughput=ebs.get("Throughput"),
        delete_on_termination=ebs.get("DeleteOnTermination"),
    )
