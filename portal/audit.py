"""Writing the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from portal.inserting import insert
from portal.models import AuditEntry, Tenant, User


class Door(StrEnum):
    """Through which entrance a change came."""

    PORTAL = "portal"
    API = "api"
    ADMIN = "admin"
    COMMAND = "command"
    CLOUD = "cloud"  # the cloud itself: a guest that shut down, a host that failed


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, from where, through which door."""

    user: User | None
    door: Door
    address: str = ""
    access_key_id: str = ""

    @property
    def name(self) -> str:
        if self.user is None:
            return "Yushan"
        return f"{self.user.username} ({self.access_key_id})" if self.access_key_id else self.user.username


CLOUD = Actor(user=None, door=Door.CLOUD)


def record(
    actor: Actor, verb: str, resource_type: str, resource_ids: Iterable[str], *, tenant: Tenant | None, **detail: object
) -> None:
    """Add one entry for each resource, in the caller's transaction."""
    insert(
        AuditEntry(
            tenant=tenant,
            user=actor.user,
            who=actor.name[:200],
            door=actor.door,
            address=actor.address,
            verb=verb,
            resource_type=resource_type,
            resource_id=resource_id[:80],
            detail=detail,
        )
        for resource_id in resource_ids
    )
