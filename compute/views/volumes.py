"""Volumes: the list, the page of one, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute.models import Instance
from compute.snapshots import snapshot_volumes
from compute.volume_changes import modify_volume
from compute.volume_forms import AttachForm, GrowForm, SnapshotForm, VolumeForm
from compute.volume_listing import next_device, shown_volumes, version_of
from compute.volumes import attach_volume, detach_volume
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.htmx import is_htmx
from portal.middleware import TenantRequest
from portal.models import Resource
from portal.quota_views import meters
from storage.models import Snapshot, Volume
from storage.volumes import NewVolume, create_volume, delete_volume

PER_PAGE = 50


def volume_of(request: TenantRequest, ec2_id: str) -> Volume:
    """This tenant's, or 404."""
    rows = Volume.objects.owned_by(request.tenant).select_related("layer", "tenant")
    return get_object_or_404(rows, ec2_id=ec2_id)


@require_safe
@tenant_required
def volume_list(request: TenantRequest) -> HttpResponse:
    """By htmx the list alone; 204 if nothing has changed since the page saw ``version``."""
    rows = Volume.objects.owned_by(request.tenant).select_related("layer").order_by("-pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    found = shown_volumes(page.object_list)
    context = {
        "section": "volumes",
        "page": page,
        "rows": found,
        "query": request.GET,
        "version": version_of(found),
        "is_moving": not all(row.is_steady for row in found),
    }
    if is_htmx(request) and request.GET.get("version") is not None:
        if request.GET["version"] == context["version"]:
            return HttpResponse(status=204)
        return render(request, "compute/_volume_rows.html", context)
    context["quotas"] = meters(request.tenant, shown=(Resource.VOLUMES, Resource.VOLUME_GIB))
    return render(request, "compute/volume_list.html", context)


@tenant_required
def create(request: TenantRequest) -> HttpResponse:
    """The form, and what it makes."""
    if request.method != "POST":
        initial = {"snapshot": request.GET.get("snapshot", ""), "volume_type": "gp3"}
        return _create_page(request, VolumeForm(initial=initial, tenant=request.tenant))
    form = VolumeForm(request.POST, tenant=request.tenant)
    made: list[Volume] = []
    if not _done(form, lambda: made.append(_create(request, form))):
        return _create_page(request, form, 422)
    messages.success(request, _("Creating volume %(id)s.") % {"id": made[0]})
    return redirect("volume", made[0].ec2_id)


def _create_page(request: TenantRequest, form: VolumeForm, status: int = 200) -> HttpResponse:
    quotas = meters(request.tenant, shown=(Resource.VOLUMES, Resource.VOLUME_GIB))
    context = {"section": "volumes", "form": form, "quotas": quotas}
    return render(request, "compute/volume_create.html", context, status=status)


def _create(request: TenantRequest, form: VolumeForm) -> Volume:
    asked = form.cleaned_data
    rows = Snapshot.objects.usable_by(request.tenant).select_related("layer__datastore", "layer__key")
    new = NewVolume(
        zone=asked["zone"],
        size_gib=asked["size_gib"],
        snapshot=get_object_or_404(rows, ec2_id=asked["snapshot"]) if asked["snapshot"] else None,
        volume_type=asked["volume_type"],
        is_encrypted=asked["is_encrypted"],
        tags={"Name": asked["name"]} if asked["name"] else {},
    )
    return create_volume(request.tenant, new, actor=actor_of(request))


def _done(form: Form, act: Callable[[], object]) -> bool:
    """Whether it was done; if not, the form says why."""
    if not form.is_valid():
        return False
    try:
        act()
    except CloudError as error:
        form.add_error(None, error.message)
        return False
    return True


def page(
    request: TenantRequest, volume: Volume, status: int = 200, *, part: bool = False, **forms: object
) -> HttpResponse:
    """Of one volume; or the part of it that follows its state."""
    [row] = shown_volumes([volume])
    snapshots = Snapshot.objects.owned_by(request.tenant).filter(volume_id=volume.ec2_id).order_by("-pk")
    context = {
        "section": "volumes",
        "row": row,
        "volume": volume,
        "snapshots": list(snapshots[:PER_PAGE]),
        "version": version_of([row]),
        "attach_form": AttachForm(tenant=request.tenant, volume=volume),
        "grow_form": GrowForm(initial={"size_gib": volume.size_gib}),
        "snapshot_form": SnapshotForm(),
        "quotas": meters(request.tenant, shown=(Resource.VOLUME_GIB, Resource.SNAPSHOTS)),
    }
    template = "compute/_volume_live.html" if part else "compute/volume_detail.html"
    return render(request, template, context | forms, status=status)


@require_safe
@tenant_required
def volume_detail(request: TenantRequest, ec2_id: str) -> HttpResponse:
    return page(request, volume_of(request, ec2_id))


@require_safe
@tenant_required
def volume_live(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """What has changed since the page saw ``version``; 204 if nothing has; the list once the volume is gone."""
    volume = Volume.objects.owned_by(request.tenant).select_related("layer", "tenant").filter(ec2_id=ec2_id).first()
    if volume is None and is_htmx(request):
        return HttpResponse(headers={"HX-Redirect": reverse("volumes")})
    volume = volume or volume_of(request, ec2_id)
    if request.GET.get("version") == version_of(shown_volumes([volume])):
        return HttpResponse(status=204)
    return page(request, volume, part=True)


def _act(
    request: TenantRequest, volume: Volume, form: Form, name: str, act: Callable[[], object], said: str
) -> HttpResponse:
    if not _done(form, act):
        return page(request, volume, 422, **{name: form})  # type: ignore[arg-type]
    messages.success(request, said)
    return redirect("volume", volume.ec2_id)


@require_POST
@tenant_required
def attach(request: TenantRequest, ec2_id: str) -> HttpResponse:
    volume = volume_of(request, ec2_id)
    form = AttachForm(request.POST, tenant=request.tenant, volume=volume)

    def act() -> None:
        rows = Instance.objects.owned_by(request.tenant).select_related("image")
        instance = get_object_or_404(rows, ec2_id=form.cleaned_data["instance"])
        attach_volume(volume, instance, form.cleaned_data["device"] or next_device(instance), actor=actor_of(request))

    return _act(request, volume, form, "attach_form", act, _("Attaching %(id)s.") % {"id": volume})


@require_POST
@tenant_required
def attach_to_instance(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """From the page of an instance, as the next free device."""
    rows = Instance.objects.owned_by(request.tenant).select_related("image")
    instance = get_object_or_404(rows, ec2_id=ec2_id)
    volume = volume_of(request, request.POST.get("volume", ""))
    try:
        attach_volume(volume, instance, next_device(instance), actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Attaching %(id)s.") % {"id": volume})
    return redirect("instance", instance.ec2_id)


@require_POST
@tenant_required
def detach(request: TenantRequest, ec2_id: str) -> HttpResponse:
    volume, back = volume_of(request, ec2_id), request.POST.get("back", "")
    try:
        detach_volume(volume, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Detaching %(id)s.") % {"id": volume})
    if back and request.tenant.instances.filter(ec2_id=back).exists():
        return redirect("instance", back)
    return redirect("volume", volume.ec2_id)


@require_POST
@tenant_required
def grow(request: TenantRequest, ec2_id: str) -> HttpResponse:
    volume, form = volume_of(request, ec2_id), GrowForm(request.POST)

    def act() -> None:
        modify_volume(volume, actor=actor_of(request), size_gib=form.cleaned_data["size_gib"])

    return _act(request, volume, form, "grow_form", act, _("Changing %(id)s.") % {"id": volume})


@require_POST
@tenant_required
def snapshot(request: TenantRequest, ec2_id: str) -> HttpResponse:
    volume, form = volume_of(request, ec2_id), SnapshotForm(request.POST)

    def act() -> None:
        snapshot_volumes([volume], actor=actor_of(request), description=form.cleaned_data["description"])

    return _act(request, volume, form, "snapshot_form", act, _("Taking a snapshot of %(id)s.") % {"id": volume})


@require_POST
@tenant_required
def delete(request: TenantRequest, ec2_id: str) -> HttpResponse:
    volume = volume_of(request, ec2_id)
    try:
        delete_volume(volume, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
        return redirect("volume", volume.ec2_id)
    messages.success(request, _("Deleting %(id)s. Its snapshots stay.") % {"id": volume})
    return redirect("volumes")
