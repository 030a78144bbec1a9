"""What is done to images: imported, changed, shared, deprecated, copied, ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest
from portal.models import Resource
from portal.quota_views import meters
from storage.files import GIB
from storage.forms import CopyForm, DeprecateForm, DescriptionForm, FetchForm, ShareForm, UploadForm
from storage.images import (
    NewImage,
    deprecate_image,
    deregister_images,
    describe_image,
    disable_image,
    enable_image,
    set_login_user,
)
from storage.importing import begin_import, cancel_import, largest_gib
from storage.models import Image, ImageState
from storage.registering import copy_image
from storage.sharing import Change, share_image
from storage.views.images import image_of, page

FIELD_OF = {
    "InvalidAMIName.Duplicate": "name",
    "InvalidAMIName.Malformed": "name",
}


@require_safe
@tenant_required
def import_page(request: TenantRequest) -> HttpResponse:
    return importing(request)


def importing(request: TenantRequest, status: int = 200, **given: object) -> HttpResponse:
    most = largest_gib(request.tenant)
    context = {
        "section": "images",
        "upload_form": UploadForm(prefix="upload"),
        "fetch_form": FetchForm(prefix="fetch"),
        "most_gib": most,
        "most_bytes": most * GIB,
        "quotas": meters(request.tenant, shown=(Resource.IMAGES, Resource.SNAPSHOTS)),
    }
    return render(request, "storage/image_import.html", context | given, status=status)


@require_POST
@tenant_required
def fetch(request: TenantRequest) -> HttpResponse:
    """An image from a URL: its page shows how far it is."""
    form = FetchForm(request.POST, prefix="fetch")
    if form.is_valid():
        try:
            upload = begin_import(request.tenant, form.image(), form.source(), actor=actor_of(request))
        except CloudError as error:
            form.add_error(FIELD_OF.get(error.code, "url"), error.message)
        else:
            assert upload.image is not None
            messages.success(request, _("Fetching %(name)s.") % {"name": upload.image.name})
            return redirect("image", upload.image.ec2_id)
    return importing(request, 422, fetch_form=form)


def attempt(request: TenantRequest, image: Image, act: Callable[[], None], done: str) -> HttpResponse:
    """Do it and say so, or say why not; then the image's page."""
    try:
        act()
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done % {"name": image.name})
    return redirect("image", image.ec2_id)


def refused(form: forms.Form, field: str | None, act: Callable[[], None]) -> bool:
    """Whether the form or the service refuses; the reason stands beside the field then."""
    if not form.is_valid():
        return True
    try:
        act()
    except CloudError as error:
        form.add_error(FIELD_OF.get(error.code, field), error.message)
        return True
    return False


@require_POST
@tenant_required
def change(request: TenantRequest, ec2_id: str) -> HttpResponse:
    image, actor = image_of(request, ec2_id, own=True), actor_of(request)
    form = DescriptionForm(request.POST)

    def act() -> None:
        if form.cleaned_data["description"] != image.description:
            describe_image(image, description=form.cleaned_data["description"], actor=actor)
        if form.cleaned_data["login_user"] != image.login_user:
            set_login_user(image, form.cleaned_data["login_user"], actor=actor)

    if refused(form, "description", act):
        return page(request, image, 422, change_form=form)
    messages.success(request, _("Saved."))
    return redirect("image", image.ec2_id)


@require_POST
@tenant_required
def share(request: TenantRequest, ec2_id: str) -> HttpResponse:
    image, form = image_of(request, ec2_id, own=True), ShareForm(request.POST)

    def act() -> None:
        share_image(image, Change(add=[form.cleaned_data["account_id"]]), actor=actor_of(request))

    if refused(form, "account_id", act):
        return page(request, image, 422, share_form=form)
    messages.success(request, _("Account %(id)s may use it now.") % {"id": form.cleaned_data["account_id"]})
    return redirect("image", image.ec2_id)


@require_POST
@tenant_required
def unshare(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """From one account, or from everybody, or with everybody."""
    image, account = image_of(request, ec2_id, own=True), request.POST.get("account_id", "")
    public = {"yes": True, "no": False}.get(request.POST.get("public", ""))
    wanted = Change(remove=[account] if account else [], public=public)
    done = _("Everybody may use %(name)s now.") if public else _("%(name)s is shared less; what runs goes on.")
    return attempt(request, image, lambda: share_image(image, wanted, actor=actor_of(request)), done)


@require_POST
@tenant_required
def deprecate(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """From a day on; without one, not any more."""
    image, actor = image_of(request, ec2_id, own=True), actor_of(request)
    if "withdraw" in request.POST:
        done = _("%(name)s is not deprecated any more.")
        return attempt(request, image, lambda: deprecate_image(image, None, actor=actor), done)
    form = DeprecateForm(request.POST)

    def act() -> None:
        deprecate_image(image, datetime.combine(form.cleaned_data["day"], time(), UTC), actor=actor)

    if refused(form, "day", act):
        return page(request, image, 422, deprecate_form=form)
    messages.success(request, _("Saved."))
    return redirect("image", image.ec2_id)


@require_POST
@tenant_required
def switch(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """Disable one that is available, or enable it again."""
    image, actor = image_of(request, ec2_id, own=True), actor_of(request)
    if image.state == ImageState.DISABLED:
        return attempt(request, image, lambda: enable_image(image, actor=actor), _("%(name)s can be launched again."))
    done = _("Nothing is launched from %(name)s any more until it is enabled again.")
    return attempt(request, image, lambda: disable_image(image, actor=actor), done)


@require_POST
@tenant_required
def copy(request: TenantRequest, ec2_id: str) -> HttpResponse:
    image, form = image_of(request, ec2_id), CopyForm(request.POST)
    made: list[Image] = []

    def act() -> None:
        values = form.cleaned_data
        wanted = NewImage(
            name=values["name"],
            description=values["description"],
            login_user=image.login_user,
            architecture=image.architecture,
            boot_mode=image.boot_mode,
            root_device_name=image.root_device_name,
            source_image_id=image.ec2_id,
        )
        made.append(copy_image(request.tenant, image, wanted, encrypt=values["encrypt"], actor=actor_of(request)))

    if refused(form, None, act):
        return page(request, image, 422, copy_form=form)
    messages.success(request, _("%(name)s is a copy of your own.") % {"name": made[0].name})
    return redirect("image", made[0].ec2_id)


@require_POST
@tenant_required
def cancel(request: TenantRequest, ec2_id: str) -> HttpResponse:
    image = image_of(request, ec2_id, own=True)
    done = _("%(name)s is given up.")
    return attempt(request, image, lambda: cancel_import(image, actor=actor_of(request)), done)


@require_POST
@tenant_required
def deregister(request: TenantRequest, ec2_id: str) -> HttpResponse:
    image = image_of(request, ec2_id, own=True)
    deregister_images([image], actor=actor_of(request))
    messages.success(request, _("Deregistered %(name)s. What was launched from it goes on.") % {"name": image.name})
    return redirect("images")
