"""manage.py create_tenant and recount_quotas."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.models import AuditEntry, Quota, Resource, Tenant, User


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_tenant_is_made_with_quota_network_and_administrator(user):
    said = run("create_tenant", "biology", "--administrator", "ann")

    tenant = Tenant.objects.get(name="biology")
    assert tenant.account_id in said
    assert tenant.memberships.get().is_administrator
    assert tenant.quotas.count() == len(Resource)
    assert tenant.vpcs.count() == 1
    assert set(AuditEntry.objects.filter(tenant=tenant).values_list("door", flat=True)) == {"command"}


def test_a_tenant_is_made_with_a_link_for_its_administrator(db):
    said = run("create_tenant", "biology", "--invite", "head@example.org")

    [path] = re.findall(r"/invitations/[\w-]+/", said)
    assert "Join biology" in Client().get(path).content.decode()


def test_a_tenant_without_anybody_is_fine_for_now(db):
    run("create_tenant", "biology")

    assert not Tenant.objects.get().memberships.exists()


@pytest.mark.parametrize(
    ("arguments", "words"), [(["physics"], "already"), (["new", "--administrator", "x"], "no user")]
)
def test_what_cannot_be_made_is_said_and_nothing_is(tenant, arguments, words):
    with pytest.raises(CommandError, match=words):
        run("create_tenant", *arguments)

    assert Tenant.objects.count() == 1


def test_a_ledger_that_is_right_differs_in_nothing(running):
    assert run("recount_quotas") == "no difference\n"


def test_a_ledger_that_drifted_is_reported_and_repaired_when_asked(running, tenant):
    Quota.objects.filter(tenant=tenant, resource=Resource.VCPUS).update(used=7)

    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("recount_quotas", stdout=out)
    assert out.getvalue() == "physics vcpus: ledger says 7, rows say 1\n"
    assert tenant.quotas.get(resource=Resource.VCPUS).used == 7

    run("recount_quotas", "--repair")
    assert tenant.quotas.get(resource=Resource.VCPUS).used == 1
    assert run("recount_quotas") == "no difference\n"


def test_an_operator_made_by_command_signs_in_to_the_admin_site(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    run("createsuperuser", "--noinput", "--username", "boss", "--email", "boss@example.org")

    browser = Client()
    browser.post("/sign-in/", {"username": "boss", "password": "correct horse battery"})

    assert browser.get("/admin/").status_code == 200
    assert User.objects.get().email == "boss@example.org"
