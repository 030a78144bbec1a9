"""Small things that many replies have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from portal.models import Tag, Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagTypeDef

MANY = 500  # beyond so many ids a query asks for all of the tenant instead: databases take only so many parameters

Tags = Mapping[str, Sequence["TagTypeDef"]]


def zone_id(zone: str) -> str:
    """``us-east-1a`` is ``use1-az1``, as at Amazon."""
    region, letter = settings.REGION, zone[-1:]
    parts = region.split("-")
    if len(parts) != 3 or not letter.isascii() or not letter.isalpha():
        return f"{zone}-az1"
    place = "".join(word[0] for word in parts[1].replace("north", "n-").replace("south", "s-").split("-") if word)
    return f"{parts[0]}{place or parts[1][0]}{parts[2]}-az{ord(letter.lower()) - ord('a') + 1}"


def private_domain() -> str:
    return "ec2.internal" if settings.REGION == "us-east-1" else f"{settings.REGION}.compute.internal"


def private_dns_name(address: str | None) -> str:
    return f"ip-{address.replace('.', '-')}.{private_domain()}" if address else ""


def arn(tenant: Tenant, kind: str, resource_id: str) -> str:
    return f"arn:aws:ec2:{settings.REGION}:{tenant.account_id}:{kind}/{resource_id}"


def among_ids(field: str, ids: Sequence[str]) -> Q:
    """A condition on ``field`` that may let through more than these ids, if they are many."""
    return Q(**{f"{field}__in": ids}) if len(ids) <= MANY else Q()


def tags_by_id(tenant: Tenant, kind: str, ids: Iterable[str]) -> Tags:
    """The tags of these, as EC2 lists them; one query."""
    wanted = list(ids)
    found: dict[str, list[TagTypeDef]] = {}
    rows = Tag.objects.filter(among_ids("resource_id", wanted), tenant=tenant, resource_type=kind)
    for resource_id, key, value in rows.order_by("resource_id", "key").values_list("resource_id", "key", "value"):
        found.setdefault(resource_id, []).append({"Key": key, "Value": value})
    return found
