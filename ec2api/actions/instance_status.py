"""Whether instances and the hosts below them are well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils import timezone

from compute.models import Instance
from compute.models.host import DOWN_AFTER
from compute.states import InstanceState
from ec2api.filters import NOTHING, Build, Filters, Table, Values, always, condition, matches
from ec2api.instance_filters import INSTANCE_FILTERS
from ec2api.kinds import KINDS, check_ids, not_found
from ec2api.pagination import Page
from ec2api.present.instances import STATES
from ec2api.present.words import zone_id
from ec2api.registry import Call, Reply, action
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceStatusTypeDef

REACHABILITY = {"ok": "passed", "impaired": "failed"}


def _well() -> dict[str, Q]:
    """Conditions by EC2's word: a running instance is as well as its host."""
    running, up = Q(state=InstanceState.RUNNING), Q(host__seen_at__gt=timezone.now() - DOWN_AFTER)
    return {"ok": running & up, "impaired": running & ~up, "not-applicable": ~running}


def _status(words: Mapping[str, str]) -> Build:
    """``words`` are this filter's, by ours."""

    def build(values: Values, _tenant: Tenant) -> Q:
        found = NOTHING
        for word, holds in _well().items():
            if word in words and matches(words[word], values):
                found |= holds
        return found

    return build


_same = _status({"ok": "ok", "impaired": "impaired", "not-applicable": "not-applicable"})
_reached = _status(REACHABILITY)
STATUS_FILTERS: Table = {
    "application-status.status": always(""),
    "operator.managed": always("false"),
    "operator.principal": always(""),
    "availability-zone": INSTANCE_FILTERS["availability-zone"],
    "availability-zone-id": INSTANCE_FILTERS["availability-zone-id"],
    "event.code": always(""),
    "event.description": always(""),
    "event.instance-event-id": always(""),
    "event.not-after": always(""),
    "event.not-before": always(""),
    "event.not-before-deadline": always(""),
    "instance-state-code": INSTANCE_FILTERS["instance-state-code"],
    "instance-state-name": INSTANCE_FILTERS["instance-state-name"],
    "instance-status.reachability": _reached,
    "instance-status.status": _same,
    "system-status.reachability": _reached,
    "system-status.status": _same,
    "attached-ebs-status.status": _same,
}


@action(ignores=["include_managed_resources"])
def describe_instance_status(
    call: Call,
    *,
    instance_ids: Sequence[str] = (),
    include_all_instances: bool = False,
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """Of running instances, unless all are asked for."""
    page = Page(call, max_results, next_token, ids=instance_ids, ids_name="instancesSet")
    check_ids("i", instance_ids)
    mine = KINDS["i"].rows(call.tenant)
    if instance_ids:
        there = set(mine.filter(ec2_id__in=instance_ids).values_list("ec2_id", flat=True))
        absent = [each for each in instance_ids if each not in there]
        if absent:
            raise not_found(KINDS["i"], absent)
        mine = mine.filter(ec2_id__in=instance_ids)
    if not include_all_instances:
        mine = mine.filter(state=InstanceState.RUNNING)
    wanted = mine.filter(condition(filters, STATUS_FILTERS, call.tenant, with_tags=False))
    rows = list(
        page.cut(wanted.only("ec2_id", "state", "zone", "state_changed_at", "host__seen_at").select_related("host"))
    )
    shown, token = page.close(rows, lambda instance: instance.pk)
    return {"InstanceStatuses": [_described(instance) for instance in shown], "NextToken": token}


def _described(instance: Instance) -> InstanceStatusTypeDef:
    word = "not-applicable"
    if instance.state == InstanceState.RUNNING:
        word = "ok" if instance.host and instance.host.is_up else "impaired"
    summary: dict[str, Any] = {"Status": word}
    if word in REACHABILITY:
        detail = {"Name": "reachability", "Status": REACHABILITY[word]}
        if word == "impaired" and instance.host and instance.host.seen_at:
            detail["ImpairedSince"] = instance.host.seen_at  # type: ignore[assignment]
        summary["Details"] = [detail]
    return {
        "AvailabilityZone": instance.zone,
        "AvailabilityZoneId": zone_id(instance.zone),
        "Events": [],
        "InstanceId": instance.ec2_id,
        "InstanceState": STATES[instance.state],
        "InstanceStatus": summary,  # type: ignore[typeddict-item]
        "SystemStatus": summary,  # type: ignore[typeddict-item]
        "AttachedEbsStatus": summary,  # type: ignore[typeddict-item]
    }
