"""Images to look at: the list, and the page of one."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from portal.decorators import tenant_required
from portal.htmx import is_htmx
from portal.middleware import TenantRequest
from portal.models import Resource
from portal.quota_views import meters
from storage.forms import CopyForm, DeprecateForm, DescriptionForm, ShareForm
from storage.listing import PUBLIC, SHARED, YOURS, images_seen, shown_images, version_of
from storage.models import Image, ImageState, launchable_by

PER_PAGE = 50
LIST, LIVE = "storage/_image_list.html", "storage/_image_live.html"


def image_of(request: TenantRequest, ec2_id: str, *, own: bool = False) -> Image:
    """One that the tenant may launch from, or only one of its own; or 404."""
    rows = Image.objects.filter(launchable_by(request.tenant)).exclude(state=ImageState.DEREGISTERED)
    rows = rows.filter(tenant=request.tenant) if own else rows
    return get_object_or_404(rows.select_related("tenant", "root_snapshot__layer"), ec2_id=ec2_id)


@require_safe
@tenant_required
def image_list(request: TenantRequest) -> HttpResponse:
    """The page; for htmx only the list, and 204 as long as that has not changed."""
    whose = request.GET.get("whose", YOURS)
    whose = whose if whose in (YOURS, SHARED, PUBLIC) else YOURS
    page = Paginator(images_seen(request.tenant, whose), PER_PAGE).get_page(request.GET.get("page"))
    rows = shown_images(page.object_list)
    version = version_of(rows)
    if is_htmx(request) and request.GET.get("version") == version:
        return HttpResponse(status=204)
    query = request.GET.copy()
    query.pop("version", None)
    context = {
        "section": "images",
        "whose": whose,
        "page": page,
        "rows": rows,
        "query": query,
        "version": version,
        "is_moving": any(row.progress for row in rows),
        "quotas": meters(request.tenant, shown=(Resource.IMAGES, Resource.SNAPSHOTS)),
    }
    return render(request, LIST if is_htmx(request) else "storage/image_list.html", context)


def live_context(image: Image) -> dict[str, Any]:
    """What of the page changes while the image is made."""
    [row] = shown_images([image])
    return {"row": row, "image": image, "version": version_of([row])}


def page(request: TenantRequest, image: Image, status: int = 200, **forms: object) -> HttpResponse:
    is_own = image.tenant_id == request.tenant.pk
    copied = {"name": f"{image.name}-copy"[:128], "description": image.description}
    context = live_context(image) | {
        "section": "images",
        "is_own": is_own,
        "devices": list(image.devices.select_related("snapshot__layer")),
        "accounts": list(image.shared_with.order_by("name")) if is_own else [],
        "is_encrypted": image.devices.filter(snapshot__is_encrypted=True).exists(),
        "change_form": DescriptionForm(initial={"description": image.description, "login_user": image.login_user}),
        "share_form": ShareForm(),
        "deprecate_form": DeprecateForm(),
        "copy_form": CopyForm(initial=copied),
    }
    return render(request, "storage/image_detail.html", context | forms, status=status)


@require_safe
@tenant_required
def image_detail(request: TenantRequest, ec2_id: str) -> HttpResponse:
    return page(request, image_of(request, ec2_id))


@require_safe
@tenant_required
def image_live(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """What has changed since the page saw ``version``; 204 if nothing has.  Once it is made, the whole page anew."""
    image = image_of(request, ec2_id)
    context = live_context(image)
    if request.GET.get("version") == context["version"]:
        return HttpResponse(status=204)
    if image.state != ImageState.PENDING:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return render(request, LIVE, context)
