"""Sign-in by OpenID Connect, against a real provider, and against one that lies."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from portal.models import AuditEntry, Identity, Membership, Tenant, User
from portal.oidc import discovered

oidc_provider_mock = pytest.importorskip("oidc_provider_mock", reason="oidc-provider-mock is not installed")


@pytest.fixture(scope="module")
def issuer():
    with oidc_provider_mock.run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def provider(issuer, settings, db):
    configure(settings, issuer)
    return issuer


def configure(settings, issuer: str) -> None:
    discovered.cache_clear()
    settings.OIDC_RP_CLIENT_ID = "yushan"
    settings.OIDC_RP_CLIENT_SECRET = "secret"
    settings.OIDC_ISSUER = issuer
    settings.OIDC_TENANT = ""
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, "portal.oidc.OidcBackend"]


def set_claims(issuer: str, subject: str, **claims: Any) -> None:
    requests.put(f"{issuer}/users/{subject}", json=claims, timeout=10).raise_for_status()


def sign_in(browser: Client, subject: str, next_url: str = ""):
    """The whole way: our page, the provider's page, back."""
    begun = browser.get("/sign-in/oidc/", {"next": next_url} if next_url else {})
    answered = requests.post(begun.headers["Location"], data={"sub": subject}, allow_redirects=False, timeout=10)
    back = urlsplit(answered.headers["Location"])
    assert back.path == "/sign-in/oidc/callback"
    return browser.get(f"{back.path}?{back.query}")


def who(browser: Client) -> str:
    return User.objects.get(pk=browser.session["_auth_user_id"]).username


def test_a_new_person_becomes_a_user_and_stays_the_same_one(client, provider):
    claims = {"email": "mei@example.org", "email_verified": True, "preferred_username": "mei", "given_name": "Mei"}
    set_claims(provider, "s-1", **claims)

    assert sign_in(client, "s-1").headers["Location"] == "/"

    user = User.objects.get(username="mei")
    assert (user.email, user.email_is_confirmed, user.first_name) == ("mei@example.org", True, "Mei")
    assert not user.has_usable_password()
    assert not user.is_staff
    set_claims(provider, "s-1", **{**claims, "email": "else@example.org", "preferred_username": "renamed"})
    again = Client()
    sign_in(again, "s-1")
    assert who(again) == "mei"
    assert User.objects.count() == 1
    assert AuditEntry.objects.filter(verb="sign in").count() == 2


def test_new_users_join_the_configured_tenant(client, provider, settings):
    settings.OIDC_TENANT = Tenant.objects.create(name="guests").name
    set_claims(provider, "s-2", preferred_username="mei")

    sign_in(client, "s-2")

    membership = Membership.objects.get(user__username="mei")
    assert (membership.tenant.name, membership.role) == ("guests", "member")


def test_without_a_tenant_one_waits_for_an_invitation(client, provider):
    sign_in(client, "s-3")

    page = client.get("/access-keys/")

    assert page.status_code == 403
    assert "ask an administrator" in page.content.decode()


def test_one_returns_to_the_page_one_wanted_and_nowhere_else(provider):
    assert sign_in(Client(), "s-4", "/profile/").headers["Location"] == "/profile/"
    assert sign_in(Client(), "s-4", "https://example.org/").headers["Location"] == "/"


def test_an_address_confirmed_on_both_sides_leads_to_the_account_that_is_there(client, provider):
    ann = User.objects.create_user("ann", email="ann@example.org", email_is_confirmed=True)
    set_claims(provider, "s-5", email="Ann@example.org", email_verified=True, preferred_username="other")

    sign_in(client, "s-5")

    assert who(client) == "ann"
    assert Identity.objects.get().user == ann


@pytest.mark.parametrize(("ours", "theirs"), [(True, False), (False, True), (True, None)])
def test_an_address_unproven_on_either_side_leads_to_nobodys_account(client, provider, ours, theirs):
    User.objects.create_user("ann", email="ann@example.org", email_is_confirmed=ours)
    said = {} if theirs is None else {"email_verified": theirs}
    set_claims(provider, "s-6", email="ann@example.org", preferred_username="ann", **said)

    sign_in(client, "s-6")

    assert who(client) == "ann-2"
    assert User.objects.get(username="ann-2").email == ""


def test_the_name_of_an_operator_does_not_make_one(client, provider):
    User.objects.create_superuser("admin")
    set_claims(provider, "s-7", preferred_username="Admin")

    sign_in(client, "s-7")

    assert who(client) == "Admin-2"
    assert not User.objects.get(username="Admin-2").is_superuser


