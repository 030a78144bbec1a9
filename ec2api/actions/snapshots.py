"""Snapshots: taken, looked at, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from compute.models import Instance
from compute.snapshots import snapshot_instance, snapshot_volumes
from ec2api.filters import NOTHING, Filters, Table, Values, always, among, matches, moment, number, truth
from ec2api.kinds import listed, one
from ec2api.pagination import Page
from ec2api.present.images import CLOUD_ALIAS, CLOUD_OWNER
from ec2api.present.snapshots import snapshot
from ec2api.present.words import tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing, unsupported
from ec2api.tag_specifications import tags_for
from portal.models import Tenant
from storage.models import Snapshot, Volume, usable_by
from storage.snapshots import delete_snapshot as forget

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationUnionTypeDef

INFO = ("Description", "Tags", "Encrypted", "VolumeId", "State", "VolumeSize", "StartTime")
LITTLE = (*INFO, "Progress", "OwnerId", "SnapshotId")  # what CreateSnapshots tells of each


def _owned_by(words: Values, tenant: Tenant) -> Q:
    """By account ids and EC2's words for some."""
    found = among("tenant__account_id", [tenant.account_id if word == "self" else word for word in words])
    return found | (Q(tenant=None) if {CLOUD_ALIAS, CLOUD_OWNER} & set(words) else NOTHING)


def _restorable_by(words: Values, tenant: Tenant) -> Q:
    """For "self" the tenant's own and those shared with it, for "all" public ones, for an account what it may use."""
    found = NOTHING
    for word in words:
        if word == "all":
            found |= Q(is_public=True)
        elif word in ("self", tenant.account_id):
            shared = Snapshot.shared_with.through.objects.filter(tenant=tenant).values("snapshot_id")
            found |= Q(tenant=tenant) | Q(pk__in=shared)
        else:
            shared = Snapshot.shared_with.through.objects.filter(tenant__account_id=word).values("snapshot_id")
            found |= Q(tenant=tenant, pk__in=shared)
    return found


def _progress(values: Values, _tenant: Tenant) -> Q:
    return Q(progress__in=[percent for percent in range(101) if matches(f"{percent}%", values)])


SNAPSHOT_FILTERS: Table = {
    "description": "description",
    "encrypted": truth("is_encrypted"),
    "owner-alias": lambda values, _tenant: Q(tenant=None) if matches(CLOUD_ALIAS, values) else NOTHING,
    "owner-id": lambda values, _tenant: (
        among("tenant__account_id", values) | (Q(tenant=None) if matches(CLOUD_OWNER, values) else NOTHING)
    ),
    "progress": _progress,
    "snapshot-id": "ec2_id",
    "start-time": moment("started_at"),
    "status": "state",
    "storage-tier": always("standard"),
    "transfer-type": always("standard"),
    "volume-id": "volume_id",
    "volume-size": number("size_gib"),
}


@action()
def describe_snapshots(
    call: Call,
    *,
    snapshot_ids: Sequence[str] = (),
    owner_ids: Sequence[str] = (),
    restorable_by_user_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """The tenant's own, those shared with it, and public ones."""
    page = Page(call, max_results, next_token, ids=snapshot_ids, ids_name="SnapshotIds")
    rows = Snapshot.objects.filter(usable_by(call.tenant)).select_related("tenant", "layer")
    narrowed = rows.filter(_owned_by(owner_ids, call.tenant)) if owner_ids else rows
    if restorable_by_user_ids:
        narrowed = narrowed.filter(_restorable_by(restorable_by_user_ids, call.tenant))
    found, token = listed(
        call, "snap", ids=snapshot_ids, filters=filters, table=SNAPSHOT_FILTERS, page=page, rows=narrowed
    )
    tags = tags_by_id(call.tenant, "snapshot", [each.ec2_id for each in found])
    return {"Snapshots": [snapshot(each, tags) for each in found], "NextToken": token}


def _described(call: Call, made: Sequence[Snapshot]) -> list[dict[str, Any]]:
    tags = tags_by_id(call.tenant, "snapshot", [each.ec2_id for each in made])
    rows = Snapshot.objects.filter(pk__in=[each.pk for each in made]).select_related("tenant", "layer")
    return [{**snapshot(each, tags)} for each in rows.order_by("pk")]


def _check_location(location: str) -> None:
    if location not in ("", "regional"):
        raise unsupported(f"The Location '{location[:40]}'")


@action()
def create_snapshot(
    call: Call,
    *,
    volume_id: str,
    description: str = "",
    location: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """What the volume holds now; nothing is copied, and its guest goes on."""
    _check_location(location)
    (tags,) = tags_for(tag_specifications, "snapshot")
    row: Volume = one(call, "vol", volume_id)
    made = snapshot_volumes([row], actor=call.actor, description=description, tags=tags)
    return _described(call, made)[0]


@action()
def create_snapshots(
    call: Call,
    *,
    instance_specification: dict[str, Any],
    description: str = "",
    location: str = "",
    copy_tags_from_source: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """Of the volumes of one instance, all at one instant."""
    _check_location(location)
    if copy_tags_from_source not in ("", "volume"):
        raise ApiError("InvalidParameterValue", f"CopyTagsFromSource is volume, not '{copy_tags_from_source[:40]}'")
    (tags,) = tags_for(tag_specifications, "snapshot")
    if not instance_specification.get("InstanceId"):
        raise missing("InstanceSpecification.InstanceId")
    instance: Instance = one(call, "i", instance_specification["InstanceId"])
    made = snapshot_instance(
        instance,
        _chosen(call, instance, instance_specification),
        actor=call.actor,
        description=description,
        tags=tags,
        copy_tags=copy_tags_from_source == "volume",
    )
    return {"Snapshots": [{name: each[name] for name in LITTLE if name in each} for each in _described(call, made)]}


def _chosen(call: Call, instance: Instance, asked: dict[str, Any]) -> list[Volume]:
    rows = list(Volume.objects.filter(tenant=call.tenant, instance_id=instance.ec2_id).order_by("pk"))
    root, excluded = instance.image.root_device_name, asked.get("ExcludeDataVolumeIds", ())
    for each in excluded:
        row = one(call, "vol", each)
        if row not in rows or row.device == root:
            raise ApiError("InvalidParameterValue", f"{each} is no data volume of {instance}")
    chosen = [row for row in rows if row.ec2_id not in excluded]
    if asked.get("ExcludeBootVolume"):
        chosen = [row for row in chosen if row.device != root]
    if not chosen:
        raise ApiError("InvalidParameterValue", f"No volume of {instance} is left to take a snapshot of")
    return chosen


@action()
def delete_snapshot(call: Call, *, snapshot_id: str) -> Reply:
    """What was made from it stays.  Another's that may be used is told to be another's."""
    row: Snapshot = one(call, "snap", snapshot_id)
    if row.tenant_id != call.tenant.pk:
        raise ApiError("UnauthorizedOperation", f"You are not authorized to delete snapshot {snapshot_id}")
    forget(row, actor=call.actor)
    return {}
