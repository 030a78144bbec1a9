"""Knobs of sign-in and mail: what the environment says and what the settings become."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("OIDC_", "LDAP_", "EMAIL", "SIGN_IN_", "DJANGO_", "DATABASE_URL", "SECRET_KEY")


def ask(tmp_path: Path, expression: str, **knobs: str) -> subprocess.CompletedProcess[str]:
    """The value of an expression over the settings of a fresh process with these knobs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    code = f"from django.conf import settings; import portal.settings as s; print({expression})"
    env = {**kept, "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "portal.settings", **knobs}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)


def value(tmp_path: Path, expression: str, **knobs: str) -> str:
    done = ask(tmp_path, expression, **knobs)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_configured_means_passwords_alone(tmp_path):
    backends = value(tmp_path, "[b.rsplit('.')[-1] for b in s.AUTHENTICATION_BACKENDS]")

    assert backends == "['AxesStandaloneBackend', 'ModelBackend']"
    assert value(tmp_path, "s.EMAIL_BACKEND").endswith("console.EmailBackend")


def test_a_client_id_turns_openid_connect_on(tmp_path):
    knobs = {"OIDC_CLIENT_ID": "yushan", "OIDC_ISSUER": "https://id.example.org", "OIDC_TENANT": "guests"}

    found = value(tmp_path, "s.AUTHENTICATION_BACKENDS[-1], s.OIDC_TENANT", **knobs)

    assert found == "portal.oidc.OidcBackend guests"


def test_a_client_id_alone_is_refused_with_what_is_missing(tmp_path):
    done = ask(tmp_path, "1", OIDC_CLIENT_ID="yushan")

    assert done.returncode != 0
    assert "set OIDC_ISSUER too" in done.stderr


def test_an_address_turns_ldap_on(tmp_path):
    knobs = {"LDAP_URL": "ldap://d.example.org", "LDAP_USER_SEARCH": "dc=example,dc=org", "LDAP_START_TLS": "1"}

    found = value(tmp_path, "s.AUTHENTICATION_BACKENDS[-1], s.AUTH_LDAP_START_TLS", **knobs)

    assert found == "portal.directory.DirectoryBackend True"


def test_ldap_without_a_place_to_search_is_refused(tmp_path):
    assert "LDAP_USER_SEARCH" in ask(tmp_path, "1", LDAP_URL="ldap://d.example.org").stderr


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, "587 True False"),
        ({"EMAIL_PORT": "465", "EMAIL_USE_SSL": "1"}, "465 False True"),
        ({"EMAIL_PORT": "25"}, "25 False False"),
    ],
)
def test_a_mail_server_is_spoken_to_as_its_port_suggests(tmp_path, knobs, expected):
    found = value(
        tmp_path, "s.EMAIL_PORT, s.EMAIL_USE_TLS, s.EMAIL_USE_SSL, sep=' '", EMAIL_HOST="mail.example.org", **knobs
    )

    assert found == expected
