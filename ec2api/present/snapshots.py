"""Snapshots as EC2 describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ec2api.present.images import CLOUD_ALIAS, CLOUD_OWNER
from ec2api.present.words import Tags
from storage.models import Snapshot

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import SnapshotTypeDef

NO_VOLUME = "vol-ffffffff"  # EC2's word for what no volume is the source of


def snapshot(row: Snapshot, tags: Tags) -> SnapshotTypeDef:
    """Fetched with its tenant and its layer."""
    described: SnapshotTypeDef = {
        "SnapshotId": row.ec2_id,
        "VolumeId": row.volume_id or NO_VOLUME,
        "VolumeSize": row.size_gib,
        "State": row.state,  # type: ignore[typeddict-item]
        "Progress": f"{row.progress}%",
        "StartTime": row.started_at,
        "Description": row.description,
        "OwnerId": row.tenant.account_id if row.tenant else CLOUD_OWNER,
        "Encrypted": row.is_encrypted,
        "StorageTier": "standard",
        "TransferType": "standard",
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }
    if row.tenant is None:
        described["OwnerAlias"] = CLOUD_ALIAS
    if row.state_message:
        described["StateMessage"] = row.state_message
    if row.completed_at is not None:
        described["CompletionTime"] = row.completed_at
    if row.layer is not None:
        described["FullSnapshotSizeInBytes"] = row.layer.used_bytes
    return described
