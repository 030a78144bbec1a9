"""Tenants and their keys: what operators, administrators and the demo make."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import MAX_ACCESS_KEYS, AccessKey, Membership, Quota, Resource, Role, Tenant, User
from portal.sealing import seal

DEFAULT_LIMITS: dict[str, int] = {
    Resource.INSTANCES: 20,
    Resource.VCPUS: 40,
    Resource.MEMORY_MIB: 64 * 1024,
    Resource.VOLUMES: 60,
    Resource.VOLUME_GIB: 1000,
    Resource.ADDRESSES: 5,
    Resource.SNAPSHOTS: 200,
    Resource.IMAGES: 50,
}


@transaction.atomic
def create_tenant(name: str, *, actor: Actor, limits: Mapping[str, int] | None = None) -> Tenant:
    """A tenant; its quotas and its default network come with it."""
    tenant = Tenant.objects.create(name=name)
    for resource, limit in (limits or {}).items():
        Quota.objects.filter(tenant=tenant, resource=resource).update(limit=limit)
    audit.record(actor, "create", "tenant", [tenant.account_id], tenant=tenant)
    return tenant


def give_default_quotas(instance: Tenant, created: bool, **_: object) -> None:
    """Every new tenant begins with some quota of everything, whichever way it was made."""
    if created:
        Quota.objects.bulk_create(
            Quota(tenant=instance, resource=resource, limit=limit) for resource, limit in DEFAULT_LIMITS.items()
        )


@transaction.atomic
def add_member(tenant: Tenant, user: User, role: Role, *, actor: Actor) -> Membership:
    membership, made = Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": role})
    if made:
        audit.record(actor, "add member", "user", [user.username], tenant=tenant, role=role)
    return membership


@transaction.atomic
def create_access_key(tenant: Tenant, user: User, *, actor: Actor) -> tuple[AccessKey, str]:
    """A new key and its secret, which is shown this once.  Raises CloudError beyond two keys."""
    Membership.objects.select_for_update().get(tenant=tenant, user=user)  # two at once count one another
    if AccessKey.objects.filter(tenant=tenant, user=user).count() >= MAX_ACCESS_KEYS:
        text = _("%(user)s has %(most)s access keys in %(tenant)s already; delete one first")
        raise CloudError(text % {"user": user, "most": MAX_ACCESS_KEYS, "tenant": tenant}, code="LimitExceeded")
    secret = secrets.token_urlsafe(30)
    key = AccessKey.objects.create(tenant=tenant, user=user, sealed_secret=seal(secret))
    audit.record(actor, "create", "access-key", [key.access_key_id], tenant=tenant)
    return key, secret


@transaction.atomic
def delete_access_key(key: AccessKey, *, actor: Actor) -> None:
    audit.record(actor, "delete", "access-key", [key.access_key_id], tenant=key.tenant)
    key.delete()


@transaction.atomic
def set_access_key_active(key: AccessKey, is_active: bool, *, actor: Actor) -> None:
    """Let a key work, or stop it from working without deleting it."""
    changed = AccessKey.objects.filter(pk=key.pk).exclude(is_active=is_active).update(is_active=is_active)
    key.is_active = is_active
    if changed:
        verb = "activate" if is_active else "deactivate"
        audit.record(actor, verb, "access-key", [key.access_key_id], tenant=key.tenant)
