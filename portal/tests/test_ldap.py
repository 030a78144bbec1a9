"""Sign-in by LDAP, against a real slapd of the test's own, and against one that is away."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from django.utils import timezone

from portal.models import Identity, Tenant, User

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/libexec")
SCHEMAS = Path("/etc/ldap/schema")
pytestmark = pytest.mark.skipif(
    SLAPD is None or not SCHEMAS.is_dir(), reason="slapd is not installed (Debian package slapd)"
)

CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {home}/slapd.pid
argsfile {home}/slapd.args
TLSCertificateFile {home}/server.pem
TLSCertificateKeyFile {home}/server.key
database mdb
suffix "dc=example,dc=org"
rootdn "cn=root,dc=example,dc=org"
rootpw root
directory {home}/data
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by dn="cn=reader,dc=example,dc=org" read by self read by * none
"""
PEOPLE = """
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=reader,dc=example,dc=org
objectClass: person
cn: reader
sn: reader
userPassword: reads

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=mei,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: mei
cn: Mei Lin
givenName: Mei
sn: Lin
mail: mei@example.org
userPassword: in-the-directory

dn: uid=admin,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: admin
cn: Not the operator
sn: Other
userPassword: in-the-directory

dn: cn=cloud,ou=people,dc=example,dc=org
objectClass: groupOfNames
cn: cloud
member: uid=mei,ou=people,dc=example,dc=org
"""


class Directory(NamedTuple):
    url: str
    certificate: Path


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    """A slapd in a directory of its own; Debian's service, if there is one, is left alone."""
    assert SLAPD is not None
    with tempfile.TemporaryDirectory(prefix="yu-ldap-") as name:
        home, url = Path(name), f"ldap://127.0.0.1:{free_port()}"
        (home / "data").mkdir()
        (home / "slapd.conf").write_text(CONFIGURATION.format(home=home, schemas=SCHEMAS))
        make_certificate(home)
        (home / "people.ldif").write_text(PEOPLE.lstrip())
        add = [SLAPD, "-Ta", "-f", str(home / "slapd.conf"), "-l", str(home / "people.ldif")]
        subprocess.run(add, check=True, capture_output=True)
        server = subprocess.Popen([SLAPD, "-d", "0", "-f", home / "slapd.conf", "-h", url])
        try:
            wait_for(int(url.rsplit(":", 1)[1]))
            yield Directory(url, home / "server.pem")
        finally:
            server.terminate()
            server.wait(10)


