"""Invitations: who gets in by them, and who does not."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from portal.accounts import accept_as_new_user, accept_invitation, invite, open_invitations, revoke_invitation
from portal.audit import Actor, Door
from portal.errors import CloudError
from portal.models import AuditEntry, Invitation, Membership, Role, Tenant, User


@pytest.fixture
def tenant(db):
    return Tenant.objects.create(name="physics")


@pytest.fixture
def head(tenant):
    user = User.objects.create_user("head", email="head@example.org")
    Membership.objects.create(tenant=tenant, user=user, role=Role.ADMINISTRATOR)
    return user


@pytest.fixture
def actor(head):
    return Actor(head, Door.PORTAL, "192.0.2.1")


def join(token: str, name: str = "newcomer") -> User:
    user = User(username=name)
    user.set_password("correct horse")
    return accept_as_new_user(token, user, address="192.0.2.9")


def test_the_token_is_not_kept(tenant, actor):
    invitation, token = invite(tenant, actor=actor)

    row = Invitation.objects.values().get(pk=invitation.pk)

    assert token not in str(row)


def test_a_new_user_gets_in_with_the_role_of_the_invitation(tenant, actor):
    _invitation, token = invite(tenant, role=Role.ADMINISTRATOR, actor=actor)

    user = join(token)

    assert user.check_password("correct horse")
    assert Membership.objects.get(user=user).role == Role.ADMINISTRATOR
    entry = AuditEntry.objects.get(verb="accept invitation")
    assert (entry.tenant, entry.user, entry.address) == (tenant, user, "192.0.2.9")


def test_an_invitation_admits_one(tenant, actor):
    _invitation, token = invite(tenant, actor=actor)
    join(token)

    with pytest.raises(CloudError, match="used already"):
        join(token, "second")

    assert not User.objects.filter(username="second").exists()


def test_an_invitation_expires_after_a_week(tenant, actor):
    invitation, token = invite(tenant, actor=actor)
    assert timedelta(days=6) < invitation.expires_at - timezone.now() <= timedelta(days=7)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(CloudError, match="expired"):
        join(token)

    assert not open_invitations(tenant)


def test_a_withdrawn_invitation_admits_nobody(tenant, actor):
    invitation, token = invite(tenant, actor=actor)

    revoke_invitation(invitation, actor=actor)

    with pytest.raises(CloudError, match="withdrawn"):
        join(token)


def test_a_used_invitation_cannot_be_withdrawn(tenant, actor):
    invitation, token = invite(tenant, actor=actor)
    join(token)

    with pytest.raises(CloudError, match="remove the member"):
        revoke_invitation(invitation, actor=actor)


def test_a_member_does_not_use_up_an_invitation(tenant, head, actor):
    _invitation, token = invite(tenant, actor=actor)

    with pytest.raises(CloudError, match="already"):
        accept_invitation(token, user=head, actor=actor)

    assert join(token).tenants.get() == tenant


def test_who_belongs_already_is_not_invited(tenant, actor):
    with pytest.raises(CloudError, match="already"):
        invite(tenant, email="HEAD@example.org", actor=actor)


def test_a_user_of_another_tenant_joins_with_the_same_account(tenant, actor):
    user = User.objects.create_user("guest")
    Membership.objects.create(tenant=Tenant.objects.create(name="chemistry"), user=user)
    _invitation, token = invite(tenant, actor=actor)

    accept_invitation(token, user=user, actor=Actor(user, Door.PORTAL))

    assert sorted(t.name for t in user.tenants.all()) == ["chemistry", "physics"]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_one_invitation_at_once_one_gets_in():
    tenant = Tenant.objects.create(name="physics")
    _invitation, token = invite(tenant, actor=Actor(None, Door.COMMAND))
    outcomes: list[str] = []

    def try_it(name: str) -> None:
        try:
            outcomes.append(f"in: {join(token, name)}")
        except CloudError as error:
            outcomes.append(error.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it, args=(f"user{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(outcome.startswith("in: ") for outcome in outcomes) == 1
    assert len(outcomes) == 6
    assert User.objects.count() == Membership.objects.count() == 1
