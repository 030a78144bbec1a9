"""Snapshots that no volume is the source of: what comes in with an image, and copies."""

from __future__ import annotations

from collections.abc import Sequence

from portal import quotas
from portal.models import Resource, Tag, Tenant
from storage.models import Layer, Snapshot, SnapshotState


def new_snapshot(
    tenant: Tenant,
    layer: Layer,
    *,
    description: str,
    state: SnapshotState = SnapshotState.PENDING,
    volume_id: str = "",
    is_encrypted: bool = False,
) -> Snapshot:
    """One more of the tenant's; in a transaction.  Raises QuotaExceeded."""
    quotas.reserve(tenant, {Resource.SNAPSHOTS: 1})
    is_done = state == SnapshotState.COMPLETED
    snapshot = Snapshot(
        tenant=tenant,
        layer=layer,
        size_gib=layer.size_gib,
        description=description,
        state=state,
        volume_id=volume_id,
        is_encrypted=is_encrypted,
        progress=100 if is_done else 0,
    )
    snapshot.completed_at = snapshot.started_at if is_done else None
    snapshot.save()
    return snapshot


def forget_snapshots(snapshots: Sequence[Snapshot]) -> None:
    """Delete the rows, their tags, and what they take of quotas, in the caller's transaction.

    What they are made of goes once nothing else stands on it.  No image may refer to them any more.
    """
    Tag.objects.filter(resource_type="snapshot", resource_id__in=[each.ec2_id for each in snapshots]).delete()
    gone = Snapshot.objects.filter(pk__in=[each.pk for each in snapshots])
    owners = [tenant_id for tenant_id in gone.order_by().values_list("tenant_id", flat=True) if tenant_id is not None]
    for tenant_id in sorted(set(owners)):
        quotas.release(Tenant(pk=tenant_id), {Resource.SNAPSHOTS: owners.count(tenant_id)})
    gone.delete()
