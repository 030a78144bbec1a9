"""Small things that many replies have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.conf import settings
from django.db.models import QuerySet

from portal.models import Tag, Tenant
from portal.prepared import Prepared, slot, slots

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagTypeDef

Row = TypeVar("Row")
MANY = 1000  # a page: beyond so many ids a query asks for all of the tenant instead

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


class OfMany(Generic[Row]):
    """A prepared query for rows about things with these ids; about all of the tenant's, if they are many."""

    def __init__(self, build: Callable[[], QuerySet[Any, Row]], field: str) -> None:
        self._all = Prepared(build)
        self._of_some = Prepared(lambda: build().filter(**{f"{field}__in": slots("ids")}))

    def __call__(self, tenant: Tenant, ids: Sequence[str], **values: object) -> Iterable[Row]:
        if not ids:
            return ()
        if len(ids) > MANY:
            return self._all(tenant=tenant, **values)
        return self._of_some(tenant=tenant, ids=ids, **values)


_TAGS = OfMany(
    lambda: (
        Tag.objects.filter(tenant=slot("tenant"), resource_type=slot("kind"))
        .order_by("resource_id", "key")
        .values_list("resource_id", "key", "value")
    ),
    "resource_id",
)


def tags_by_id(tenant: Tenant, kind: str, ids: Iterable[str]) -> Tags:
    """The tags of these, as EC2 lists them; one query."""
    found: dict[str, list[TagTypeDef]] = {}
    for resource_id, key, value in _TAGS(tenant, list(ids), kind=kind):
        found.setdefault(resource_id, []).append({"Key": key, "Value": value})
    return found
