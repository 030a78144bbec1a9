"""Elastic addresses: what a tenant may do to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from networking.allocation import elastic_address
from networking.models import ElasticAddress, NetworkInterface
from portal import audit, quotas
from portal.audit import Actor
from portal.errors import CloudError, NotFound
from portal.ids import new_id
from portal.models import Resource, Tag, Tenant
from portal.tags import add_tags, check_tags

KIND = "elastic-ip"


def hold(tenant_id: int) -> None:
    """Let nobody else move addresses or interfaces of this tenant until the transaction ends.

    One lock for all of them: who moves one touches two interfaces and two addresses, in either order.
    """
    list(Tenant.objects.filter(pk=tenant_id).select_for_update(no_key=True).values_list("pk"))


@transaction.atomic
def allocate_address(tenant: Tenant, *, actor: Actor, tags: Mapping[str, str] | None = None) -> ElasticAddress:
    """A new address of the tenant's own.  Raises QuotaExceeded, or CloudError if none is left."""
    check_tags(tags or {})
    quotas.reserve(tenant, {Resource.ADDRESSES: 1})
    address = ElasticAddress.objects.create(tenant=tenant, public_ip=elastic_address())
    add_tags(tenant, KIND, [address.ec2_id], tags or {})
    audit.record(actor, "allocate", KIND, [address.ec2_id], tenant=tenant, public_ip=address.public_ip)
    return address


@transaction.atomic
def release_address(address: ElasticAddress, *, actor: Actor) -> None:
    """Give it back.  In a default network it is disassociated first; elsewhere CloudError says to do that."""
    address = _held(address)
    interface = address.interface
    if interface is not None and not interface.subnet.vpc.is_default:
        text = _("Address %(address)s is in use by %(interface)s; disassociate it first.")
        values = {"address": address.public_ip, "interface": interface}
        raise CloudError(text % values, code="InvalidIPAddress.InUse")
    _part(address)
    Tag.objects.filter(resource_type=KIND, resource_id=address.ec2_id).delete()
    audit.record(actor, "release", KIND, [address.ec2_id], tenant=address.tenant, public_ip=address.public_ip)
    address.delete()
    quotas.release(address.tenant, {Resource.ADDRESSES: 1})


def _held(address: ElasticAddress) -> ElasticAddress:
    """The address as it is now, and nobody else moves it.  Raises NotFound if it was released meanwhile."""
    hold(address.tenant_id)
    found = ElasticAddress.objects.select_related("tenant", "interface__subnet__vpc").filter(pk=address.pk).first()
    if found is None:
        text = _("The allocation ID '%(id)s' does not exist")
        raise NotFound(text % {"id": address.ec2_id}, code="InvalidAllocationID.NotFound")
    return found


@transaction.atomic
def associate_address(
    address: ElasticAddress,
    interface: NetworkInterface,
    *,
    actor: Actor,
    private_ip: str = "",
    may_move: bool = True,
) -> ElasticAddress:
    """Let the address lead to the interface; the same again changes nothing.

    It leaves the interface that it led to, unless ``may_move`` is false, and the interface gives up the elastic
    address that it had.  A running guest is reached at it from its next start, where addresses are forwarded.
    """
    address = _held(address)
    interface = _interface(interface)
    if private_ip not in ("", interface.private_ip):
        text = _("The network interface '%(interface)s' has no private address %(address)s; it has %(own)s.")
        raise CloudError(text % {"interface": interface, "address": private_ip[:40], "own": interface.private_ip})
    if address.interface_id == interface.pk:
        return address
    if address.interface_id is not None and not may_move:
        text = _("resource %(id)s is already associated with associate-id %(association)s; allow its reassociation")
        values = {"id": address.ec2_id, "association": address.association_id}
        raise CloudError(text % values, code="Resource.AlreadyAssociated")
    _part(address)
    for other in ElasticAddress.objects.filter(interface=interface).select_related("interface"):
        _part(other)
    interface.refresh_from_db()
    _join(address, interface)
    audit.record(
        actor,
        "associate",
        KIND,
        [address.ec2_id],
        tenant=address.tenant,
        interface=interface.ec2_id,
        instance=interface.instance_id,
    )
    return address


def _interface(interface: NetworkInterface) -> NetworkInterface:
    found = NetworkInterface.objects.filter(pk=interface.pk).first()
    if found is None:
        text = _("The networkInterface ID '%(id)s' does not exist")
        raise NotFound(text % {"id": interface.ec2_id}, code="InvalidNetworkInterfaceID.NotFound")
    return found


def _join(address: ElasticAddress, interface: NetworkInterface) -> None:
    interface.automatic_ip, interface.public_ip = interface.public_ip, address.public_ip
    interface.save(update_fields=["automatic_ip", "public_ip"])
    address.interface, address.association_id = interface, new_id("eipassoc")
    address.associated_at = timezone.now()
    address.save(update_fields=["interface", "association_id", "associated_at"])


def _part(address: ElasticAddress) -> None:
    """Let it lead nowhere; its interface has again the address that it was given at its launch, if any."""
    interface = address.interface
    if interface is None:
        return
    interface.public_ip, interface.automatic_ip = interface.automatic_ip, None
    interface.save(update_fields=["automatic_ip", "public_ip"])
    address.interface, address.association_id, address.associated_at = None, "", None
    address.save(update_fields=["interface", "association_id", "associated_at"])


@transaction.atomic
def disassociate_address(address: ElasticAddress, *, actor: Actor, association_id: str = "") -> None:
    """Let it lead nowhere; one that does already is no error.

    Raises NotFound if it was associated anew since ``association_id``.
    """
    address = _held(address)
    if association_id and address.association_id != association_id:
        raise no_association(association_id)
    if address.interface is None:
        return
    interface = address.interface
    _part(address)
    audit.record(
        actor,
        "disassociate",
        KIND,
        [address.ec2_id],
        tenant=address.tenant,
        interface=interface.ec2_id,
        instance=interface.instance_id,
    )


def no_association(association_id: str) -> NotFound:
    text = _("The association ID '%(id)s' does not exist")
    return NotFound(text % {"id": association_id[:60]}, code="InvalidAssociationID.NotFound")


def part_from(interfaces: Sequence[NetworkInterface]) -> None:
    """The addresses of interfaces that are about to go stay allocated and are free.  To be called with them held."""
    for address in ElasticAddress.objects.filter(interface__in=interfaces).select_related("interface"):
        _part(address)


@quotas.counts
def count_addresses() -> dict[tuple[int, str], int]:
    """Usage of elastic addresses by tenant, from the rows."""
    rows = ElasticAddress.objects.order_by().values_list("tenant_id").annotate(Count("pk"))
    return {(tenant_id, Resource.ADDRESSES): count for tenant_id, count in rows}
