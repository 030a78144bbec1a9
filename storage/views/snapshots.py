"""Snapshots: the list, the page of one, and what is done to it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.htmx import is_htmx
from portal.middleware import TenantRequest
from portal.models import Resource
from portal.quota_views import meters
from storage.copying import copy_snapshot
from storage.forms import CopyForm, ImageForm, ShareForm
from storage.images import NewDevice
from storage.listing import SHARED, YOURS, shown_snapshots, snapshots_seen
from storage.models import Image, Snapshot, SnapshotState, usable_by
from storage.registering import register_image
from storage.sharing import Change, share_snapshot
from storage.snapshots import delete_snapshot
from storage.views.image_acts import refused

PER_PAGE = 50
ROOT_DEVICE = "/dev/xvda"


def snapshot_of(request: TenantRequest, ec2_id: str, *, own: bool = False) -> Snapshot:
    """One that the tenant may use, or only one of its own; or 404."""
    rows = Snapshot.objects.filter(usable_by(request.tenant)).select_related("tenant", "layer__datastore", "layer__key")
    return get_object_or_404(rows.filter(tenant=request.tenant) if own else rows, ec2_id=ec2_id)


@require_safe
@tenant_required
def snapshot_list(request: TenantRequest) -> HttpResponse:
    whose = SHARED if request.GET.get("whose") == SHARED else YOURS
    page = Paginator(snapshots_seen(request.tenant, whose), PER_PAGE).get_page(request.GET.get("page"))
    rows = shown_snapshots(page.object_list)
    context = {
        "section": "snapshots",
        "whose": whose,
        "page": page,
        "rows": rows,
        "query": request.GET,
        "is_moving": any(row.snapshot.state == SnapshotState.PENDING for row in rows),
        "quotas": meters(request.tenant, shown=(Resource.SNAPSHOTS,)),
    }
    part = is_htmx(request) and request.headers.get("HX-Target") == "snapshots"
    return render(request, "storage/_snapshot_list.html" if part else "storage/snapshot_list.html", context)


def page(request: TenantRequest, snapshot: Snapshot, status: int = 200, **forms: object) -> HttpResponse:
    [row] = shown_snapshots([snapshot])
    is_own = snapshot.tenant_id == request.tenant.pk
    context = {
        "section": "snapshots",
        "row": row,
        "snapshot": snapshot,
        "is_own": is_own,
        "accounts": list(snapshot.shared_with.order_by("name")) if is_own else [],
        "volume_address": _volume_address(snapshot),
        "share_form": ShareForm(),
        "copy_form": CopyForm(with_name=False, initial={"description": f"Copied from {snapshot.ec2_id}"}),
        "image_form": ImageForm(prefix="image", initial={"login_user": _login_user(snapshot)}),
    }
    return render(request, "storage/snapshot_detail.html", context | forms, status=status)


def _volume_address(snapshot: Snapshot) -> str:
    """Of the form that makes a volume of it; empty where there is none."""
    try:
        return f"{reverse('volume-create')}?snapshot={snapshot.ec2_id}"
    except NoReverseMatch:
        return ""


def _login_user(snapshot: Snapshot) -> str:
    """As of another image that is made of it."""
    users = Image.objects.filter(root_snapshot=snapshot).values_list("login_user", flat=True)
    return users.first() or "root"


@require_safe
@tenant_required
def snapshot_detail(request: TenantRequest, ec2_id: str) -> HttpResponse:
    return page(request, snapshot_of(request, ec2_id))


@require_POST
@tenant_required
def share(request: TenantRequest, ec2_id: str) -> HttpResponse:
    snapshot, form = snapshot_of(request, ec2_id, own=True), ShareForm(request.POST)

    def act() -> None:
        share_snapshot(snapshot, Change(add=[form.cleaned_data["account_id"]]), actor=actor_of(request))

    if refused(form, "account_id", act):
        return page(request, snapshot, 422, share_form=form)
    messages.success(request, _("Account %(id)s may use it now.") % {"id": form.cleaned_data["account_id"]})
    return redirect("snapshot", snapshot.ec2_id)


@require_POST
@tenant_required
def unshare(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """From one account, or from everybody, or with everybody."""
    snapshot, account = snapshot_of(request, ec2_id, own=True), request.POST.get("account_id", "")
    public = {"yes": True, "no": False}.get(request.POST.get("public", ""))
    try:
        change = Change(remove=[account] if account else [], public=public)
        share_snapshot(snapshot, change, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Saved."))
    return redirect("snapshot", snapshot.ec2_id)


@require_POST
@tenant_required
def copy(request: TenantRequest, ec2_id: str) -> HttpResponse:
    snapshot, form = snapshot_of(request, ec2_id), CopyForm(request.POST, with_name=False)
    made: list[Snapshot] = []

    def act() -> None:
        values, actor = form.cleaned_data, actor_of(request)
        made.append(
            copy_snapshot(
                request.tenant, snapshot, description=values["description"], encrypt=values["encrypt"], actor=actor
            )
        )

    if refused(form, None, act):
        return page(request, snapshot, 422, copy_form=form)
    messages.success(request, _("%(id)s is a copy of your own.") % {"id": made[0]})
    return redirect("snapshot", made[0].ec2_id)


@require_POST
@tenant_required
def make_image(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """An image whose root disk begins as this snapshot."""
    snapshot, form = snapshot_of(request, ec2_id), ImageForm(request.POST, prefix="image")
    made: list[Image] = []

    def act() -> None:
        root = NewDevice(ROOT_DEVICE, snapshot.size_gib, snapshot, is_encrypted=snapshot.is_encrypted)
        wanted = form.image(root_device_name=ROOT_DEVICE)
        made.append(register_image(request.tenant, wanted, [root], actor=actor_of(request)))

    if refused(form, None, act):
        return page(request, snapshot, 422, image_form=form)
    messages.success(request, _("%(name)s is an image now.") % {"name": made[0].name})
    return redirect("image", made[0].ec2_id)


@require_POST
@tenant_required
def delete(request: TenantRequest, ec2_id: str) -> HttpResponse:
    snapshot = snapshot_of(request, ec2_id, own=True)
    try:
        delete_snapshot(snapshot, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
        return redirect("snapshot", snapshot.ec2_id)
    messages.success(request, _("Deleted %(id)s. Volumes made from it go on.") % {"id": snapshot})
    return redirect("snapshots")
