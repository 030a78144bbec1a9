"""The pages about people: what they do, and whom they refuse."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from portal.accounts import invite
from portal.audit import Actor, Door
from portal.models import AccessKey, AuditEntry, Invitation, Membership, Role, User
from portal.tenants import create_access_key
from portal.views.activity import PAGE

PASSWORD = "staple 4 donkeys"
NEW_USER = {"username": "newcomer", "email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def ann(client, user, tenant):
    """A browser in which the administrator of the tenant is signed in."""
    client.force_login(user)
    return client


@pytest.fixture
def member(tenant):
    """A browser of a plain member."""
    person = User.objects.create_user("max", email="max@example.org")
    Membership.objects.create(tenant=tenant, user=person, role=Role.MEMBER)
    browser = Client()
    browser.force_login(person)
    return browser


@pytest.fixture
def bob(neighbour):
    """A browser of the neighbour's administrator."""
    browser = Client()
    browser.force_login(User.objects.get(username="bob"))
    return browser


def link_in(response) -> str:
    [path] = re.findall(r"/invitations/[\w-]+/", response.content.decode())[:1]
    return path


# Invitations


def test_an_administrator_invites_by_a_link_shown_once(ann, tenant):
    response = ann.post("/members/invite/", {"role": "member"})

    path = link_in(response)
    assert "/invitations/" not in re.sub(r"/members/invitations/", "", ann.get("/members/").content.decode())
    stranger = Client()
    assert "Join physics" in stranger.get(path).content.decode()
    assert stranger.post(path, NEW_USER).headers["Location"] == "/"
    assert Membership.objects.get(user__username="newcomer").tenant == tenant
    assert stranger.get("/access-keys/").status_code == 200


def test_an_invitation_is_mailed_where_there_is_a_mail_server(ann):
    response = ann.post("/members/invite/", {"email": "new@example.org", "role": "administrator"})

    [message] = mail.outbox
    assert message.to == ["new@example.org"]
    assert link_in(response) in message.body
    assert "on its way" in response.content.decode()


def test_a_tenants_name_adds_no_header_to_a_mail(ann, tenant):
    type(tenant).objects.update(name="physics\r\nBcc: all@example.org")

    assert ann.post("/members/invite/", {"email": "new@example.org", "role": "member"}).status_code == 200

    [message] = mail.outbox
    assert message.subject == "Invitation to physics Bcc: all@example.org on Yushan"
    assert message.recipients() == ["new@example.org"]


