"""Answers to htmx: the part that was asked for, and what else changed on the page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme

EMPTY_DIALOG = '<div id="dialog" hx-swap-oob="true"></div>'


def is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def parts(request: HttpRequest, *templates: str, context: Mapping[str, object], extra: str = "") -> HttpResponse:
    """These templates one after the other, and the messages; those after the first swap themselves in."""
    values = {**context, "is_part": True}
    bodies = [render_to_string(name, values, request) for name in templates]
    bodies.append(render_to_string("portal/_messages.html", {"oob": True}, request))
    return HttpResponse("".join(bodies) + extra)


def page_query(request: HttpRequest) -> QueryDict:
    """The query of the page that an htmx request comes from."""
    try:
        return QueryDict(urlsplit(request.headers.get("HX-Current-URL", "")).query)
    except ValueError:
        return QueryDict()


def safe_next(request: HttpRequest, default: str) -> str:
    """Where the form or the link wants to go on, if that is on this site."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    allowed = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if allowed else default
