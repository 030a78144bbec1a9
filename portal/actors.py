"""Who asks, as the audit trail wants to know it."""

from __future__ import annotations

from django.http import HttpRequest

from portal.audit import Actor, Door
from portal.models import User


def actor_of(request: HttpRequest, door: Door = Door.PORTAL) -> Actor:
    """The signed-in user of a page, and the address it was asked from."""
    user = request.user if isinstance(request.user, User) else None
    return Actor(user=user, door=door, address=str(request.META.get("REMOTE_ADDR", ""))[:45])
