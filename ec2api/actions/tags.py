"""Tags on anything that has an id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from compute.models import Instance
from ec2api.filters import Filters, Table, condition
from ec2api.kinds import resources as resources_named
from ec2api.pagination import Page
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action
from ec2api.tag_specifications import tags_of_list
from portal import audit
from portal.inserting import together
from portal.models import Tag
from portal.tags import delete_tags as forget_tags
from portal.tags import set_tags

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagTypeDef

MAX_RESOURCES = 1000

TAG_FILTERS: Table = {
    "key": "key",
    "resource-id": "resource_id",
    "resource-type": "resource_type",
    "tag-key": "key",
    "value": "value",
    "tag-value": "value",
}


def _targets(call: Call, ids: Sequence[str]) -> list[tuple[str, str]]:
    if len(ids) > MAX_RESOURCES:
        raise ApiError(
            "InvalidParameterValue", f"One call tags at most {MAX_RESOURCES} resources; {len(ids)} are named"
        )
    return resources_named(call.tenant, ids)


def _record(call: Call, verb: str, targets: Sequence[tuple[str, str]], keys: Sequence[str]) -> None:
    for kind in dict.fromkeys(kind for kind, _id in targets):
        ids = [each for other, each in targets if other == kind]
        audit.record(call.actor, verb, kind, ids, tenant=call.tenant, keys=keys)


@action()
def create_tags(call: Call, *, resources: Sequence[str], tags: Sequence[TagTypeDef]) -> Reply:
    """Values of keys that are there are replaced."""
    wanted = tags_of_list(tags)
    with transaction.atomic(), together():
        targets = _targets(call, resources)
        set_tags(call.tenant, targets, wanted)
        _record(call, "tag", targets, list(wanted))
    return {}


@action()
def delete_tags(call: Call, *, resources: Sequence[str], tags: Sequence[TagTypeDef] | None = None) -> Reply:
    """With a value, only where the tag has it; with no tags, all.  What is not there is no error."""
    if tags is not None:
        tags_of_list(tags)  # a key may come once
    wanted = None if tags is None else {tag["Key"]: tag.get("Value") for tag in tags}
    with transaction.atomic():
        targets = _targets(call, resources)
        forget_tags(call.tenant, [each for _kind, each in targets], wanted)
        _record(call, "untag", targets, list(wanted or ()))
    return {}


@action()
def describe_tags(call: Call, *, filters: Filters = (), max_results: int | None = None, next_token: str = "") -> Reply:
    """Those of everything that can be seen."""
    page = Page(call, max_results, next_token)
    plain = [each for each in filters if not each.get("Name", "").startswith("tag:")]
    pairs = [each for each in filters if each.get("Name", "").startswith("tag:")]
    found = condition(plain, TAG_FILTERS, call.tenant, with_tags=False)
    for each in pairs:
        found &= Q(key=each["Name"][4:]) & condition(
            [{"Name": "value", "Values": each.get("Values", [])}], TAG_FILTERS, call.tenant, with_tags=False
        )
    gone = Instance.objects.owned_by(call.tenant).exclude(pk__in=Instance.objects.visible().values("pk"))
    rows = Tag.objects.filter(found, tenant=call.tenant).exclude(resource_id__in=gone.values("ec2_id"))
    shown, token = page.close(list(page.cut(rows)), lambda tag: tag.pk)
    return {
        "Tags": [
            {"Key": tag.key, "ResourceId": tag.resource_id, "ResourceType": tag.resource_type, "Value": tag.value}
            for tag in shown
        ],
        "NextToken": token,
    }
