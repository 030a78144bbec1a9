"""The placement groups that requests name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute.placement_groups import unknown
from ec2api.kinds import check_ids
from ec2api.protocol.errors import ApiError
from portal.models import Tenant
from scheduling.models import PlacementGroup


def group_named(tenant: Tenant, name: str, group_id: str) -> PlacementGroup | None:
    """The one of this name, or of this id; none if neither is given."""
    if name and group_id:
        raise ApiError("InvalidParameterCombination", "Name a placement group by GroupName or by GroupId, not by both")
    if not name and not group_id:
        return None
    if group_id:
        check_ids("pg", [group_id])
    rows = PlacementGroup.objects.filter(tenant=tenant).select_related("tenant").order_by()
    found = (rows.filter(ec2_id=group_id) if group_id else rows.filter(name=name)).first()
    if found is None:
        raise unknown(name or group_id)
    return found


def group_of_launch(tenant: Tenant, placement: Mapping[str, Any]) -> dict[str, Any]:
    """What a launch's placement says of groups, as arguments of a launch; no query if it says nothing."""
    group = group_named(tenant, placement.get("GroupName", ""), placement.get("GroupId", ""))
    number = placement.get("PartitionNumber")
    return {"placement_group": group, "partition_number": number} if group or number else {}
