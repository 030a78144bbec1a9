"""Volumes, to look at."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from ec2api.filters import NOTHING, Filters, Table, Values, always, matches, moment, number, truth
from ec2api.instance_filters import INSTANCE_FILTERS
from ec2api.kinds import listed
from ec2api.pagination import Page
from ec2api.present.volumes import volume
from ec2api.present.words import tags_by_id
from ec2api.registry import Call, Reply, action
from portal.models import Tenant
from storage.models import Volume, VolumeState


def _attachment_status(values: Values, _tenant: Tenant) -> Q:
    attached, making = ~Q(instance_id=""), Q(state=VolumeState.CREATING)
    found = NOTHING
    if matches("attached", values):
        found |= attached & ~making
    if matches("attaching", values):
        found |= attached & making
    return found


VOLUME_FILTERS: Table = {
    "operator.managed": always("false"),
    "operator.principal": always(""),
    "attachment.attach-time": moment("attached_at"),
    "attachment.delete-on-termination": truth("delete_on_termination"),
    "attachment.device": "device",
    "attachment.instance-id": "instance_id",
    "attachment.status": _attachment_status,
    "availability-zone": "zone",
    "availability-zone-id": INSTANCE_FILTERS["availability-zone-id"],
    "create-time": moment("created_at"),
    "encrypted": always("false"),
    "fast-restored": always("false"),
    "multi-attach-enabled": always("false"),
    "size": number("size_gib"),
    "snapshot-id": "snapshot_id",
    "status": "state",
    "volume-id": "ec2_id",
    "volume-type": "volume_type",
}


@action(ignores=["include_managed_resources"])
def describe_volumes(
    call: Call,
    *,
    volume_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=volume_ids, ids_name="VolumeIds")
    rows = Volume.objects.filter(tenant=call.tenant)
    found, token = listed(call, "vol", ids=volume_ids, filters=filters, table=VOLUME_FILTERS, page=page, rows=rows)
    tags = tags_by_id(call.tenant, "volume", [each.ec2_id for each in found])
    return {"Volumes": [volume(each, tags) for each in found], "NextToken": token}
