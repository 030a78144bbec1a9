"""The list of instances, and what is done to one or several of them."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from compute.doing import DOINGS, Outcome, carry_out
from compute.errors import InstanceNotFound
from compute.forms import SearchForm
from compute.listing import Shown, announcement, shown
from compute.models import Instance
from compute.views.instance import live_part
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.htmx import EMPTY_DIALOG, is_htmx, page_query, parts, safe_next
from portal.middleware import TenantRequest
from portal.models import Resource
from portal.quota_views import meters

PER_PAGE = 50
MAX_AT_ONCE = 200
LIST = "compute/_instance_list.html"


@require_safe
@tenant_required
def instance_list(request: TenantRequest) -> HttpResponse:
    """The page; for htmx only the part below the filters."""
    context = list_context(request, request.GET)
    if is_htmx(request) and request.headers.get("HX-Target") == "instances":
        return parts(request, LIST, context=context)
    return render(request, "compute/instance_list.html", context)


def list_context(request: TenantRequest, query: QueryDict) -> dict[str, object]:
    form = SearchForm(query, tenant=request.tenant)
    search = form.search()
    page = Paginator(search.among(request.tenant), PER_PAGE).get_page(query.get("page"))
    rows = shown(cast(list[Instance], page.object_list))
    quotas = meters(request.tenant)
    used = next((quota.used for quota in quotas if quota.resource == Resource.INSTANCES), 0)
    return {
        "section": "instances",
        "form": form,
        "search": search,
        "page": page,
        "rows": rows,
        "query": query,
        "quotas": quotas,
        "has_none": not rows and not search and not used,
        "doings": DOINGS,
        "poll": poll_address(rows),
    }


def poll_address(rows: list[Shown]) -> str:
    """Where to ask again for those that are not steady; empty if all are."""
    moving = [row.seen for row in rows if not row.instance.is_steady]
    return f"{reverse('instance-rows')}?{urlencode({'seen': moving}, doseq=True)}" if moving else ""


@require_safe
@tenant_required
def instance_rows(request: TenantRequest) -> HttpResponse:
    """The rows that have changed since the page saw them, and where to ask next; 204 while nothing has."""
    seen = dict(part.partition(":")[::2] for part in request.GET.getlist("seen")[:MAX_AT_ONCE])
    found = request.tenant.instances.filter(ec2_id__in=seen).select_related("instance_type", "image").order_by("-pk")
    changed_ids = [i.ec2_id for i in found if i.state != seen[i.ec2_id]]
    if not changed_ids and len(found) == len(seen):
        return HttpResponse(status=204)
    rows = shown(found)
    changed = [row for row in rows if row.ec2_id in changed_ids]
    context = {
        "changed": changed,
        "poll": poll_address(rows),
        "announcements": [announcement(row) for row in changed],
        "quotas": meters(request.tenant),
    }
    return HttpResponse(render_to_string("compute/_instance_rows.html", context, request))


def picked(request: TenantRequest, query: QueryDict) -> list[Shown]:
    """The instances that a request names.  Raises Http404 if one is not this tenant's."""
    try:
        found = request.tenant.instances.select_related("instance_type").named(query.getlist("id")[:MAX_AT_ONCE])
    except InstanceNotFound as error:
        raise Http404(error.message) from error
    return shown(found)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_required
def confirm(request: TenantRequest) -> HttpResponse:
    """Asks before something that cannot be undone, naming what it would be done to.

    Without a script the form is sent here as a POST, so that its token does not come to stand in an address.
    """
    asked = request.POST if request.method == "POST" else request.GET
    verb = asked.get("do", "")
    if verb not in DOINGS:
        raise Http404
    rows = picked(request, asked)
    gone = DOINGS[verb].already
    context: dict[str, Any] = {
        "section": "instances",
        "verb": verb,
        "doing": DOINGS[verb],
        "rows": [row for row in rows if row.instance.state not in gone],
        "protected": [row for row in rows if row.instance.disable_api_termination and row.instance.state not in gone],
        "on": "instance" if asked.get("on") == "instance" else "list",
        "next": safe_next(request, reverse("instances")),
    }
    part = is_htmx(request)
    return render(request, "compute/_confirm.html" if part else "compute/confirm.html", context)


@require_POST
@tenant_required
def act(request: TenantRequest) -> HttpResponse:
    """Start, stop, reboot or terminate what was picked, and say what came of it."""
    verb = request.POST.get("do", "")
    if verb not in DOINGS:
        raise Http404
    rows = picked(request, request.POST)
    outcome = carry_out(verb, rows, actor=actor_of(request))
    tell(request, verb, outcome)
    if not is_htmx(request):
        return redirect(safe_next(request, reverse("instances")))
    if request.POST.get("on") == "instance" and len(rows) == 1:
        return live_part(request, request.tenant.instances.get(pk=rows[0].instance.pk), extra=EMPTY_DIALOG)
    return parts(request, LIST, context=list_context(request, page_query(request)), extra=EMPTY_DIALOG)


def tell(request: HttpRequest, verb: str, outcome: Outcome) -> None:
    if outcome.done:
        messages.success(request, str(DOINGS[verb].begun) % {"names": ", ".join(outcome.done)})
    for line in outcome.passed_over:
        messages.info(request, line)
    for line in outcome.refused:
        messages.error(request, line)
