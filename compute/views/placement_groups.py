"""Placement groups: made, looked at, deleted."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute.forms import PlacementGroupForm
from compute.placement_groups import create_group, delete_group
from compute.states import InstanceState
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest
from scheduling.models import PlacementGroup

FIELD_OF = {"InvalidParameterCombination": "partition_count"}


@require_safe
@tenant_required
def placement_group_list(request: TenantRequest) -> HttpResponse:
    return page(request, PlacementGroupForm())


def page(request: TenantRequest, form: PlacementGroupForm, status: int = 200) -> HttpResponse:
    living = Count("members", filter=~Q(members__instance__state=InstanceState.TERMINATED))
    groups = PlacementGroup.objects.filter(tenant=request.tenant).annotate(living=living)
    context = {"section": "placement-groups", "groups": groups, "form": form}
    return render(request, "compute/placement_group_list.html", context, status=status)


@require_POST
@tenant_required
def create(request: TenantRequest) -> HttpResponse:
    form = PlacementGroupForm(request.POST)
    if not form.is_valid():
        return page(request, form, 422)
    values = form.cleaned_data
    try:
        group = create_group(
            request.tenant,
            values["name"],
            values["strategy"],
            actor=actor_of(request),
            partition_count=values["partition_count"],
        )
    except CloudError as error:
        form.add_error(FIELD_OF.get(error.code, "name"), error.message)
        return page(request, form, 422)
    text = _("Made placement group %(name)s. Choose it when you launch.")
    messages.success(request, text % {"name": group.name})
    return redirect("placement-groups")


@require_POST
@tenant_required
def delete(request: TenantRequest, ec2_id: str) -> HttpResponse:
    rows = PlacementGroup.objects.select_related("tenant")
    group = get_object_or_404(rows, tenant=request.tenant, ec2_id=ec2_id)
    try:
        delete_group(group, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Deleted placement group %(name)s.") % {"name": group.name})
    return redirect("placement-groups")
