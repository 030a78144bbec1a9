"""Prepared queries answer as the query sets they are made of."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.models import DateTimeField, F, PositiveBigIntegerField
from django.test.utils import CaptureQueriesContext

from portal.models import AuditEntry, Quota, Resource, Tag, Tenant
from portal.prepared import Prepared, PreparedUpdate, slot, slots

pytestmark = pytest.mark.django_db


@pytest.fixture
def tags(tenant):
    return [
        Tag.objects.create(tenant=tenant, resource_type="instance", resource_id=f"i-{n}", key="k", value=str(n))
        for n in range(3)
    ]


def test_each_run_has_values_of_its_own(tags):
    by_value = Prepared(lambda: Tag.objects.filter(value=slot("value")))

    assert [by_value(value=word) for word in ("0", "2", "9")] == [[tags[0]], [tags[2]], []]
    assert (by_value.one(value="1"), by_value.one(value="9")) == (tags[1], None)


def test_related_rows_come_in_the_same_query(tags, tenant):
    by_value = Prepared(lambda: Tag.objects.select_related("tenant").filter(value=slot("value")))
    by_value(value="0")

    with CaptureQueriesContext(connection) as captured:
        found = by_value.one(value="1")
        assert found.tenant == tenant

    assert len(captured) == 1


def test_any_number_of_values_may_be_among_the_others(tags, tenant):
    among = Prepared(
        lambda: (
            Tag.objects.filter(tenant=slot("tenant"), resource_id__in=slots("ids"), key="k")
            .order_by("pk")
            .values_list("value", flat=True)
        )
    )

    assert among(tenant=tenant, ids=["i-0", "i-2"]) == ["0", "2"]
    assert among(tenant=tenant, ids=["i-1"]) == ["1"]
    assert among(tenant=tenant, ids=[]) == []


def test_a_neighbour_finds_nothing(tags):
    mine = Prepared(lambda: Tag.objects.filter(tenant=slot("tenant")))

    assert len(mine(tenant=tags[0].tenant)) == 3
    assert mine(tenant=Tenant.objects.create(name="neighbour")) == []


def test_times_are_compared_as_the_database_keeps_them(tenant):
    at = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
    AuditEntry.objects.create(tenant=tenant, at=at, who="a", door="api", verb="x")
    since = Prepared(
        lambda: AuditEntry.objects.filter(at__gte=slot("at", DateTimeField()), verb="x").values_list("at", flat=True)
    )

    assert since(at=at) == [at]
    assert since(at=at.replace(minute=16)) == []


def test_an_update_says_how_many_rows_it_changed(tenant):
    amount = slot("amount", PositiveBigIntegerField())
    take = PreparedUpdate(
        lambda: Quota.objects.filter(tenant=slot("tenant"), resource=slot("resource"), used__lte=F("limit") - amount),
        used=F("used") + amount,
    )
    Quota.objects.filter(tenant=tenant, resource=Resource.VCPUS).update(limit=3)

    changed = [take(tenant=tenant, resource=Resource.VCPUS, amount=2) for _ in range(2)]

    assert changed == [1, 0]
    assert Quota.objects.get(tenant=tenant, resource=Resource.VCPUS).used == 2


@pytest.mark.django_db(transaction=True)
def test_threads_do_not_get_in_each_others_way(tags):
    by_value = Prepared(lambda: Tag.objects.filter(value=slot("value")))
    found: dict[int, set[str]] = {}

    def ask(n: int) -> None:
        found[n] = {tag.value for _ in range(50) for tag in by_value(value=str(n))}
        connection.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {n: {str(n)} for n in range(3)}
