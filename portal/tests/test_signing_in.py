"""Signing in and out, passwords, and what slows down those who guess."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from portal.models import AccessKey, AuditEntry, User
from portal.tenants import create_access_key

PASSWORD = "correct horse battery"
SMTP = "django.core.mail.backends.locmem.EmailBackend"
CONSOLE = "django.core.mail.backends.console.EmailBackend"


def sign_in(client: Client, name: str = "ann", password: str = PASSWORD, address: str = "192.0.2.1", **more: str):
    return client.post("/sign-in/", {"username": name, "password": password, **more}, REMOTE_ADDR=address)


def test_signing_in_leads_to_the_page_one_wanted(client, tenant):
    response = client.get("/members/")
    assert response.headers["Location"] == "/sign-in/?next=/members/"

    response = sign_in(client, next="/members/")

    assert (response.status_code, response.headers["Location"]) == (302, "/members/")
    entry = AuditEntry.objects.get(verb="sign in")
    assert (entry.who, entry.address) == ("ann", "192.0.2.1")


@pytest.mark.parametrize(
    "elsewhere", ["https://example.org/", "//example.org/", "javascript:alert(1)", "/\\example.org"]
)
def test_signing_in_leads_nowhere_else(client, tenant, elsewhere):
    response = sign_in(client, next=elsewhere)

    assert response.headers["Location"] == "/"


def test_a_wrong_password_says_what_to_do_and_not_which_half_was_wrong(client, user):
    wrong = sign_in(client, password="wrong").content.decode()
    unknown = sign_in(client, name="nobody", password="wrong").content.decode()

    assert "do not match" in wrong
    assert "do not match" in unknown


def test_the_form_needs_its_token(user):
    response = sign_in(Client(enforce_csrf_checks=True))

    assert response.status_code == 403


def test_signing_out_is_a_post(client, user):
    client.force_login(user)

    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert "_auth_user_id" not in client.session


def test_who_guesses_is_paused_by_name_and_address(client, settings, tenant, user):
    settings.AXES_FAILURE_LIMIT = 3
    for _n in range(2):
        assert sign_in(client, password="guess").status_code == 200

    third = sign_in(client, password="guess")
    right = sign_in(client)
    other_case = sign_in(client, name="ANN", password="guess")

    assert [third.status_code, right.status_code, other_case.status_code] == [429, 429, 429]
    assert right.headers["Retry-After"] == "600"
    assert "paused" in right.content.decode()
    assert sign_in(Client(), address="192.0.2.2").status_code == 302
    User.objects.create_user("eve", password=PASSWORD)
    assert sign_in(Client(), name="eve").status_code == 302
    assert AuditEntry.objects.filter(verb="sign-in locked").count() == 1


def test_the_pause_ends(client, settings, user):
    from datetime import timedelta

    from axes.models import AccessAttempt

    settings.AXES_FAILURE_LIMIT = 1
    assert sign_in(client, password="guess").status_code == 429
    AccessAttempt.objects.update(attempt_time=AccessAttempt.objects.get().attempt_time - timedelta(minutes=11))

    assert sign_in(client).status_code == 302


def test_passwords_are_not_kept_with_the_attempts(client, user):
    from axes.models import AccessAttempt

    sign_in(client, password="nearly-right")

    assert "nearly-right" not in str(AccessAttempt.objects.values().get())


def test_a_paused_name_does_not_stop_its_access_keys(client, settings, tenant, user, actor):
    settings.AXES_FAILURE_LIMIT = 1
    key, _secret = create_access_key(tenant, user, actor=actor)

    assert sign_in(client, password="guess").status_code == 429

    assert AccessKey.objects.get(pk=key.pk).is_active


def test_changing_the_password_keeps_this_session_only(client, user, tenant):
    other = Client()
    for each in (client, other):
        each.force_login(user)
    new = {"old_password": PASSWORD, "new_password1": "staple 4 donkeys", "new_password2": "staple 4 donkeys"}

    assert client.post("/password/", new).status_code == 302

    assert client.get("/profile/").status_code == 200
    assert other.get("/profile/").status_code == 302
    user.refresh_from_db()
    assert user.check_password("staple 4 donkeys")


def test_who_has_no_password_here_is_told_where_it_is(client, user):
    user.set_unusable_password()
    user.save()
    client.force_login(user)

    response = client.get("/password/", follow=True)

    assert "another service" in response.content.decode()


def ask_for_reset(client: Client, settings, backend: str = SMTP) -> str:
    settings.EMAIL_BACKEND = backend
    User.objects.filter(username="ann").update(email="ann@example.org")
    response = client.post("/password/reset/", {"email": "ann@example.org"}, HTTP_HOST="evil.example.org", follow=True)
    return response.content.decode()


def test_a_reset_link_leads_to_this_site_whatever_the_browser_calls_it(client, settings, user):
    settings.PUBLIC_URL = "https://cloud.example.org"

    ask_for_reset(client, settings)

    [message] = mail.outbox
    assert "https://cloud.example.org/password/reset/" in message.body
    assert "evil" not in message.body


def test_a_reset_link_sets_a_password_once_and_confirms_the_address(client, settings, user):
    ask_for_reset(client, settings)
    [path] = re.findall(r"/password/reset/\S+", str(mail.outbox[0].body))
    page = client.get(path, follow=True)
    new = {"new_password1": "staple 4 donkeys", "new_password2": "staple 4 donkeys"}

    response = client.post(page.request["PATH_INFO"], new)

    assert response.headers["Location"] == "/sign-in/"
    user.refresh_from_db()
    assert user.check_password("staple 4 donkeys")
    assert user.email_is_confirmed
    assert "does not work any more" in Client().get(path, follow=True).content.decode()


def test_a_stranger_learns_nothing_from_the_reset_page(client, settings, user):
    settings.EMAIL_BACKEND = SMTP
    known = ask_for_reset(client, settings)
    unknown = client.post("/password/reset/", {"email": "nobody@example.org"}, follow=True).content.decode()

    def without_tokens(page: str) -> str:
        return re.sub(r'(csrfmiddlewaretoken" value=|CSRFToken": )"[^"]*"', "", page)

    assert without_tokens(known) == without_tokens(unknown)
    assert len(mail.outbox) == 1


def test_without_a_mail_server_the_page_says_where_the_link_is(client, settings, user, capsys):
    page = ask_for_reset(client, settings, CONSOLE)

    assert "operator" in page
    assert "/password/reset/" in capsys.readouterr().out


def test_a_signed_in_user_is_not_asked_again(client, user):
    client.force_login(user)

    assert client.get("/sign-in/?next=/profile/").headers["Location"] == "/profile/"


def test_the_admin_site_uses_the_same_sign_in(client, user):
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/sign-in/?next=/admin/"

    client.force_login(user)
    assert client.get("/admin/", follow=True).status_code == 403
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert client.get("/admin/").status_code == 200


def test_the_language_is_kept_on_the_user_and_comes_along(client, user):
    client.force_login(user)

    client.post("/switch-language/", {"language": "zh-hant", "next": "/profile/"})

    elsewhere = Client()
    elsewhere.force_login(User.objects.get(pk=user.pk))
    assert 'lang="zh-hant"' in elsewhere.get("/profile/").content.decode()
