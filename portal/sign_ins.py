"""Sign-ins in the audit trail."""

from __future__ import annotations

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from portal import audit
from portal.audit import Actor, Door
from portal.middleware import CHOSEN_TENANT
from portal.models import User


def record_sign_in(request: HttpRequest, user: User, **_: object) -> None:
    actor = Actor(user, Door.PORTAL, str(request.META.get("REMOTE_ADDR", ""))[:45])
    how = str(getattr(user, "backend", "")).rsplit(".", 1)[-1]
    audit.record(actor, "sign in", "user", [user.username], tenant=None, through=how)
    if first := user.tenants.first():
        request.session.setdefault(CHOSEN_TENANT, first.account_id)


def record_lock(request: HttpRequest, username: str | None, ip_address: str | None, **_: object) -> None:
    """Once for each lock: what comes after the first refusal says nothing new."""
    if getattr(request, "axes_failures_since_start", None) is not None:
        actor = Actor(None, Door.PORTAL, (ip_address or "")[:45])
        audit.record(actor, "sign-in locked", "user", [(username or "")[:80]], tenant=None)


def connect() -> None:
    user_logged_in.connect(record_sign_in, dispatch_uid="record-sign-in")
    user_locked_out.connect(record_lock, dispatch_uid="record-lock")
