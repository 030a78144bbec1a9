"""Volumes as EC2 describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ec2api.present.words import Tags, zone_id
from storage.models import Volume, VolumeState

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import VolumeTypeDef


def volume(row: Volume, tags: Tags) -> VolumeTypeDef:
    """SnapshotId and MultiAttachEnabled are always there: Ansible reads them without looking."""
    described: VolumeTypeDef = {
        "VolumeId": row.ec2_id,
        "Size": row.size_gib,
        "SnapshotId": row.snapshot_id,
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(row.zone),
        "State": row.state,  # type: ignore[typeddict-item]
        "CreateTime": row.created_at,
        "Attachments": [],
        "Encrypted": row.is_encrypted,
        "VolumeType": row.volume_type,  # type: ignore[typeddict-item]
        "MultiAttachEnabled": False,
        "FastRestored": False,
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }
    if row.instance_id:
        described["Attachments"] = [
            {
                "VolumeId": row.ec2_id,
                "InstanceId": row.instance_id,
                "Device": row.device,
                "State": "attaching" if row.state == VolumeState.CREATING else "attached",
                "AttachTime": row.attached_at or row.created_at,
                "DeleteOnTermination": row.delete_on_termination,
            }
        ]
    return described
