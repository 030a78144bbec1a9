"""Kinds of things by the prefix of their ids: what EC2 calls them, and what it says of an id that is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet

from compute.models import Instance, KeyPair
from ec2api.filters import Filters, Table, condition
from ec2api.pagination import Page
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call
from networking.models import NetworkInterface, SecurityGroup, SecurityGroupRule, Subnet, Vpc
from portal.ids import PATTERN
from portal.models import Tenant
from storage.models import Image, ImageState, Snapshot, Volume, launchable_by


@dataclass(frozen=True, slots=True)
class Kind:
    """``rows`` are those that a tenant may see, ``own`` those of them that are its own and may be tagged."""

    name: str  # of the resource type, as in tags
    word: str  # in messages
    not_found: str
    malformed: str
    rows: Callable[[Tenant], QuerySet[Any]]
    own: Callable[[Tenant], QuerySet[Any]]


def _owned(model: type[Model]) -> Callable[[Tenant], QuerySet[Any]]:
    return lambda tenant: model._default_manager.filter(tenant=tenant)


def _kind(name: str, word: str, code: str, rows: Callable[[Tenant], QuerySet[Any]], malformed: str = "") -> Kind:
    return Kind(name, word, f"{code}.NotFound", malformed or f"{code}.Malformed", rows, rows)


KINDS: dict[str, Kind] = {
    "i": _kind("instance", "instance ID", "InvalidInstanceID", lambda t: Instance.objects.owned_by(t).visible()),
    "vol": _kind("volume", "volume", "InvalidVolume", _owned(Volume), "InvalidVolumeID.Malformed"),
    "ami": Kind(
        "image",
        "image id",
        "InvalidAMIID.NotFound",
        "InvalidAMIID.Malformed",
        lambda tenant: Image.objects.filter(launchable_by(tenant)).exclude(state=ImageState.DEREGISTERED),
        lambda tenant: Image.objects.filter(tenant=tenant).exclude(state=ImageState.DEREGISTERED),
    ),
    "snap": Kind(
        "snapshot",
        "snapshot",
        "InvalidSnapshot.NotFound",
        "InvalidSnapshotID.Malformed",
        lambda tenant: Snapshot.objects.usable_by(tenant),
        lambda tenant: Snapshot.objects.owned_by(tenant),
    ),
    "key": _kind("key-pair", "key pair ID", "InvalidKeyPair", _owned(KeyPair)),
    "vpc": _kind("vpc", "vpc ID", "InvalidVpcID", _owned(Vpc), "InvalidVpcId.Malformed"),
    "subnet": _kind("subnet", "subnet ID", "InvalidSubnetID", _owned(Subnet)),
    "sg": _kind("security-group", "security group", "InvalidGroup", _owned(SecurityGroup), "InvalidGroupId.Malformed"),
    "sgr": _kind(
        "security-group-rule",
        "security group rule ID",
        "InvalidSecurityGroupRuleId",
        lambda tenant: SecurityGroupRule.objects.filter(group__tenant=tenant),
    ),
    "eni": _kind(
        "network-interface",
        "networkInterface ID",
        "InvalidNetworkInterfaceID",
        _owned(NetworkInterface),
        "InvalidNetworkInterfaceId.Malformed",
    ),
}


def not_found(kind: Kind, ids: Sequence[str]) -> ApiError:
    if len(ids) == 1:
        return ApiError(kind.not_found, f"The {kind.word} '{ids[0]}' does not exist")
    return ApiError(kind.not_found, f"The {kind.word}s '{', '.join(ids[:100])}' do not exist")


def check_ids(prefix: str, ids: Iterable[str]) -> None:
    """Raises the code for malformed ids of this kind."""
    for each in ids:
        match = PATTERN.match(each)
        if match is None or match[1] != prefix:
            raise ApiError(KINDS[prefix].malformed, f'Invalid id: "{each[:60]}" (expecting "{prefix}-...")')


def one(call: Call, prefix: str, ec2_id: str) -> Any:
    """The row of this id that the tenant may see."""
    check_ids(prefix, [ec2_id])
    row = KINDS[prefix].rows(call.tenant).filter(ec2_id=ec2_id).first()
    if row is None:
        raise not_found(KINDS[prefix], [ec2_id])
    return row


def listed(
    call: Call, prefix: str, *, ids: Sequence[str], filters: Filters, table: Table, page: Page, rows: Any = None
) -> tuple[list[Any], str | None]:
    """Rows by ids and filters, one page of them, and the token of the next.

    An id that is not there is an error; one that only the filters leave out is not.
    """
    check_ids(prefix, ids)
    seen = KINDS[prefix].rows(call.tenant) if rows is None else rows
    found = seen.filter(condition(filters, table, call.tenant), Q(ec2_id__in=ids) if ids else Q())
    shown, token = page.close(list(page.cut(found)), lambda row: row.pk)
    if len(shown) < len(set(ids)):
        there = set(seen.filter(ec2_id__in=ids).values_list("ec2_id", flat=True))
        missing = [each for each in ids if each not in there]
        if missing:
            raise not_found(KINDS[prefix], missing)
    return list(shown), token


def resources(tenant: Tenant, ids: Sequence[str]) -> list[tuple[str, str]]:
    """(type, id) of resources of the tenant's own, in one query for each kind.  Raises ApiError for any other id."""
    by_prefix: dict[str, list[str]] = {}
    for each in dict.fromkeys(ids):
        match = PATTERN.match(each)
        if match is None or match[1] not in KINDS:
            raise ApiError("InvalidID", f"The ID '{each[:60]}' is not valid")
        by_prefix.setdefault(match[1], []).append(each)
    found = []
    for prefix, wanted in by_prefix.items():
        kind = KINDS[prefix]
        there = set(kind.own(tenant).order_by().filter(ec2_id__in=wanted).values_list("ec2_id", flat=True))
        missing = [each for each in wanted if each not in there]
        if missing:
            raise not_found(kind, missing)
        found += [(kind.name, each) for each in wanted]
    return found
