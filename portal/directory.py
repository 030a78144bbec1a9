"""Sign-in by an LDAP directory, on top of django-auth-ldap."""

from __future__ import annotations

from typing import Any

import ldap
from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest
from django_auth_ldap.backend import LDAPBackend, ldap_error

from portal.identities import Person, user_for
from portal.models import User


class DirectoryBackend(LDAPBackend):  # type: ignore[misc]
    """Who a name and a password belong to in the directory.

    The library looks accounts up by user name, and would let the directory's "admin" into ours; here the entry's
    DN decides.
    """

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        """Called when the directory has accepted the password."""
        person = person_of(username, ldap_user.dn, ldap_user.attrs)
        request = ldap_user._request
        address = str(request.META.get("REMOTE_ADDR", ""))[:45] if request is not None else ""
        return user_for(person, tenant_name=settings.LDAP_TENANT, address=address), False

    def get_user(self, user_id: int) -> User | None:
        """The user of a session, unless they may not sign in any more; the directory is not asked again."""
        return User.objects.filter(pk=user_id, is_active=True).first()


def person_of(username: str, dn: str, attributes: Any) -> Person:
    def first(name: str) -> str:
        values = (attributes or {}).get(name) or [""]
        return str(values[0])

    return Person(
        issuer=settings.AUTH_LDAP_SERVER_URI,
        subject=dn.lower(),
        username=username.lower(),
        email=first("mail"),
        email_is_verified=settings.LDAP_TRUST_EMAIL,
        first_name=first("givenName"),
        last_name=first("sn"),
    )


@receiver(ldap_error, dispatch_uid="directory-is-down")
def note_silence(request: HttpRequest | None, exception: Exception, **_: object) -> None:
    """A directory that does not answer has refused no password: the form says so, and no attempt is counted."""
    silent = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.UNAVAILABLE, ldap.INVALID_CREDENTIALS)
    if request is not None and isinstance(exception, silent):
        request.directory_is_down = True  # type: ignore[attr-defined]
