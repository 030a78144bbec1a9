"""Volumes as EC2 describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ec2api.present.words import Tags, zone_id
from storage.models import Volume, VolumeModification

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import VolumeAttachmentTypeDef, VolumeModificationTypeDef, VolumeTypeDef

MEMBERS = {"size_gib": "Size", "volume_type": "VolumeType", "iops": "Iops", "throughput": "Throughput"}


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
        "Attachments": [attachment(row)] if row.instance_id else [],
        "Encrypted": row.is_encrypted,
        "VolumeType": row.volume_type,  # type: ignore[typeddict-item]
        "MultiAttachEnabled": False,
        "FastRestored": False,
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }
    if row.iops is not None:
        described["Iops"] = row.iops
    if row.throughput is not None:
        described["Throughput"] = row.throughput
    return described


def attachment(row: Volume) -> VolumeAttachmentTypeDef:
    return {
        "VolumeId": row.ec2_id,
        "InstanceId": row.instance_id,
        "Device": row.device,
        "State": row.attachment_state,  # type: ignore[typeddict-item]
        "AttachTime": row.attached_at or row.created_at,
        "DeleteOnTermination": row.delete_on_termination,
    }


def modification(row: VolumeModification, volume_id: str) -> VolumeModificationTypeDef:
    """Since EC2 leaves out what a type of volume does not have, so do we."""
    described: VolumeModificationTypeDef = {
        "VolumeId": volume_id,
        "ModificationState": row.state,  # type: ignore[typeddict-item]
        "TargetMultiAttachEnabled": False,
        "OriginalMultiAttachEnabled": False,
        "Progress": row.progress,
        "StartTime": row.started_at,
    }
    for side, shape in (("Target", row.target), ("Original", row.original)):
        for name, member in MEMBERS.items():
            if shape.get(name) is not None:
                described[f"{side}{member}"] = shape[name]  # type: ignore[literal-required]
    if row.message:
        described["StatusMessage"] = row.message
    if row.ended_at is not None:
        described["EndTime"] = row.ended_at
    return described
