"""Members: roles, removal, and the last administrator."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from portal.accounts import change_role, remove_member
from portal.audit import Actor, Door
from portal.errors import CloudError
from portal.models import AccessKey, AuditEntry, Membership, Role, Tenant, User
from portal.tenants import create_access_key, delete_access_key, set_access_key_active

ACTOR = Actor(None, Door.COMMAND)


def member(tenant: Tenant, name: str, role: str = Role.MEMBER) -> Membership:
    return Membership.objects.create(tenant=tenant, user=User.objects.create_user(name), role=role)


@pytest.fixture
def tenant(db):
    return Tenant.objects.create(name="physics")


def test_the_last_administrator_is_neither_demoted_nor_removed(tenant):
    head = member(tenant, "head", Role.ADMINISTRATOR)
    member(tenant, "someone")

    with pytest.raises(CloudError, match="last administrator"):
        change_role(head, Role.MEMBER, actor=ACTOR)
    with pytest.raises(CloudError, match="last administrator"):
        remove_member(head, actor=ACTOR)

    assert Membership.objects.get(pk=head.pk).is_administrator


def test_an_administrator_who_may_not_sign_in_does_not_count(tenant):
    head = member(tenant, "head", Role.ADMINISTRATOR)
    gone = member(tenant, "gone", Role.ADMINISTRATOR)
    User.objects.filter(pk=gone.user_id).update(is_active=False)

    with pytest.raises(CloudError, match="last administrator"):
        remove_member(head, actor=ACTOR)


def test_one_of_two_administrators_may_go(tenant):
    head, other = member(tenant, "head", Role.ADMINISTRATOR), member(tenant, "other", Role.ADMINISTRATOR)

    change_role(head, Role.MEMBER, actor=ACTOR)

    with pytest.raises(CloudError, match="last administrator"):
        remove_member(other, actor=ACTOR)
    entry = AuditEntry.objects.get(verb="change role")
    assert entry.resource_id == "head"
    assert entry.detail == {"role": "member", "before": "administrator"}


def test_a_member_who_goes_takes_the_keys_of_this_tenant_along(tenant):
    leaving = member(tenant, "leaving")
    elsewhere = Tenant.objects.create(name="chemistry")
    Membership.objects.create(tenant=elsewhere, user=leaving.user)
    create_access_key(tenant, leaving.user, actor=ACTOR)
    kept, _secret = create_access_key(elsewhere, leaving.user, actor=ACTOR)

    remove_member(leaving, actor=ACTOR)

    assert list(AccessKey.objects.all()) == [kept]
    assert not tenant.memberships.exists()


def test_a_member_who_is_gone_is_reported_as_such(tenant):
    leaving = member(tenant, "leaving")
    remove_member(Membership.objects.get(pk=leaving.pk), actor=ACTOR)

    with pytest.raises(CloudError, match="any more"):
        change_role(leaving, Role.ADMINISTRATOR, actor=ACTOR)


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_remove_each_other_leave_one():
    tenant = Tenant.objects.create(name="physics")
    both = [member(tenant, name, Role.ADMINISTRATOR) for name in ("first", "second")]
    refused: list[str] = []

    def remove(membership: Membership) -> None:
        try:
            remove_member(membership, actor=ACTOR)
        except CloudError as error:
            refused.append(error.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=(membership,)) for membership in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1
    assert tenant.memberships.count() == 1


def test_a_key_is_deactivated_activated_and_deleted_and_each_is_written_down(tenant):
    key, _secret = create_access_key(tenant, member(tenant, "someone").user, actor=ACTOR)

    set_access_key_active(key, False, actor=ACTOR)
    set_access_key_active(key, False, actor=ACTOR)
    assert not AccessKey.objects.get().is_active
    set_access_key_active(key, True, actor=ACTOR)
    delete_access_key(key, actor=ACTOR)

    verbs = AuditEntry.objects.filter(resource_id=key.access_key_id).order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["create", "deactivate", "activate", "delete"]


def test_a_third_key_is_refused(tenant):
    user = member(tenant, "someone").user
    for _n in range(2):
        create_access_key(tenant, user, actor=ACTOR)

    with pytest.raises(CloudError, match="2 access keys"):
        create_access_key(tenant, user, actor=ACTOR)