def make_certificate(home: Path) -> None:
    """A certificate for 127.0.0.1 that its own file vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = timezone.now()
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (home / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    (home / "server.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"slapd does not listen on port {port}")


def configure(settings, url: str, **more: object) -> None:
    import ldap
    from django_auth_ldap.config import GroupOfNamesType, LDAPSearch

    values: dict[str, object] = {
        "LDAP_URL": url,
        "LDAP_TENANT": "",
        "LDAP_TRUST_EMAIL": False,
        "AUTH_LDAP_SERVER_URI": url,
        "AUTH_LDAP_BIND_DN": "cn=reader,dc=example,dc=org",
        "AUTH_LDAP_BIND_PASSWORD": "reads",
        "AUTH_LDAP_USER_SEARCH": LDAPSearch("ou=people,dc=example,dc=org", ldap.SCOPE_SUBTREE, "(uid=%(user)s)"),
        "AUTH_LDAP_ALWAYS_UPDATE_USER": False,
        "AUTH_LDAP_GROUP_TYPE": GroupOfNamesType(),
        "AUTH_LDAP_GROUP_SEARCH": LDAPSearch("ou=people,dc=example,dc=org", ldap.SCOPE_SUBTREE, "(cn=cloud)"),
        "AUTH_LDAP_CONNECTION_OPTIONS": {ldap.OPT_REFERRALS: 0, ldap.OPT_NETWORK_TIMEOUT: 2},
        "AUTHENTICATION_BACKENDS": [*settings.AUTHENTICATION_BACKENDS, "portal.directory.DirectoryBackend"],
    }
    for name, value in {**values, **more}.items():
        setattr(settings, name, value)


@pytest.fixture
def people(settings, directory, db) -> str:
    configure(settings, directory.url)
    return directory.url


def sign_in(browser: Client, name: str, password: str = "in-the-directory"):
    return browser.post("/sign-in/", {"username": name, "password": password})


def who(browser: Client) -> str:
    return User.objects.get(pk=browser.session["_auth_user_id"]).username


def test_somebody_in_the_directory_becomes_a_user_and_stays_the_same_one(client, people):
    assert sign_in(client, "mei").status_code == 302

    user = User.objects.get(username="mei")
    assert (user.first_name, user.last_name, user.email) == ("Mei", "Lin", "mei@example.org")
    assert not user.email_is_confirmed
    assert not user.has_usable_password()
    again = Client()
    sign_in(again, "MEI")
    assert who(again) == "mei"
    assert User.objects.count() == 1
    assert client.get("/profile/").status_code == 200


@pytest.mark.parametrize("name", ["mei", "*", "m*", "mei)(uid=*", "nobody"])
@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_lets_nobody_in(client, people, name, password):
    response = sign_in(client, name, password)

    assert response.status_code == 200
    assert not User.objects.exists()


def test_a_name_in_the_directory_is_not_the_account_of_that_name_here(client, people):
    operator = User.objects.create_superuser("admin", password="correct horse battery")

    sign_in(client, "admin")

    assert who(client) == "admin-2"
    assert not User.objects.get(username="admin-2").is_superuser
    here = Client()
    sign_in(here, "admin", "correct horse battery")
    assert who(here) == operator.username


def test_an_address_that_people_write_themselves_opens_nobodys_account(client, people, settings):
    User.objects.create_user("victim", email="mei@example.org", email_is_confirmed=True)

    sign_in(client, "mei")
    assert who(client) == "mei"

    Identity.objects.all().delete()
    settings.LDAP_TRUST_EMAIL = True
    other = Client()
    sign_in(other, "mei")
    assert who(other) == "victim"


def test_new_users_join_the_configured_tenant(client, people, settings):
    settings.LDAP_TENANT = Tenant.objects.create(name="campus").name

    sign_in(client, "mei")

    assert Tenant.objects.get(users__username="mei").name == "campus"


def test_only_the_required_group_comes_in(client, people, settings):
    settings.AUTH_LDAP_REQUIRE_GROUP = "cn=cloud,ou=people,dc=example,dc=org"

    assert sign_in(client, "admin").status_code == 200
    assert sign_in(client, "mei").status_code == 302


def test_guesses_against_the_directory_are_slowed_too(client, people, settings):
    settings.AXES_FAILURE_LIMIT = 2

    assert [sign_in(client, name, "guess").status_code for name in ("mei", "Mei")] == [200, 429]
    assert sign_in(client, "mei").status_code == 429


def test_the_session_of_who_may_not_sign_in_any_more_ends(client, people):
    sign_in(client, "mei")
    before = client.get("/profile/").status_code
    User.objects.update(is_active=False)

    assert before == 200
    assert client.get("/profile/").status_code == 302


def test_who_may_not_sign_in_any_more_may_not_this_way_either(client, people):
    sign_in(Client(), "mei")
    User.objects.update(is_active=False)

    assert sign_in(client, "mei").status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_directory_that_is_away_is_named_and_counts_as_no_guess(client, settings, user):
    configure(settings, f"ldap://127.0.0.1:{free_port()}")
    settings.AXES_FAILURE_LIMIT = 2

    for _n in range(3):
        response = sign_in(client, "mei")
        assert response.status_code == 200
        assert "does not answer" in response.content.decode()

    assert sign_in(client, "ann", "correct horse battery").status_code == 302


LOOK = """
import django; django.setup()
from django_auth_ldap.backend import _LDAPUser
from portal.directory import DirectoryBackend
print(_LDAPUser(DirectoryBackend(), username="mei").dn)
"""


@pytest.mark.parametrize(("trusted", "found"), [(True, "uid=mei,ou=people,dc=example,dc=org"), (False, "None")])
def test_the_knobs_reach_the_directory_and_only_over_tls_that_can_be_trusted(directory, tmp_path, trusted, found):
    knobs = {
        "LDAP_URL": directory.url,
        "LDAP_START_TLS": "1",
        "LDAP_BIND_DN": "cn=reader,dc=example,dc=org",
        "LDAP_BIND_PASSWORD": "reads",
        "LDAP_USER_SEARCH": "ou=people,dc=example,dc=org",
        **({"LDAP_CA_FILE": str(directory.certificate)} if trusted else {}),
    }
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings", "DATA_DIR": str(tmp_path), **knobs}

    done = subprocess.run([sys.executable, "-c", LOOK], env=env, capture_output=True, text=True)

    assert done.stdout.strip() == found, done.stderr
