"""Images as EC2 describes them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ec2api.present.words import Tags
from storage.models import Image, ImageDevice, ImageState

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import BlockDeviceMappingTypeDef, EbsBlockDeviceTypeDef, ImageTypeDef

CLOUD_OWNER = "000000000000"  # whose the cloud's own images are
CLOUD_ALIAS = "amazon"  # under which clients ask for what comes with the cloud


def image(row: Image, tags: Tags, *, region: str) -> ImageTypeDef:
    """Of a row that was fetched with its tenant, and its devices with their snapshots."""
    owner = row.tenant.account_id if row.tenant else CLOUD_OWNER
    described: ImageTypeDef = {
        "ImageId": row.ec2_id,
        "ImageLocation": f"{CLOUD_ALIAS if row.tenant is None else owner}/{row.name}",
        "ImageType": "machine",
        "Public": row.is_public,
        "OwnerId": owner,
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "ProductCodes": [],
        "State": row.state,  # type: ignore[typeddict-item]
        "BlockDeviceMappings": [device(each) for each in row.devices.all()],
        "Description": row.description,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "Name": row.name,
        "RootDeviceName": row.root_device_name,
        "RootDeviceType": "ebs",
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
        "VirtualizationType": row.virtualization,  # type: ignore[typeddict-item]
        "Architecture": row.architecture,  # type: ignore[typeddict-item]
        "BootMode": row.boot_mode,  # type: ignore[typeddict-item]
        "CreationDate": text_of(row.created_at),
        "DeregistrationProtection": "disabled",
    }
    if row.tenant is None:
        described["ImageOwnerAlias"] = CLOUD_ALIAS
    if row.deprecation_at is not None:
        described["DeprecationTime"] = text_of(row.deprecation_at)
    if row.source_instance_id:
        described["SourceInstanceId"] = row.source_instance_id
    if row.source_image_id:
        described |= {"SourceImageId": row.source_image_id, "SourceImageRegion": region}
    if row.state == ImageState.FAILED:
        described["StateReason"] = {"Code": row.state_code or "Server.InternalError", "Message": row.state_message}
    return described


def device(row: ImageDevice) -> BlockDeviceMappingTypeDef:
    """SnapshotId is left out of an empty disk; what is not set, too."""
    ebs: EbsBlockDeviceTypeDef = {
        "DeleteOnTermination": row.delete_on_termination,
        "Encrypted": row.is_encrypted or bool(row.snapshot and row.snapshot.is_encrypted),
        "VolumeSize": row.size_gib,
        "VolumeType": row.volume_type,  # type: ignore[typeddict-item]
    }
    if row.snapshot is not None:
        ebs["SnapshotId"] = row.snapshot.ec2_id
    if row.iops is not None:
        ebs["Iops"] = row.iops
    if row.throughput is not None:
        ebs["Throughput"] = row.throughput
    return {"DeviceName": row.device_name, "Ebs": ebs}


def text_of(moment: datetime) -> str:
    """EC2 gives times of images as text, to the millisecond."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
