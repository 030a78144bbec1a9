"""The only writers of usage: reserve and release, in the same transaction as what they count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import connection
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
    Resource.SNAPSHOTS: "SnapshotLimitExceeded",
    Resource.IMAGES: "ImageLimitExceeded",
}


def reserve(tenant: Tenant, amounts: Amounts) -> None:
    """Add to the tenant's usage, all or nothing.

    Raises QuotaExceeded naming resource, limit and usage.  Locks the tenant's ledger until the transaction ends, which
    must be the one that creates what is counted.
    """
    assert connection.in_atomic_block, "a reservation needs the transaction of what it counts"
    wanted = {resource: amount for resource, amount in amounts.items() if amount}
    ledger = _add(tenant, wanted)
    try:
        for resource, amount in wanted.items():
            _check(tenant, ledger.get(resource), resource, amount)
    except QuotaExceeded:
        _add(tenant, {resource: -amount for resource, amount in wanted.items()})
        raise


def _add(tenant: Tenant, amounts: Amounts) -> dict[str, tuple[int, int]]:
    """Usage and limit by resource, as they are then.  One statement: it locks, adds, and tells what came of it.

    The tenant's whole ledger is locked, always in the same order: two transactions that write to it more than once
    must not wait for each other.
    """
    if not amounts:
        return {}
    table, lock = Quota._meta.db_table, "FOR UPDATE" if connection.features.has_select_for_update else ""
    statement = f"""
        WITH "ledger" AS (SELECT "id" FROM "{table}" WHERE "tenant_id" = %s ORDER BY "resource" {lock})
        UPDATE "{table}" SET "used" = "used" + CASE "resource" {"WHEN %s THEN %s " * len(amounts)} END
        WHERE "id" IN (SELECT "id" FROM "ledger") AND "resource" IN ({", ".join(["%s"] * len(amounts))})
        RETURNING "resource", "used", "limit"
    """  # noqa: S608 - nothing of a client's is in it
    pairs = [part for resource, amount in amounts.items() for part in (str(resource), amount)]
    with connection.cursor() as cursor:
        cursor.execute(statement, [tenant.pk, *pairs, *map(str, amounts)])
        return {resource: (used, limit) for resource, used, limit in cursor.fetchall()}


def _check(tenant: Tenant, row: tuple[int, int] | None, resource: str, amount: int) -> None:
    label = Resource(resource).label
    if row is None:
        text = _("tenant %(tenant)s has no quota for %(resource)s; ask an operator for one")
        raise QuotaExceeded(text % {"tenant": tenant, "resource": label})
    used, limit = row
    if used > limit:
        text = _(
            "quota exceeded: %(amount)s more %(resource)s asked, %(used)s of %(limit)s in use;"
            " give back what is not needed or ask an operator for more"
        )
        values = {"amount": amount, "resource": label, "used": used - amount, "limit": limit}
        raise QuotaExceeded(text % values, code=CODES.get(resource, QuotaExceeded.code))


def release(tenant: Tenant, amounts: Amounts) -> None:
    """Give back what was reserved, in the transaction that ends what was counted."""
    assert connection.in_atomic_block, "a release needs the transaction of what it counts"
    _add(tenant, {resource: -amount for resource, amount in amounts.items() if amount})


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
