"""What every page needs: the tenant one works in, one's language, a policy against foreign content, sound input."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation

from portal.models import Membership, Tenant

logger = logging.getLogger(__name__)
Respond = Callable[[HttpRequest], HttpResponse]

CHOSEN_TENANT = "tenant"  # in the session: the account id last switched to
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


class TenantRequest(HttpRequest):
    """A request of somebody signed in, working in one of their tenants."""

    tenant: Tenant
    membership: Membership
    memberships: Sequence[Membership]


def tenant_middleware(get_response: Respond) -> Respond:
    """Set ``request.memberships``, ``.membership`` and ``.tenant``: empty and None where there are none.

    The session only says which was chosen; whether one still belongs to it is looked up each time.  Requests without
    a session cookie, such as those of EC2 clients, cost no query.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        found = memberships_of(request)
        chosen = choose(found, request)
        request.memberships = found  # type: ignore[attr-defined]
        request.membership = chosen  # type: ignore[attr-defined]
        request.tenant = chosen.tenant if chosen else None  # type: ignore[attr-defined]
        return get_response(request)

    return respond


def memberships_of(request: HttpRequest) -> list[Membership]:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
        return []
    mine = Membership.objects.filter(user=request.user)
    return list(mine.select_related("tenant").order_by("tenant__name"))


def choose(found: Sequence[Membership], request: HttpRequest) -> Membership | None:
    if not found:
        return None
    chosen = request.session.get(CHOSEN_TENANT)
    return next((m for m in found if m.tenant.account_id == chosen), found[0])


def language_middleware(get_response: Respond) -> Respond:
    """The language that a user has chosen goes before the browser's."""

    def respond(request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated and request.user.language:
            translation.activate(request.user.language)
            request.LANGUAGE_CODE = translation.get_language() or settings.LANGUAGE_CODE
        return get_response(request)

    return respond


def content_policy_middleware(get_response: Respond) -> Respond:
    """Pages may load from this site alone, and nothing inline: what slips into a page as text stays text."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not (settings.DEBUG and response.status_code == 500):  # Django's own page of a traceback is all inline
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return respond


class MalformedInput:
    """What no column can hold is the sender's error and not ours, on whichever page it arrives.

    PostgreSQL refuses NUL bytes in text, SQLite numbers beyond 64 bits; forms notice, lookups by an address do not.
    """

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404
        if "%00" in request.META.get("QUERY_STRING", "") and request.path_info != "/":  # there the EC2 API answers
            raise BadRequest("a NUL byte in the query")
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, (DataError, OverflowError)):
            return None
        logger.warning("refused what was sent to %s: %s", request.resolver_match, exception)
        return render(request, "400.html", status=400)
