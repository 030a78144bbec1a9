"""Links that let people in are in no log."""

import logging

from django.conf import settings
from django.urls import reverse

from portal.accounts import invite
from portal.logs import WithoutLinks
from portal.models import User


def test_the_link_of_an_invitation_is_not_logged(client, tenant, actor, caplog):
    _made, token = invite(tenant, actor=actor)
    caplog.handler.addFilter(WithoutLinks())

    client.post(reverse("invitation", args=[token]), {"username": ""})

    assert "Unprocessable" in caplog.text
    assert token not in caplog.text


def test_every_handler_leaves_links_out():
    assert all("without_links" in handler["filters"] for handler in settings.LOGGING["handlers"].values())


def test_other_messages_stay_as_they_are():
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%s of %d", ("/instances/i-1/", 3), None)

    assert WithoutLinks().filter(record)
    assert record.getMessage() == "/instances/i-1/ of 3"


def test_a_wrong_password_is_kept_nowhere(client, user, caplog):
    from axes.models import AccessAttempt

    client.post(reverse("sign-in"), {"username": "ann", "password": "nearly right"})

    assert "nearly right" not in caplog.text + str(list(AccessAttempt.objects.values()))
    assert User.objects.get().last_login is None
