"""Elastic addresses: allocated, led to an instance and elsewhere, released."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from compute.listing import Shown, shown
from compute.logging_in import waiting_words
from compute.network_forms import AssociateForm
from compute.states import InstanceState
from networking.elastic import allocate_address, associate_address, disassociate_address, release_address
from networking.models import ElasticAddress, NetworkInterface
from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest
from portal.models import Resource
from portal.quota_views import meters

SECTION = "addresses"
PER_PAGE = 50
S = InstanceState
MAY_HAVE = (S.RUNNING, S.STOPPING, S.STOPPED)


def with_instances(
    request: TenantRequest, interfaces: Sequence[NetworkInterface]
) -> list[tuple[NetworkInterface, Shown | None]]:
    """Interfaces with the instance that has each, if one has."""
    ids = [interface.instance_id for interface in interfaces if interface.instance_id]
    found = {row.ec2_id: row for row in shown(request.tenant.instances.filter(ec2_id__in=ids))}
    return [(interface, found.get(interface.instance_id)) for interface in interfaces]


@require_safe
@tenant_required
def address_list(request: TenantRequest) -> HttpResponse:
    rows = request.tenant.elastic_addresses.select_related("interface").order_by("-pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    addresses = list(page.object_list)
    interfaces = [address.interface for address in addresses if address.interface]
    instances = {interface.pk: row for interface, row in with_instances(request, interfaces)}
    quotas = meters(request.tenant, shown=(Resource.ADDRESSES,))
    context = {
        "section": SECTION,
        "page": page,
        "query": request.GET,
        "rows": [(address, instances.get(address.interface_id or 0)) for address in addresses],
        "quotas": quotas,
        "may_allocate": all(quota.left > 0 for quota in quotas),
    }
    return render(request, "compute/address_list.html", context)


@require_POST
@tenant_required
def allocate(request: TenantRequest) -> HttpResponse:
    try:
        address = allocate_address(request.tenant, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
        return redirect("addresses")
    text = _("%(address)s is yours until you release it. Choose where it leads.")
    messages.success(request, text % {"address": address.public_ip})
    return redirect("address", address.ec2_id)


def address_of(request: TenantRequest, ec2_id: str) -> ElasticAddress:
    return get_object_or_404(request.tenant.elastic_addresses.select_related("interface", "tenant"), ec2_id=ec2_id)


@require_safe
@tenant_required
def address_page(request: TenantRequest, ec2_id: str) -> HttpResponse:
    return page(request, address_of(request, ec2_id))


def page(
    request: TenantRequest, address: ElasticAddress, status: int = 200, form: AssociateForm | None = None
) -> HttpResponse:
    row = None
    if address.interface is not None:
        [(_interface, row)] = with_instances(request, [address.interface])
    context = {
        "section": SECTION,
        "address": address,
        "row": row,
        "waits": waiting_words(row) if row else [],
        "form": form or associate_form(request, address),
    }
    return render(request, "compute/address.html", context, status=status)


def associate_form(request: TenantRequest, address: ElasticAddress, data: object = None) -> AssociateForm:
    """Interfaces of instances that may have an address now, and those that are in none."""
    interfaces = list(request.tenant.network_interfaces.exclude(elastic_address=address).order_by("-pk"))
    targets = [
        (interface, row)
        for interface, row in with_instances(request, interfaces)
        if not interface.instance_id or (row is not None and row.instance.state in MAY_HAVE)
    ]
    return AssociateForm(data, targets=sorted(targets, key=lambda target: target[1] is None))


@require_POST
@tenant_required
def associate(request: TenantRequest, ec2_id: str) -> HttpResponse:
    address = address_of(request, ec2_id)
    form = associate_form(request, address, request.POST)
    if not form.is_valid():
        return page(request, address, 422, form)
    interface = form.targets[form.cleaned_data["interface"]]
    try:
        associate_address(address, interface, actor=actor_of(request))
    except CloudError as error:
        form.add_error("interface", error.message)
        return page(request, address, 422, form)
    target = interface.instance_id or interface.ec2_id
    text = _("%(address)s leads to %(target)s now.")
    messages.success(request, text % {"address": address.public_ip, "target": target})
    return redirect("address", address.ec2_id)


@require_POST
@tenant_required
def disassociate(request: TenantRequest, ec2_id: str) -> HttpResponse:
    address = address_of(request, ec2_id)
    try:
        disassociate_address(address, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(
            request, _("%(address)s leads nowhere now; it is still yours.") % {"address": address.public_ip}
        )
    return redirect("address", address.ec2_id)


@require_POST
@tenant_required
def release(request: TenantRequest, ec2_id: str) -> HttpResponse:
    address = address_of(request, ec2_id)
    try:
        release_address(address, actor=actor_of(request))
    except CloudError as error:
        messages.error(request, error.message)
        return redirect("address", address.ec2_id)
    messages.success(request, _("Released %(address)s.") % {"address": address.public_ip})
    return redirect("addresses")