def test_the_session_of_who_may_not_sign_in_any_more_ends(client, provider):
    sign_in(client, "s-8")
    before = client.get("/profile/").status_code
    User.objects.update(is_active=False)

    assert before == 200
    assert client.get("/profile/").status_code == 302


def test_who_may_not_sign_in_any_more_may_not_this_way_either(client, provider):
    sign_in(Client(), "s-8")
    User.objects.update(is_active=False)

    response = sign_in(client, "s-8")

    assert response.headers["Location"] == "/sign-in/"
    assert "_auth_user_id" not in client.session


def test_a_callback_that_nobody_asked_for_is_refused(client, provider):
    mine = Client()
    begun = mine.get("/sign-in/oidc/")
    answered = requests.post(begun.headers["Location"], data={"sub": "s-9"}, allow_redirects=False, timeout=10)
    query = urlsplit(answered.headers["Location"]).query

    response = client.get(f"/sign-in/oidc/callback?{query}", follow=True)

    assert "did not work" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_code_works_once(client, provider):
    begun = client.get("/sign-in/oidc/")
    answered = requests.post(begun.headers["Location"], data={"sub": "s-9"}, allow_redirects=False, timeout=10)
    query = urlsplit(answered.headers["Location"]).query

    assert client.get(f"/sign-in/oidc/callback?{query}").headers["Location"] == "/"
    assert client.get(f"/sign-in/oidc/callback?{query}").headers["Location"] == "/sign-in/"


def test_the_page_has_the_button_only_where_it_leads_somewhere(client, settings, db):
    assert "oidc" not in client.get("/sign-in/").content.decode()
    assert client.get("/sign-in/oidc/").status_code == 404

    configure(settings, "http://localhost:9")
    settings.OIDC_NAME = "Campus"

    assert "Sign in with Campus" in client.get("/sign-in/").content.decode()


def test_a_provider_that_is_away_is_reported_and_passwords_go_on_working(client, settings, user):
    configure(settings, "http://localhost:9")

    assert "did not work" in client.get("/sign-in/oidc/", follow=True).content.decode()
    signed_in = client.post("/sign-in/", {"username": "ann", "password": "correct horse battery"}, follow=True)

    assert signed_in.wsgi_request.user.is_authenticated


# A provider that lies

RIGHT = {"iss": "{issuer}", "aud": "yushan", "sub": "s-1"}
LIES: dict[str, dict[str, object]] = {
    "for another site": {"aud": "elsewhere"},
    "from another issuer": {"iss": "https://example.org"},
    "of another sign-in": {"nonce": "made-up"},
    "too old": {"exp": 1_000_000_000},
    "about somebody else": {"sub": "s-2"},
}


@pytest.fixture
def liar(settings, db):
    """A provider whose tokens say what a test wants."""
    import json
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    answers: dict[str, object] = {"/jwks": {"keys": [{**jwk, "kid": "k", "alg": "RS256"}]}, "/userinfo": {"sub": "s-1"}}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("localhost", 0), Answer)
    issuer = f"http://localhost:{server.server_port}"
    names = ("authorization", "token", "userinfo")
    answers["/.well-known/openid-configuration"] = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        **{f"{name}_endpoint": f"{issuer}/{name}" for name in names},
    }
    threading.Thread(target=server.serve_forever, daemon=True).start()
    configure(settings, issuer)

    def sign_in_with(browser: Client, signing_key: object = key, algorithm: str = "RS256", **lies: object):
        begun = parse_qs(urlsplit(browser.get("/sign-in/oidc/").headers["Location"]).query)
        claims = {**RIGHT, "iss": issuer, "nonce": begun["nonce"][0], "exp": time.time() + 60, **lies}
        token = jwt.encode(claims, signing_key, algorithm=algorithm, headers={"kid": "k"})  # type: ignore[arg-type]
        answers["/token"] = {"access_token": "a", "id_token": token}
        return browser.get("/sign-in/oidc/callback", {"code": "c", "state": begun["state"][0]})

    yield sign_in_with
    server.shutdown()
    server.server_close()


def test_a_token_that_is_right_is_taken(client, liar):
    assert liar(client).headers["Location"] == "/"
    assert Identity.objects.get().subject == "s-1"


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_is_wrong_is_refused(client, liar, lie):
    response = liar(client, **LIES[lie])

    assert response.headers["Location"] == "/sign-in/"
    assert not User.objects.exists()


def test_a_token_signed_by_somebody_else_is_refused(client, liar):
    forged = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    assert liar(client, forged).headers["Location"] == "/sign-in/"
    assert liar(client, None, "none").headers["Location"] == "/sign-in/"
    assert liar(client, "secret" * 8, "HS256").headers["Location"] == "/sign-in/"
    assert not User.objects.exists()
