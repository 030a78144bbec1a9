"""Whatever is sent to whichever address, the answer is no error of ours: every address is asked, also new ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from compute.models import ConsoleOutput, KeyPair
from portal.accounts import invite
from portal.models import Membership, User
from portal.tenants import create_access_key

HOSTILE = {
    "NUL bytes": "a\x00b",
    "a number beyond all columns": "9" * 30,
    "a number beyond Python's own limit": "9" * 5000,
    "a date that is none": "2024-13-45T99:99:99",
    "a year beyond all": "99999",
    "below zero": "-1",
    "markup": "<script>alert(1)</script>\"'{{7*7}}%s%(x)s",
    "an address of elsewhere": "//evil.example/\r\nX: y",
    "JSON": '{"a": [NaN, "\\u0000"]}',
    "a long text": "x" * 20_000,
    "nothing": "",
}
FOR_OPERATORS = ("NUL bytes", "a number beyond all columns", "a number beyond Python's own limit", "JSON")
NAMES = {  # what is asked for and stands in no form
    *("page", "p", "q", "o", "e", "all", "seen", "version", "do", "id", "on", "next", "key", "tenant", "language"),
    *("state", "type", "tag", "image", "instance_type", "key_pair", "name", "action", "_selected_action", "index"),
    *("select_across", "post", "_changelist_filters", "_save", "_continue", "app_label", "model_name", "field_name"),
    *("created_at__year", "created_at__month", "created_at__day", "at__year", "at__gte", "state__exact", "term"),
    *("tenant__id__exact", "id__exact", "host__id__exact", "is_active__exact", "code", "uid"),
}
LEFT_OUT = ("jsi18n/", "/<path:object_id>/", "history/")  # a catalogue, a redirection, a list without parameters


def addresses(resolver: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every route of the site, and its converters."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, route)
        elif isinstance(pattern, URLPattern) and not route.endswith(LEFT_OUT):
            yield route, pattern.pattern.converters


def addresses_for(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All of them; when tests are to be quick one in four, others for each kind."""
    number, step = list(HOSTILE).index(kind), 4 if os.environ.get("QUICK_TESTS") else 1
    found = (each for each in addresses() if kind in FOR_OPERATORS or not each[0].startswith("admin/"))
    return islice(found, number % step, None, step)


def fill(route: str, value: str) -> str:
    return "/" + re.sub(r"<[^>]+>", value.replace("\\", r"\\"), route).replace("^", "").replace("$", "")


@pytest.fixture
def browser(user: User, tenant) -> Client:
    """Of somebody who may do everything: administrator of the tenant, and operator."""
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture
def known(running, tenant, user, actor) -> dict[str, str]:
    """By the beginning of an address, what it has an id of."""
    key = KeyPair.objects.create(tenant=tenant, name="k", key_type="rsa", public_key="ssh-rsa AAAA", fingerprint="f")
    ConsoleOutput.objects.get_or_create(instance=running, defaults={"text": b"login: "})
    invitation, token = invite(tenant, actor=actor)
    found = {
        "instances/": running.ec2_id,
        "key-pairs/": key.ec2_id,
        "access-keys/": create_access_key(tenant, user, actor=actor)[0].access_key_id,
        "members/invitations/": str(invitation.pk),
        "members/": str(Membership.objects.get(tenant=tenant).pk),
        "invitations/": token,
    }
    for model in admin.site._registry:
        row = model._default_manager.first()
        if row is not None:
            found[f"admin/{model._meta.app_label}/{model._meta.model_name}/"] = str(row.pk)
    return found


def id_for(route: str, known: dict[str, str]) -> str:
    return next((known[start] for start in known if route.startswith(start)), "1")


def names_in(response: Any) -> set[str]:
    """Of the fields of a page's forms."""
    return set(re.findall(r'<(?:input|select|textarea|button)[^>]* name="([^"]+)"', response.content.decode()))


@pytest.fixture(scope="module")
def names() -> dict[str, set[str]]:
    """By address, the names of the fields on its page: the same whatever is sent."""
    return {}


def ask(browser: Client, place: str, value: str, names: dict[str, set[str]]) -> Iterator[Any]:
    if place not in names:
        names[place] = names_in(browser.get(place)) | NAMES
    fields = dict.fromkeys(names[place], value)
    yield browser.get(place, fields)
    yield browser.post(place, fields)


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_address_breaks(kind: str, browser: Client, known: dict[str, str], user: User, names: dict[str, set[str]]):
    value, broken = HOSTILE[kind], set()
    for route, converters in addresses_for(kind):
        for place in [fill(route, id_for(route, known)), *([fill(route, value)] if converters and value else [])]:
            before = transaction.savepoint()
            browser.force_login(user)  # some addresses sign out
            for answer in ask(browser, place, value, names):
                if answer.status_code >= 500 and route != "healthz":
                    broken.add(f"{answer.request['REQUEST_METHOD']} {route}")
            transaction.savepoint_rollback(before)

    assert not broken


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_address_breaks_for_strangers(kind: str, known: dict[str, str], settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    value, broken = HOSTILE[kind], set()
    names: dict[str, set[str]] = {}
    stranger = Client(raise_request_exception=False)
    for route in ("", "sign-in/", "password/reset/", "invitations/<token>/", "password/reset/<uidb64>/<token>/"):
        for place in (fill(route, id_for(route, known)), fill(route, value)):
            for answer in ask(stranger, place, value, names):
                if answer.status_code >= 500:
                    broken.add(f"{answer.request['REQUEST_METHOD']} {route}")

    assert not broken


@pytest.mark.parametrize(
    "current", ["http://[::1", "http://x/?page=%00&state=%FF", "nothing at all", "?" + "a=b&" * 20_000]
)
def test_what_htmx_says_of_its_page_may_be_anything(current: str, browser: Client, known: dict[str, str], user: User):
    browser.force_login(user)
    headers = {"HX-Request": "true", "HX-Current-URL": current}

    answer = browser.post("/instances/act/", {"do": "start", "id": known["instances/"]}, headers=headers)

    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("address", ["/profile/", "/instances/launch/", "/sign-in/", "/admin/compute/host/add/"])
def test_a_form_that_is_too_large_is_refused_in_words(address: str, browser: Client, user: User):
    browser.force_login(user)

    answer = browser.post(address, "name=" + "x" * 5_000_000, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 400
    assert "4 MiB" in answer.content.decode()


@pytest.mark.parametrize("body", [b"name=\xff\xfe", b"%", b"=", b"&&&", b"name=%ED%A0%80", b"--x\r\nbroken"])
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; charset=klingon"]
)
def test_a_broken_body_breaks_nothing(body: bytes, kind: str, browser: Client, known: dict[str, str], user: User):
    browser.force_login(user)

    answers = [
        browser.generic("POST", address, body, content_type=kind)
        for address in ("/", "/instances/launch/", "/sign-in/")
    ]

    assert all(answer.status_code < 500 for answer in answers)
