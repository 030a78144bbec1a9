"""Rows inserted by the short way are those that bulk_create would make."""

from __future__ import annotations

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from portal.inserting import insert
from portal.models import AuditEntry, Tag

pytestmark = pytest.mark.django_db


def tag(tenant, n: int, value: str = "v") -> Tag:
    return Tag(tenant=tenant, resource_type="instance", resource_id=f"i-{n}", key="k", value=value)


def test_rows_get_their_keys_in_their_order_by_one_statement(tenant):
    with CaptureQueriesContext(connection) as captured:
        made = insert(tag(tenant, n) for n in range(50))

    assert len(captured) == 1
    assert [Tag.objects.get(pk=row.pk).resource_id for row in made] == [f"i-{n}" for n in range(50)]
    assert not any(row._state.adding for row in made)


def test_values_come_back_as_they_went(tenant):
    detail = {"ids": ["i-1", None], "text": "臺灣 % \" '"}

    (made,) = insert([AuditEntry(tenant=tenant, who="%s", door="api", verb="x", detail=detail)])

    found = AuditEntry.objects.get(pk=made.pk)
    assert (found.who, found.detail, found.at, found.tenant) == ("%s", detail, made.at, tenant)


def test_what_is_there_is_an_error_or_gets_the_new_value(tenant):
    (first,) = insert([tag(tenant, 1)])

    with pytest.raises(IntegrityError), transaction.atomic():
        insert([tag(tenant, 1)])
    (again,) = insert([tag(tenant, 1, "new")], unique=["resource_id", "key"], update=["value"])

    assert (again.pk, Tag.objects.get().value) == (first.pk, "new")


def test_many_rows_may_lack_values_and_must_not_be_too_long(tenant):
    entries = [AuditEntry(tenant=of, who="a", door="api", verb="x", detail={"n": None}) for of in (None, None)]

    assert [AuditEntry.objects.get(pk=row.pk).tenant for row in insert(entries)] == [None, None]
    if connection.vendor == "postgresql":  # the only one that minds
        with pytest.raises(DataError), transaction.atomic():
            insert([tag(tenant, n, "v" * 300) for n in range(2)])


def test_nothing_is_inserted_by_no_statement():
    with CaptureQueriesContext(connection) as captured:
        assert insert([]) == []

    assert len(captured) == 0


def test_many_rows_are_inserted_by_several_statements(tenant):
    made = insert(tag(tenant, n) for n in range(7000))

    assert Tag.objects.count() == len({row.pk for row in made}) == 7000
