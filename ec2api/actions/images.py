"""Images."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from ec2api.filters import NOTHING, Filters, Table, Values, always, among, matches, moment, truth
from ec2api.kinds import KINDS, listed
from ec2api.pagination import Page
from ec2api.present.images import CLOUD_ALIAS, CLOUD_OWNER, image
from ec2api.present.words import tags_by_id
from ec2api.registry import Call, Reply, action
from portal.models import Tenant


def _owner_id(values: Values, _tenant: Tenant) -> Q:
    return among("tenant__account_id", values) | (Q(tenant=None) if matches(CLOUD_OWNER, values) else NOTHING)


def _owner_alias(values: Values, _tenant: Tenant) -> Q:
    return Q(tenant=None) if matches(CLOUD_ALIAS, values) else NOTHING


def _size(values: Values, _tenant: Tenant) -> Q:
    return Q(size_gib__in=[int(value) for value in values if value.isascii() and value.isdecimal() and len(value) < 7])


IMAGE_FILTERS: Table = {
    "boot-mode": always("legacy-bios"),
    "product-code.type": always(""),
    "source-image-id": always(""),
    "source-image-region": always(""),
    "source-instance-id": always(""),
    "sriov-net-support": always(""),
    "state-reason-code": always(""),
    "state-reason-message": always(""),
    "architecture": "architecture",
    "block-device-mapping.delete-on-termination": always("true"),
    "block-device-mapping.device-name": "root_device_name",
    "block-device-mapping.encrypted": always("false"),
    "block-device-mapping.snapshot-id": "root_snapshot__ec2_id",
    "block-device-mapping.volume-size": _size,
    "block-device-mapping.volume-type": always("gp3"),
    "creation-date": moment("created_at"),
    "description": "description",
    "ena-support": always("true"),
    "hypervisor": always("xen"),
    "image-id": "ec2_id",
    "image-type": always("machine"),
    "is-public": truth("is_public"),
    "kernel-id": always(""),
    "manifest-location": always(""),
    "name": "name",
    "owner-alias": _owner_alias,
    "owner-id": _owner_id,
    "platform": always(""),
    "platform-details": always("Linux/UNIX"),
    "product-code": always(""),
    "ramdisk-id": always(""),
    "root-device-name": "root_device_name",
    "root-device-type": always("ebs"),
    "state": "state",
    "virtualization-type": "virtualization",
}


@action(ignores=["include_deprecated", "include_disabled"])
def describe_images(
    call: Call,
    *,
    image_ids: Sequence[str] = (),
    owners: Sequence[str] = (),
    executable_users: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """The tenant's own and the public ones."""
    page = Page(call, max_results, next_token, ids=image_ids, ids_name="ImageIds", least=1)
    rows = KINDS["ami"].rows(call.tenant).select_related("tenant", "root_snapshot")
    if owners or executable_users:
        rows = rows.filter(_owned_by(owners, call.tenant), _executable_by(executable_users, call.tenant))
    found, token = listed(call, "ami", ids=image_ids, filters=filters, table=IMAGE_FILTERS, page=page, rows=rows)
    tags = tags_by_id(call.tenant, "image", [each.ec2_id for each in found])
    return {"Images": [image(each, tags) for each in found], "NextToken": token}


def _owned_by(owners: Sequence[str], tenant: Tenant) -> Q:
    if not owners:
        return Q()
    found = NOTHING
    for owner in owners:
        if owner == "self":
            found |= Q(tenant=tenant)
        elif owner in (CLOUD_ALIAS, CLOUD_OWNER):
            found |= Q(tenant=None)
        else:
            found |= Q(tenant__account_id=owner)
    return found


def _executable_by(users: Sequence[str], tenant: Tenant) -> Q:
    """Public images by all; no image can be shared with one account yet, so that leaves the tenant's own."""
    if not users:
        return Q()
    found = NOTHING
    for user in users:
        if user == "all":
            found |= Q(is_public=True)
        elif user in ("self", tenant.account_id):
            found |= Q(tenant=tenant)
    return found
