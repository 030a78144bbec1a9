"""Copies of snapshots, and who may make volumes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from ec2api.actions.image_making import check_region
from ec2api.image_devices import own_snapshot, snapshot_named
from ec2api.permissions_of_accounts import Modifications, change_of, listed_permissions
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action
from ec2api.tag_specifications import tags_for
from portal.tags import add_tags, check_tags
from storage.copying import copy_snapshot as copy
from storage.sharing import Change, share_snapshot

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationUnionTypeDef

PERMISSION = "createVolumePermission"


@action(ignores=["presigned_url"])
def copy_snapshot(
    call: Call,
    *,
    source_snapshot_id: str,
    source_region: str,
    description: str = "",
    destination_region: str = "",
    encrypted: bool = False,
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    """Within the region.  Completed at once unless it is to be encrypted and the original is not."""
    check_region(source_region, "SourceRegion")
    if destination_region:
        check_region(destination_region, "DestinationRegion")
    if len(description) > 255:
        raise ApiError("InvalidParameterValue", "A description has at most 255 characters")
    (tags,) = tags_for(tag_specifications, "snapshot")
    check_tags(tags)
    with transaction.atomic():
        source = snapshot_named(call.tenant, source_snapshot_id)
        made = copy(call.tenant, source, description=description, encrypt=encrypted, actor=call.actor)
        add_tags(call.tenant, "snapshot", [made.ec2_id], tags)
    return {"SnapshotId": made.ec2_id, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


@action()
def describe_snapshot_attribute(call: Call, *, snapshot_id: str, attribute: str) -> Reply:
    """Of the tenant's own: who else may use it is nobody else's business."""
    row = own_snapshot(call, snapshot_id)
    if attribute == "productCodes":
        return {"SnapshotId": row.ec2_id, "ProductCodes": []}
    _check(attribute)
    return {"SnapshotId": row.ec2_id, "CreateVolumePermissions": listed_permissions(row)}


@action()
def modify_snapshot_attribute(
    call: Call,
    *,
    snapshot_id: str,
    attribute: str = PERMISSION,
    create_volume_permission: Modifications | None = None,
    operation_type: str = "",
    user_ids: Sequence[str] = (),
    group_names: Sequence[str] = (),
) -> Reply:
    """By Add and Remove or, as of old, by OperationType with users and groups."""
    row = own_snapshot(call, snapshot_id)
    _check(attribute)
    change = change_of(create_volume_permission, operation_type, user_ids, group_names, code="InvalidUserID.Malformed")
    share_snapshot(row, change, actor=call.actor)
    return {}


@action()
def reset_snapshot_attribute(call: Call, *, snapshot_id: str, attribute: str) -> Reply:
    """Nobody else may make volumes of it any more."""
    row = own_snapshot(call, snapshot_id)
    _check(attribute)
    accounts = list(row.shared_with.values_list("account_id", flat=True))
    share_snapshot(row, Change(remove=accounts, public=False), actor=call.actor)
    return {}


def _check(attribute: str) -> None:
    if attribute != PERMISSION:
        raise ApiError("InvalidParameterValue", f"The attribute here is {PERMISSION}, not '{attribute[:40]}'")
