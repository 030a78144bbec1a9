"""What every page needs: the tenant one works in, one's language, a policy against foreign content, sound input."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

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
    a session cookie, such as those of EC2 clients, cost no query.  What a page of one tenant sends is never carried
    out in another.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        found = memberships_of(request)
        chosen = choose(found, request)
        if chosen and chosen.tenant.account_id != request.session.get(CHOSEN_TENANT):
            was = request.session.get(CHOSEN_TENANT)
            work_in(request, chosen.tenant)
            if was and (answer := say_moved(request, chosen.tenant)):
                return answer
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


def work_in(request: HttpRequest, tenant: Tenant) -> None:
    """Remember the choice; forms that were opened in another tenant are void from now on."""
    if request.session.get(CHOSEN_TENANT) not in (None, tenant.account_id):
        rotate_token(request)
    request.session[CHOSEN_TENANT] = tenant.account_id


def say_moved(request: HttpRequest, tenant: Tenant) -> HttpResponse | None:
    """Who does not belong to their tenant any more works in the next one, but nothing is done there unasked."""
    if request.method in ("GET", "HEAD"):
        text = _("You do not belong to the tenant any more in which you worked. You work in %(tenant)s now.")
        messages.warning(request, text % {"tenant": tenant})
        return None
    text = _("You do not belong to the tenant any more in which you worked. Nothing was changed; this is %(tenant)s.")
    messages.error(request, text % {"tenant": tenant})
    home = reverse("home")
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": home})
    return HttpResponseRedirect(home)


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
        response = self.get_response(request)
        if response.status_code in (400, 405) and not response.content:  # Django's own refusals say nothing
            response.content = render_to_string("400.html", {"is_method": response.status_code == 405}, request)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, (DataError, OverflowError)):
            return None
        logger.warning("refused what was sent to %s: %s", request.resolver_match, exception)
        return render(request, "400.html", status=400)
