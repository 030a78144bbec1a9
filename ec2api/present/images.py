"""Images as EC2 describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ec2api.present.words import Tags
from storage.models import Image

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import ImageTypeDef

CLOUD_OWNER = "000000000000"  # whose the cloud's own images are
CLOUD_ALIAS = "amazon"  # under which clients ask for what comes with the cloud


def image(row: Image, tags: Tags) -> ImageTypeDef:
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
        "BlockDeviceMappings": [
            {
                "DeviceName": row.root_device_name,
                "Ebs": {
                    "DeleteOnTermination": True,
                    "Encrypted": False,
                    "SnapshotId": row.root_snapshot.ec2_id if row.root_snapshot else "",
                    "VolumeSize": row.size_gib,
                    "VolumeType": "gp3",
                },
            }
        ],
        "Description": row.description,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "Name": row.name,
        "RootDeviceName": row.root_device_name,
        "RootDeviceType": "ebs",
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
        "VirtualizationType": row.virtualization,  # type: ignore[typeddict-item]
        "Architecture": row.architecture,  # type: ignore[typeddict-item]
        "BootMode": "legacy-bios",
        "CreationDate": f"{row.created_at:%Y-%m-%dT%H:%M:%S}.{row.created_at.microsecond // 1000:03d}Z",
    }
    if row.tenant is None:
        described["ImageOwnerAlias"] = CLOUD_ALIAS
    return described
