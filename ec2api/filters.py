"""EC2's filters as conditions on rows, or on what is only computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, TypeVar

from django.db.models import Q

from ec2api.lookups import compiled, has_wildcard
from ec2api.protocol.errors import ApiError
from portal.models import Tag, Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import FilterTypeDef

MAX_VALUES = 200

Values = Sequence[str]
Build = Callable[[Values, Tenant], Q]
Table = Mapping[str, str | Build]  # a filter's name -> the field it is about, or what makes its condition
Filters = Sequence["FilterTypeDef"]
Thing = TypeVar("Thing")
NOTHING = Q(pk__in=())


def among(field: str, values: Iterable[str]) -> Q:
    """The field equals, or matches, one of the values."""
    plain = [value for value in values if not has_wildcard(value)]
    condition = Q(**{f"{field}__in": plain}) if plain else NOTHING
    for value in values:
        if has_wildcard(value):
            condition |= Q(**{f"{field}__wildcard": value})
    return condition


def matches(actual: str, values: Values) -> bool:
    return any(compiled(value).match(actual) if has_wildcard(value) else value == actual for value in values)


def always(actual: str) -> Build:
    """For what is the same of all rows."""
    return lambda values, _tenant: Q() if matches(actual, values) else NOTHING


def owner(values: Values, tenant: Tenant) -> Q:
    return Q() if matches(tenant.account_id, values) else NOTHING


def truth(field: str) -> Build:
    def build(values: Values, _tenant: Tenant) -> Q:
        return Q(**{f"{field}__in": [word == "true" for word in ("true", "false") if matches(word, values)]})

    return build


def number(field: str) -> Build:
    def build(values: Values, _tenant: Tenant) -> Q:
        return Q(**{f"{field}__in": [int(v) for v in values if v.isascii() and v.isdecimal() and len(v) < 10]})

    return build


def choice(field: str, words: Mapping[str, object]) -> Build:
    """For a field, or a lookup of one, that has another value than EC2's word for it."""
    return lambda values, _tenant: reduce(
        or_, (Q(**{field: value}) for word, value in words.items() if matches(word, values)), NOTHING
    )


def kept(path: str, words: Mapping[str, object], default: str) -> Build:
    """For what is kept in a JSON field only where it was asked for; ``words`` are EC2's, by what is kept."""

    def build(values: Values, _tenant: Tenant) -> Q:
        found = NOTHING
        for word, value in words.items():
            if matches(word, values):
                found |= Q(**{path: value})
                found |= Q(**{f"{path}__isnull": True}) if word == default else NOTHING
        return found

    return build


def moment(field: str) -> Build:
    """``2026-11-23T*`` finds a day, ``2026-11-23T09:15:46.000Z`` a second."""

    def build(values: Values, _tenant: Tenant) -> Q:
        if "*" in values:
            return Q(**{f"{field}__isnull": False})
        spans = [span for span in map(_span, values) if span]
        return reduce(or_, (Q(**{f"{field}__gte": start, f"{field}__lt": end}) for start, end in spans), NOTHING)

    return build


_SPANS = {10: timedelta(days=1), 13: timedelta(hours=1), 16: timedelta(minutes=1), 19: timedelta(seconds=1)}


def _span(value: str) -> tuple[datetime, datetime] | None:
    """The times that a value stands for; none if it is no time.  Raises ApiError for wildcards in other places."""
    span = _parsed(value)
    if span is None and has_wildcard(value):
        raise ApiError(
            "InvalidParameterValue",
            f"The time '{value[:40]}' of a filter is like 2026-11-23T09:15:46.000Z, or whole up to a star: 2026-11-23*",
        )
    return span


def _parsed(value: str) -> tuple[datetime, datetime] | None:
    """The times, if the value is a date or time whole up to a star."""
    text, star, rest = value.partition("*")
    text = text.rstrip("-T:Z.") if star else text.rstrip("Z").split(".")[0]
    try:
        start = datetime.fromisoformat({4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text)).replace(tzinfo=UTC)
        if len(text) in _SPANS:
            end = start + _SPANS[len(text)]
        else:
            end = start.replace(year=start.year + 1) if len(text) == 4 else (start + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError):
        return None
    return None if rest or (not star and len(text) < 19) else (start, end)


def tagged(condition: Q, tenant: Tenant, own: str = "ec2_id") -> Q:
    return Q(**{f"{own}__in": Tag.objects.filter(condition, tenant=tenant).values("resource_id")})


def tag_key(values: Values, tenant: Tenant) -> Q:
    return tagged(among("key", values), tenant)


def checked(filters: Filters) -> list[tuple[str, list[str]]]:
    """Names and values.  Raises ApiError for what is incomplete or too much."""
    found = []
    for each in filters:
        name, values = each.get("Name", ""), list(each.get("Values", ()))
        if not name:
            raise ApiError("InvalidParameterValue", "The filter 'null' is invalid")
        if not values:
            raise ApiError("InvalidParameterValue", f"The filter '{name[:100]}' has no values")
        found.append((name, values))
    if sum(len(values) for _name, values in found) > MAX_VALUES:
        raise ApiError(
            "FilterLimitExceeded", f"The maximum number of filter values specified on a single call is {MAX_VALUES}"
        )
    return found


def invalid(name: str) -> ApiError:
    return ApiError("InvalidParameterValue", f"The filter '{name[:100]}' is invalid")


def condition(filters: Filters, table: Table, tenant: Tenant, *, with_tags: bool = True) -> Q:
    """All filters as one condition; ``tag:Key`` and ``tag-key`` come with every table of things that have tags."""
    found = Q()
    for name, values in checked(filters):
        build = table.get(name)
        if build is None and with_tags and name.startswith("tag:"):
            found &= tagged(Q(key=name[4:]) & among("value", values), tenant)
        elif build is None and with_tags and name == "tag-key":
            found &= tag_key(values, tenant)
        elif build is None:
            raise invalid(name)
        else:
            found &= among(build, values) if isinstance(build, str) else build(values, tenant)
    return found


def select(
    things: Iterable[Thing], filters: Filters, table: Mapping[str, Callable[[Thing], Iterable[str]]]
) -> list[Thing]:
    """Those of computed things of which one value matches, for every filter."""
    kept = list(things)
    for name, values in checked(filters):
        if name not in table:
            raise invalid(name)
        of = table[name]
        kept = [thing for thing in kept if any(matches(actual, values) for actual in of(thing))]
    return kept
