"""How volumes are, what was changed of them last, and the attributes that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from django.db.models import Q

from ec2api.filters import NOTHING, Build, Filters, Table, Values, always, choice, condition, matches, moment, number
from ec2api.instance_filters import INSTANCE_FILTERS
from ec2api.kinds import KINDS, check_ids, listed, not_found, one
from ec2api.pagination import Page
from ec2api.present.volumes import modification
from ec2api.present.words import zone_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing, unsupported
from portal.models import Tenant
from storage.models import Volume, VolumeModification, VolumeState
from storage.volume_types import TYPES

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import VolumeStatusItemTypeDef

TYPE_NAMES = {name: name for name in TYPES}
MODIFICATION_FILTERS: Table = {
    "modification-state": "state",
    "operator.managed": always("false"),
    "operator.principal": always(""),
    "original-iops": number("original__iops"),
    "original-size": number("original__size_gib"),
    "original-volume-type": choice("original__volume_type", TYPE_NAMES),
    "originalMultiAttachEnabled": always("false"),
    "start-time": moment("started_at"),
    "target-iops": number("target__iops"),
    "target-size": number("target__size_gib"),
    "target-volume-type": choice("target__volume_type", TYPE_NAMES),
    "targetMultiAttachEnabled": always("false"),
    "volume-id": "volume__ec2_id",
}


@action(ignores=["include_managed_resources"])
def describe_volumes_modifications(
    call: Call,
    *,
    volume_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """The last change of each volume that was ever changed."""
    page = Page(call, max_results, next_token, ids=volume_ids, ids_name="VolumeIds", least=1)
    check_ids("vol", volume_ids)
    rows = VolumeModification.objects.filter(volume__tenant=call.tenant)
    named = Q(volume__ec2_id__in=volume_ids) if volume_ids else Q()
    wanted = rows.filter(named, condition(filters, MODIFICATION_FILTERS, call.tenant, with_tags=False))
    shown, token = page.close(list(page.cut(wanted.select_related("volume"))), lambda row: row.pk)
    if volume_ids and len(shown) < len(set(volume_ids)):
        changed = set(rows.filter(named).values_list("volume__ec2_id", flat=True))
        there = set(Volume.objects.filter(tenant=call.tenant, ec2_id__in=volume_ids).values_list("ec2_id", flat=True))
        if absent := [each for each in volume_ids if each not in there]:
            raise not_found(KINDS["vol"], absent)
        if unchanged := [each for each in volume_ids if each not in changed]:
            text = f"Modification for volume '{unchanged[0]}' does not exist."
            raise ApiError("InvalidVolumeModification.NotFound", text)
    return {"VolumesModifications": [modification(row, row.volume.ec2_id) for row in shown], "NextToken": token}


BROKEN = Q(state=VolumeState.ERROR)
STATUSES = {"ok": ~BROKEN, "impaired": BROKEN}


def _status(words: Mapping[str, Q]) -> Build:
    def build(values: Values, _tenant: Tenant) -> Q:
        return reduce(or_, (holds for word, holds in words.items() if matches(word, values)), NOTHING)

    return build


STATUS_FILTERS: Table = {
    "action.code": always(""),
    "action.description": always(""),
    "action.event-id": always(""),
    "attachment-status.instance-id": always(""),
    "attachment-status.io-performance": always(""),
    "availability-zone": "zone",
    "availability-zone-id": INSTANCE_FILTERS["availability-zone-id"],
    "event.description": always(""),
    "event.event-id": always(""),
    "event.event-type": always(""),
    "event.not-after": always(""),
    "event.not-before": always(""),
    "operator.managed": always("false"),
    "operator.principal": always(""),
    "volume-status.details-name": _status({"io-enabled": Q(), "io-performance": Q()}),
    "volume-status.details-status": _status({"passed": ~BROKEN, "failed": BROKEN, "not-applicable": Q()}),
    "volume-status.status": _status(STATUSES),
}


@action(ignores=["include_managed_resources"])
def describe_volume_status(
    call: Call,
    *,
    volume_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """A volume is well unless it could not be made; nobody here disables its I/O."""
    page = Page(call, max_results, next_token, ids=volume_ids, ids_name="VolumeIds")
    rows = Volume.objects.filter(tenant=call.tenant)
    found, token = listed(call, "vol", ids=volume_ids, filters=filters, table=STATUS_FILTERS, page=page, rows=rows)
    return {"VolumeStatuses": [_described(each) for each in found], "NextToken": token}


def _described(row: Volume) -> VolumeStatusItemTypeDef:
    is_well = row.state != VolumeState.ERROR
    return {
        "VolumeId": row.ec2_id,
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(row.zone),
        "Actions": [],
        "Events": [],
        "AttachmentStatuses": [],
        "VolumeStatus": {
            "Status": "ok" if is_well else "impaired",
            "Details": [
                {"Name": "io-enabled", "Status": "passed" if is_well else "failed"},
                {"Name": "io-performance", "Status": "not-applicable"},
            ],
        },
    }


@action()
def describe_volume_attribute(call: Call, *, volume_id: str, attribute: str) -> Reply:
    """I/O is never disabled here, so that it need not be enabled again."""
    row: Volume = one(call, "vol", volume_id)
    if attribute == "autoEnableIO":
        return {"VolumeId": row.ec2_id, "AutoEnableIO": {"Value": True}}
    if attribute == "productCodes":
        return {"VolumeId": row.ec2_id, "ProductCodes": []}
    raise ApiError(
        "InvalidParameterValue", f"Value ({attribute[:60]}) for parameter attribute is invalid. Unknown attribute."
    )


@action()
def modify_volume_attribute(call: Call, *, volume_id: str, auto_enable_io: dict[str, bool] | None = None) -> Reply:
    one(call, "vol", volume_id)
    if auto_enable_io is None:
        raise missing("AutoEnableIO")
    if not auto_enable_io.get("Value", True):
        raise unsupported("AutoEnableIO 'false'")
    return {}


@action()
def enable_volume_io(call: Call, *, volume_id: str) -> Reply:
    """It is enabled."""
    one(call, "vol", volume_id)
    return {}
