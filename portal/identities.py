"""From what a sign-in service says of a person to the user that this person is here."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from portal import audit
from portal.audit import Actor, Door
from portal.models import Identity, Role, Tenant, User
from portal.tenants import add_member

logger = logging.getLogger(__name__)
UNFIT = re.compile(r"[^\w.@+-]+")
MAX_USERNAME = 150


@dataclass(frozen=True, slots=True)
class Person:
    """What a sign-in service says.  ``subject`` never changes and is nobody else's there; all the rest may change."""

    issuer: str
    subject: str
    username: str
    email: str = ""
    email_is_verified: bool = False
    first_name: str = ""
    last_name: str = ""


@transaction.atomic
def user_for(person: Person, *, tenant_name: str, address: str) -> User:
    """The user who this person is: by identity, else by an e-mail address confirmed on both sides, else a new one.

    A user name alone links to nobody: the same name here and there may be two people.
    """
    known = Identity.objects.select_related("user").filter(issuer=person.issuer, subject=person.subject).first()
    if known is not None:
        _refresh(known.user, person)
        return known.user
    user, linked = _user_with_address_of(person), True
    if user is None:
        user, linked = _new_user(person), False
    Identity.objects.create(user=user, issuer=person.issuer, subject=person.subject)
    actor = Actor(user, Door.PORTAL, address)
    verb = "link identity" if linked else "create"
    audit.record(actor, verb, "user", [user.username], tenant=None, issuer=person.issuer)
    if not linked and tenant_name:
        _join(tenant_name, user, actor)
    return user


def _user_with_address_of(person: Person) -> User | None:
    if not (person.email and person.email_is_verified):
        return None
    return User.objects.filter(email__iexact=person.email, email_is_confirmed=True).first()


def _new_user(person: Person) -> User:
    email = _free_address(person)
    user = User(
        username=free_username(person.username),
        email=email,
        email_is_confirmed=bool(email) and person.email_is_verified,
        first_name=person.first_name[:150],
        last_name=person.last_name[:150],
    )
    user.set_unusable_password()
    user.save()
    return user


def _refresh(user: User, person: Person) -> None:
    """Names follow the service; an address is filled in where there is none."""
    fresh = {"first_name": person.first_name[:150], "last_name": person.last_name[:150]}
    changed = {name: value for name, value in fresh.items() if value and getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    fields = list(changed)
    if not user.email and (email := _free_address(person)):
        user.email, user.email_is_confirmed = email, person.email_is_verified
        fields += ["email", "email_is_confirmed"]
    if fields:
        user.save(update_fields=fields)


def _free_address(person: Person) -> str:
    """The person's address, if it is one and nobody here has it."""
    try:
        validate_email(person.email)
    except ValidationError:
        return ""
    return "" if User.objects.filter(email__iexact=person.email).exists() else person.email


def free_username(wanted: str) -> str:
    """``wanted``, made fit, with a number behind it where somebody has that name."""
    base = UNFIT.sub("-", wanted).strip("-")[: MAX_USERNAME - 8] or "user"
    taken = {
        name.lower() for name in User.objects.filter(username__istartswith=base).values_list("username", flat=True)
    }
    if base.lower() not in taken:
        return base
    number = next(n for n in range(2, len(taken) + 3) if f"{base}-{n}".lower() not in taken)
    return f"{base}-{number}"


def _join(tenant_name: str, user: User, actor: Actor) -> None:
    tenant = Tenant.objects.filter(name=tenant_name).first()
    if tenant is None:
        logger.error("new user %s joins no tenant: there is none named %s", user, tenant_name)
        return
    add_member(tenant, user, Role.MEMBER, actor=actor)
