"""Placement groups, and instances that are moved between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db.models import Q

from compute import placement_groups as services
from compute.models import Instance
from ec2api.actions.instances import named
from ec2api.filters import Filters, Table, Values, always, checked, condition, invalid, matches
from ec2api.kinds import check_ids
from ec2api.pagination import Page
from ec2api.placement import group_named
from ec2api.present.words import arn, tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing, unsupported
from ec2api.tag_specifications import tags_for
from portal.models import Tenant
from scheduling.models import GROUP_KIND, PlacementGroup

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import PlacementGroupTypeDef, TagSpecificationUnionTypeDef

MOST_NAMED = 100


def _arn(values: Values, tenant: Tenant) -> Q:
    names = PlacementGroup.objects.filter(tenant=tenant).values_list("name", flat=True)
    return Q(name__in=[name for name in names if matches(arn(tenant, GROUP_KIND, name), values)])


GROUP_FILTERS: Table = {
    "group-arn": _arn,
    "group-name": "name",
    "spread-level": "spread_level",
    "state": always("available"),
    "strategy": "strategy",
}
TOPOLOGY_FILTERS = {"availability-zone", "instance-type", "zone-id"}


@action()
def create_placement_group(
    call: Call,
    *,
    group_name: str = "",
    strategy: str = "",
    partition_count: int | None = None,
    spread_level: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """Spread and partition are kept to strictly; cluster is a preference.  A rack is a host here."""
    for name, value in (("GroupName", group_name), ("Strategy", strategy)):
        if not value:
            raise missing(name)
    (tags,) = tags_for(tag_specifications, GROUP_KIND)
    made = services.create_group(
        call.tenant,
        group_name,
        strategy,
        actor=call.actor,
        partition_count=partition_count,
        spread_level=spread_level,
        tags=tags,
    )
    return {"PlacementGroup": _described(call.tenant, [made])[0]}


@action()
def describe_placement_groups(
    call: Call, *, group_names: Sequence[str] = (), group_ids: Sequence[str] = (), filters: Filters = ()
) -> Reply:
    check_ids("pg", group_ids)
    mine = PlacementGroup.objects.filter(tenant=call.tenant).order_by("pk")
    rows = mine.filter(condition(filters, GROUP_FILTERS, call.tenant))
    if group_names or group_ids:
        wanted = Q(name__in=group_names) | Q(ec2_id__in=group_ids)
        there = {each for pair in mine.filter(wanted).values_list("name", "ec2_id") for each in pair}
        for each in [*group_names, *group_ids]:
            if each not in there:
                raise services.unknown(each)
        rows = rows.filter(wanted)
    return {"PlacementGroups": _described(call.tenant, list(rows))}


def _described(tenant: Tenant, groups: Sequence[PlacementGroup]) -> list[PlacementGroupTypeDef]:
    tags = tags_by_id(tenant, GROUP_KIND, [group.ec2_id for group in groups])
    found: list[PlacementGroupTypeDef] = []
    for group in groups:
        each: PlacementGroupTypeDef = {
            "GroupName": group.name,
            "GroupId": group.ec2_id,
            "GroupArn": arn(tenant, GROUP_KIND, group.name),
            "State": "available",
            "Strategy": group.strategy,  # type: ignore[typeddict-item]
            "Tags": tags.get(group.ec2_id, []),  # type: ignore[typeddict-item]
        }
        if group.partition_count:
            each["PartitionCount"] = group.partition_count
        if group.spread_level:
            each["SpreadLevel"] = group.spread_level  # type: ignore[typeddict-item]
        found.append(each)
    return found


@action()
def delete_placement_group(call: Call, *, group_name: str) -> Reply:
    group = group_named(call.tenant, group_name, "")
    if group is None:
        raise missing("GroupName")
    services.delete_group(group, actor=call.actor)
    return {}


@action()
def modify_instance_placement(
    call: Call,
    *,
    instance_id: str,
    group_name: str | None = None,
    group_id: str = "",
    partition_number: int | None = None,
    tenancy: str = "default",
) -> Reply:
    """Of a stopped instance, from its next start on.  An empty name takes it out of its group."""
    (instance,) = named(call, [instance_id])
    if tenancy != "default":
        raise unsupported(f"The tenancy '{tenancy[:40]}'")
    if group_name is None and not group_id and partition_number is None:
        raise ApiError("InvalidParameterCombination", "Say which placement group, or which partition, is to be changed")
    group = group_named(call.tenant, group_name or "", group_id)
    if group_name is None and not group_id:  # another partition of the group that it is in
        group = PlacementGroup.objects.filter(members__instance=instance).first()
    services.move_instance(instance, group, partition_number, actor=call.actor)
    return {"Return": True}


@action()
def describe_instance_topology(
    call: Call,
    *,
    instance_ids: Sequence[str] = (),
    group_names: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """None: which hosts stand near which is not known here, as it is not of most instance types at Amazon."""
    if max(len(instance_ids), len(group_names)) > MOST_NAMED:
        raise ApiError("InvalidParameterValue", f"At most {MOST_NAMED} instances, or groups, can be named")
    Page(call, max_results, next_token, ids=instance_ids, ids_name="instanceIds", least=1, most=MOST_NAMED)
    for name, _values in checked(filters):
        if name not in TOPOLOGY_FILTERS:
            raise invalid(name)
    if instance_ids:
        Instance.objects.owned_by(call.tenant).visible().named(instance_ids)
    known = set(
        PlacementGroup.objects.filter(tenant=call.tenant, name__in=group_names).values_list("name", flat=True)
        if group_names
        else ()
    )
    for name in group_names:
        if name not in known:
            raise services.unknown(name)
    return {"Instances": []}
