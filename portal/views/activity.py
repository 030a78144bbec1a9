"""The tenant's part of the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.decorators import tenant_required
from portal.forms import DOORS, ActivityForm
from portal.middleware import TenantRequest
from portal.models import AuditEntry
from portal.words import KINDS, VERBS

PAGE = 30


@require_safe
@tenant_required
def activity(request: TenantRequest) -> HttpResponse:
    form = ActivityForm(request.GET)
    form.is_valid()
    entries = filtered(AuditEntry.objects.filter(tenant=request.tenant), form.cleaned_data)
    page = Paginator(entries, PAGE).get_page(request.GET.get("page"))
    for entry in page:
        entry.words = {  # type: ignore[attr-defined]
            "door": DOORS.get(entry.door),
            "verb": VERBS.get(entry.verb),
            "kind": KINDS.get(entry.resource_type),
            "detail": list(details(entry.detail)),
        }
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        "section": "activity",
        "form": form,
        "page": page,
        "query": kept.urlencode(),
        "is_filtered": any(form.cleaned_data.values()),
    }
    return render(request, "portal/activity.html", context)


def details(detail: dict[str, Any]) -> Iterator[str]:
    """What else is known of a change, as "name: value"; of tags and the like each one by itself."""
    for name, value in detail.items():
        if isinstance(value, dict):
            yield from (f"{key}={inner}" for key, inner in value.items())
        elif isinstance(value, list):
            yield f"{name}: {', '.join(map(str, value))}"
        elif value not in ("", None, False):
            yield f"{name}: {value}"


def filtered(entries: QuerySet[AuditEntry], wanted: dict[str, Any]) -> QuerySet[AuditEntry]:
    if text := wanted.get("q"):
        entries = entries.filter(
            Q(resource_id__icontains=text) | Q(verb__icontains=text) | Q(resource_type__icontains=text)
        )
    if who := wanted.get("who"):
        entries = entries.filter(who__icontains=who)
    if door := wanted.get("door"):
        entries = entries.filter(door=door)
    if since := wanted.get("since"):
        entries = entries.filter(at__date__gte=since)
    if until := wanted.get("until"):
        entries = entries.filter(at__date__lte=until)
    return entries
