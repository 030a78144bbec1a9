"""An image of an instance, made on the instance's page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compute.forms import MakeImageForm
from compute.image_making import Making, create_image
from compute.views import instance as instance_views
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest


@require_POST
@tenant_required
def make(request: TenantRequest, ec2_id: str) -> HttpResponse:
    """Of all its disks; the image's page shows when it is there."""
    instance = instance_views.instance_of(request, ec2_id)
    form = MakeImageForm(request.POST)
    if form.is_valid():
        try:
            image = create_image(instance, Making(**form.cleaned_data), actor=actor_of(request))
        except CloudError as error:
            form.add_error("name" if error.code.startswith("InvalidAMIName") else None, error.message)
        else:
            messages.success(request, _("Making image %(name)s of %(id)s.") % {"name": image.name, "id": instance})
            return redirect("image", image.ec2_id)
    return instance_views.page(request, instance, 422, image_form=form)
