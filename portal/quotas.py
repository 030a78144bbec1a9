"""The only writers of usage: reserve and release, in the same transaction as what they count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import connection
from django.db.models import BigIntegerField, Case, F, Value, When
from django.utils.translation import gettext as _

from portal.errors import QuotaExceeded
from portal.models import Quota, Resource, Tenant

Amounts = Mapping[str, int]
Counter = Callable[[], Mapping[tuple[int, str], int]]
_counters: list[Counter] = []

CODES: dict[str, str] = {
    Resource.INSTANCES: "InstanceLimitExceeded",
    Resource.VCPUS: "VcpuLimitExceeded",
    Resource.VOLUMES: "VolumeLimitExceeded",
    Resource.VOLUME_GIB: "VolumeLimitExceeded",
    Resource.ADDRESSES: "AddressLimitExceeded",
}


def _by_resource(amounts: Amounts) -> Case:
    whens = [When(resource=resource, then=Value(amount)) for resource, amount in amounts.items()]
    return Case(*whens, default=Value(0), output_field=BigIntegerField())


def reserve(tenant: Tenant, amounts: Amounts) -> None:
    """Add to the tenant's usage, all or nothing.

    Raises QuotaExceeded naming resource, limit and usage.  Locks the tenant's ledger until the transaction ends, which
    must be the one that creates what is counted.
    """
    assert connection.in_atomic_block, "a reservation needs the transaction of what it counts"
    wanted = {resource: amount for resource, amount in amounts.items() if amount}
    rows = Quota.objects.filter(tenant=tenant, resource__in=wanted).order_by("resource")
    ledger = {quota.resource: quota for quota in rows.select_for_update()}
    for resource, amount in wanted.items():
        _check(tenant, ledger.get(resource), resource, amount)
    if wanted:
        rows.order_by().update(used=F("used") + _by_resource(wanted))


def _check(tenant: Tenant, quota: Quota | None, resource: str, amount: int) -> None:
    label = Resource(resource).label
    if quota is None:
        text = _("tenant %(tenant)s has no quota for %(resource)s; ask an operator for one")
        raise QuotaExceeded(text % {"tenant": tenant, "resource": label})
    if quota.used + amount > quota.limit:
        text = _(
            "quota exceeded: %(amount)s more %(resource)s asked, %(used)s of %(limit)s in use;"
            " give back what is not needed or ask an operator for more"
        )
        values = {"amount": amount, "resource": label, "used": quota.used, "limit": quota.limit}
        raise QuotaExceeded(text % values, code=CODES.get(resource, QuotaExceeded.code))


def release(tenant: Tenant, amounts: Amounts) -> None:
    """Give back what was reserved, in the transaction that ends what was counted."""
    assert connection.in_atomic_block, "a release needs the transaction of what it counts"
    given = {resource: amount for resource, amount in amounts.items() if amount}
    if given:
        Quota.objects.filter(tenant=tenant, resource__in=given).update(used=F("used") - _by_resource(given))


def counts(counter: Counter) -> Counter:
    """Register a function that counts, from the rows themselves, usage by (tenant key, resource)."""
    _counters.append(counter)
    return counter


def recount() -> list[tuple[Quota, int]]:
    """Every quota whose ledger differs from the rows, with what the rows say."""
    found: dict[tuple[int, str], int] = {}
    for counter in _counters:
        for key, amount in counter().items():
            found[key] = found.get(key, 0) + amount
    return [
        (quota, found.get((quota.tenant_id, quota.resource), 0))
        for quota in Quota.objects.select_related("tenant")
        if quota.used != found.get((quota.tenant_id, quota.resource), 0)
    ]


def affordable(tenant: Tenant, each: Amounts) -> int:
    """How many times ``each`` fits into what is left of the tenant's quota."""
    left = {quota.resource: quota.left for quota in Quota.objects.filter(tenant=tenant, resource__in=each)}
    return min((left.get(resource, 0) // amount for resource, amount in each.items() if amount), default=0)
