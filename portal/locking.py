"""Whom django-axes counts, whom it does not, and what a locked-out person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def counted_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str | None:
    """The name as it is counted: a directory takes it in any case, so another case is no other name."""
    given = (credentials or {}).get("username") or request.POST.get("username")
    return str(given).strip().lower()[:255] if given else None


def is_not_counted(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> bool:
    """OpenID Connect, where there is no password to guess here, and a directory that did not look at the password."""
    if getattr(request, "directory_is_down", False):
        return True
    return credentials is not None and not credentials.get("username")


def client_address(request: HttpRequest) -> str:
    """As the web server says it, which alone knows the proxies it trusts (FORWARDED_ALLOW_IPS)."""
    return str(request.META.get("REMOTE_ADDR", ""))


def locked(request: HttpRequest, original: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    response = render(request, "registration/locked.html", {"minutes": minutes}, status=429)
    response.headers["Retry-After"] = str(minutes * 60)
    return response