def test_an_invitation_is_only_shown_where_there_is_no_mail_server(ann, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

    response = ann.post("/members/invite/", {"email": "new@example.org", "role": "member"})

    assert "no mail server" in response.content.decode()
    assert link_in(response)


def test_a_mail_server_that_fails_does_not_lose_the_invitation(ann, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9

    response = ann.post("/members/invite/", {"email": "new@example.org", "role": "member"})

    assert "could not be sent" in response.content.decode()
    assert link_in(response)


def test_a_bad_address_is_refused_with_the_reason(ann):
    response = ann.post("/members/invite/", {"email": "nonsense", "role": "member"})

    assert response.status_code == 422
    assert "valid email" in response.content.decode()
    assert not Invitation.objects.exists()


def test_who_is_signed_in_joins_with_that_account(ann, bob, tenant):
    path = link_in(ann.post("/members/invite/", {"role": "member"}))

    assert "signed in as bob" in bob.get(path).content.decode()
    assert not tenant.memberships.filter(user__username="bob").exists()
    assert "Welcome to physics" in bob.post(path, follow=True).content.decode()

    assert tenant.memberships.filter(user__username="bob").exists()


def test_joining_needs_the_token_of_the_form(ann, tenant):
    path = link_in(ann.post("/members/invite/", {"role": "member"}))
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_user("eve"))

    assert strict.post(path).status_code == 403
    assert not tenant.memberships.filter(user__username="eve").exists()


def test_a_used_or_wrong_link_says_so(ann):
    path = link_in(ann.post("/members/invite/", {"role": "member"}))
    Client().post(path, NEW_USER)

    assert "used already" in (again := Client().get(path)).content.decode()
    assert again.status_code == 410
    assert Client().get("/invitations/made-up/").status_code == 410


def test_a_taken_name_a_taken_address_and_a_poor_password_are_refused(ann, user):
    User.objects.filter(pk=user.pk).update(email="ann@example.org")
    path = link_in(ann.post("/members/invite/", {"role": "member"}))

    for change, words in (
        ({"username": "ANN"}, "already exists"),
        ({"email": "Ann@Example.org"}, "has an account already"),
        ({"password1": "password", "password2": "password"}, "too common"),
    ):
        response = Client().post(path, {**NEW_USER, **change})
        assert response.status_code == 422
        assert words in response.content.decode()

    assert Client().post(path, NEW_USER).status_code == 302


def test_a_withdrawn_invitation_is_gone(ann):
    path = link_in(ann.post("/members/invite/", {"role": "member"}))

    ann.post(f"/members/invitations/{Invitation.objects.get().pk}/revoke/")

    assert Client().get(path).status_code == 410
    assert "withdrawn" in ann.get("/members/").content.decode()


# Members


def test_members_are_promoted_demoted_and_removed(ann, member, tenant):
    row = tenant.memberships.get(user__username="max")

    ann.post(f"/members/{row.pk}/", {"do": "administrator"})
    assert tenant.memberships.get(pk=row.pk).is_administrator
    ann.post(f"/members/{row.pk}/", {"do": "member"})
    assert not tenant.memberships.get(pk=row.pk).is_administrator
    ann.post(f"/members/{row.pk}/", {"do": "remove"})

    assert not tenant.memberships.filter(pk=row.pk).exists()
    assert member.get("/access-keys/").status_code == 403


def test_the_last_administrator_is_told_why_they_cannot_leave(ann, tenant, user):
    row = tenant.memberships.get(user=user)

    response = ann.post(f"/members/{row.pk}/", {"do": "remove"}, follow=True)

    assert "last administrator" in response.content.decode()
    assert tenant.memberships.filter(pk=row.pk).exists()


def test_the_members_page_asks_a_constant_number_of_questions(ann, tenant, django_assert_max_num_queries):
    for n in range(20):
        Membership.objects.create(tenant=tenant, user=User.objects.create_user(f"user{n}"))

    with django_assert_max_num_queries(7):
        ann.get("/members/")


@pytest.mark.parametrize("path", ["/members/", "/members/invite/", "/members/1/", "/members/invitations/1/revoke/"])
def test_plain_members_do_not_reach_pages_of_administrators(member, path):
    wanted = member.get(path) if path == "/members/" else member.post(path, {"role": "administrator", "do": "remove"})

    assert wanted.status_code == 403
    assert not Invitation.objects.exists()


def test_a_plain_member_cannot_make_themselves_an_administrator(member, tenant):
    row = tenant.memberships.get(user__username="max")

    assert member.post(f"/members/{row.pk}/", {"do": "administrator"}).status_code == 403
    assert not tenant.memberships.get(pk=row.pk).is_administrator


def test_a_neighbour_touches_nothing_here(bob, ann, tenant, user):
    row = tenant.memberships.get(user=user)
    invitation, _token = invite(tenant, actor=Actor(user, Door.PORTAL))
    key, _secret = create_access_key(tenant, user, actor=Actor(user, Door.PORTAL))

    assert bob.post(f"/members/{row.pk}/", {"do": "member"}).status_code == 404
    assert bob.post(f"/members/invitations/{invitation.pk}/revoke/").status_code == 404
    assert bob.post(f"/access-keys/{key.access_key_id}/", {"do": "delete"}).status_code == 404
    pages = [bob.get(path).content.decode() for path in ("/members/", "/access-keys/", "/activity/")]

    assert not any("ann" in re.sub(r"<[^>]*>", "", page) for page in pages)
    assert AccessKey.objects.filter(pk=key.pk).exists()
    assert tenant.memberships.get(pk=row.pk).is_administrator


# Access keys


def test_a_secret_is_shown_once_with_lines_to_copy(ann):
    made = ann.post("/access-keys/").content.decode()
    key = AccessKey.objects.get()

    for line in (
        f"export AWS_SECRET_ACCESS_KEY={key.secret}",
        f"aws_secret_access_key=&quot;{key.secret}&quot;",
        f"secret_key             = &quot;{key.secret}&quot;",
    ):
        assert line in made.replace('"', "&quot;")
    assert key.secret not in ann.get("/access-keys/").content.decode()


def test_the_page_with_a_secret_is_kept_by_nobody(ann):
    assert ann.post("/access-keys/").headers["Cache-Control"] == "no-store"


def test_a_third_key_is_refused_in_words(ann):
    ann.post("/access-keys/")
    ann.post("/access-keys/")

    response = ann.post("/access-keys/", follow=True)

    assert "delete one first" in response.content.decode()
    assert AccessKey.objects.count() == 2


def test_a_key_is_deactivated_activated_and_deleted(ann):
    ann.post("/access-keys/")
    key = AccessKey.objects.get()
    path = f"/access-keys/{key.access_key_id}/"

    ann.post(path, {"do": "deactivate"})
    assert not AccessKey.objects.get().is_active
    ann.post(path, {"do": "activate"})
    assert AccessKey.objects.get().is_active
    ann.post(path, {"do": "delete"})

    assert not AccessKey.objects.exists()


def test_the_keys_of_a_colleague_are_not_ones_own(ann, member, tenant, user):
    key, _secret = create_access_key(tenant, user, actor=Actor(user, Door.PORTAL))

    assert member.post(f"/access-keys/{key.access_key_id}/", {"do": "delete"}).status_code == 404
    assert key.access_key_id not in member.get("/access-keys/").content.decode()


def test_a_link_changes_no_key(ann):
    ann.post("/access-keys/")

    assert ann.get(f"/access-keys/{AccessKey.objects.get().access_key_id}/?do=delete").status_code == 405


# Profile and activity


def test_a_profile_is_saved_and_a_changed_address_is_unproven(ann, user):
    User.objects.filter(pk=user.pk).update(email="ann@example.org", email_is_confirmed=True)
    form = {"first_name": "Ann", "last_name": "Lin", "email": "ann@example.org", "language": "zh-hant"}

    ann.post("/profile/", form)
    user.refresh_from_db()
    assert (user.first_name, user.language, user.email_is_confirmed) == ("Ann", "zh-hant", True)

    ann.post("/profile/", {**form, "email": "other@example.org"})
    user.refresh_from_db()
    assert not user.email_is_confirmed


def test_a_profile_cannot_take_somebody_elses_address(ann, member):
    response = ann.post("/profile/", {"email": "MAX@example.org"})

    assert response.status_code == 422
    assert "has an account already" in response.content.decode()


def test_a_profile_changes_nothing_it_does_not_show(ann, user):
    ann.post("/profile/", {"is_staff": "on", "is_superuser": "on", "username": "root", "email_is_confirmed": "on"})

    user.refresh_from_db()
    assert (user.username, user.is_staff, user.is_superuser, user.email_is_confirmed) == ("ann", False, False, False)


def entries(tenant, count: int, **fields: object) -> None:
    values = {"who": "ann", "door": "portal", "verb": "stop", "resource_type": "instance", "resource_id": "i-1"}
    AuditEntry.objects.bulk_create(AuditEntry(tenant=tenant, **{**values, **fields}) for _n in range(count))


def test_activity_is_paged_and_filtered(ann, tenant, django_assert_max_num_queries):
    entries(tenant, PAGE + 5)
    entries(tenant, 1, who="eve", verb="terminate", resource_id="i-2", door="api")

    with django_assert_max_num_queries(8):
        first = ann.get("/activity/").content.decode()
    assert "Page 1 of 2" in first
    assert "i-2" in first
    for query in ("q=terminate", "q=i-2", "who=EVE", "door=api"):
        page = ann.get(f"/activity/?{query}").content.decode()
        assert page.count("<tr>") == 2, query
    assert "Page 2 of 2" in ann.get("/activity/?page=2").content.decode()
    assert "Nothing fits" in ann.get("/activity/?until=2000-01-01").content.decode()
    assert ann.get("/activity/?since=nonsense&page=zzz&door=x").status_code == 200


def test_addresses_of_colleagues_are_for_administrators(ann, member, tenant):
    entries(tenant, 1, address="192.0.2.77")

    assert "192.0.2.77" in ann.get("/activity/").content.decode()
    assert "192.0.2.77" not in member.get("/activity/").content.decode()


def test_tags_are_shown_one_by_one(ann, tenant):
    entries(tenant, 1, detail={"tags": {"env": "test"}, "names": ["a", "b"], "none": ""})

    body = ann.get("/activity/").content.decode()

    assert "env=test" in body
    assert "names: a, b" in body
    assert "none" not in body.split("<tbody>")[1]


def test_what_a_user_typed_stays_text(ann, tenant):
    entries(tenant, 1, resource_id="<script>alert(1)</script>")

    assert "<script>alert(1)" not in ann.get("/activity/").content.decode()


@pytest.mark.parametrize("path", ["/members/", "/access-keys/", "/activity/", "/profile/", "/password/"])
def test_who_is_not_signed_in_is_asked_to(db, path):
    assert Client().get(path).headers["Location"] == f"/sign-in/?next={path}"
