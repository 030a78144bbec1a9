"""Elastic addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Q

from compute import interfaces
from ec2api.actions.instances import named
from ec2api.filters import NOTHING, Filters, Table, Values, always, matches
from ec2api.kinds import listed, one
from ec2api.pagination import Page
from ec2api.present.addresses import POOL, address
from ec2api.present.words import tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing, unsupported
from ec2api.tag_specifications import tags_for
from networking import elastic
from networking.models import ElasticAddress
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationUnionTypeDef

ATTRIBUTES = ("domain-name",)


def _associated_by(values: Values, tenant: Tenant) -> Q:
    return Q(interface__isnull=False) if matches(tenant.account_id, values) else NOTHING


def _border_group(values: Values, tenant: Tenant) -> Q:
    return always(settings.REGION)(values, tenant)


ADDRESS_FILTERS: Table = {
    "allocation-id": "ec2_id",
    "association-id": "association_id",
    "domain": always("vpc"),
    "instance-id": "interface__instance_id",
    "network-border-group": _border_group,
    "network-interface-id": "interface__ec2_id",
    "network-interface-owner-id": _associated_by,
    "private-ip-address": "interface__private_ip",
    "public-ip": "public_ip",
}


def _check_border_group(name: str) -> None:
    if name not in ("", settings.REGION):
        raise ApiError("InvalidAddress.NotFound", f"There is no network border group '{name[:60]}' here")


@action()
def allocate_address(
    call: Call,
    *,
    domain: str = "vpc",
    public_ipv4_pool: str = POOL,
    network_border_group: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    if domain != "vpc":
        raise unsupported(f"The domain '{domain[:20]}' of AllocateAddress")
    if public_ipv4_pool != POOL:
        raise ApiError("InvalidPublicIpv4PoolID.NotFound", f"The pool '{public_ipv4_pool[:60]}' does not exist")
    _check_border_group(network_border_group)
    (tags,) = tags_for(tag_specifications, "elastic-ip")
    made = elastic.allocate_address(call.tenant, actor=call.actor, tags=tags)
    return {
        "AllocationId": made.ec2_id,
        "PublicIp": made.public_ip,
        "Domain": "vpc",
        "PublicIpv4Pool": POOL,
        "NetworkBorderGroup": settings.REGION,
    }


def _address(call: Call, allocation_id: str, public_ip: str) -> ElasticAddress:
    """By one of the two."""
    if allocation_id and public_ip:
        raise ApiError("InvalidParameterCombination", "You may specify public IP or allocation id, but not both")
    if allocation_id:
        found: ElasticAddress = one(call, "eipalloc", allocation_id)
        return found
    if not public_ip:
        raise missing("AllocationId")
    by_ip: ElasticAddress | None = _at(call, [public_ip]).first()
    if by_ip is None:
        raise ApiError("InvalidAddress.NotFound", f"Address '{public_ip[:40]}' not found.")
    return by_ip


def _at(call: Call, public_ips: Sequence[str]) -> Any:
    return ElasticAddress.objects.filter(tenant=call.tenant, public_ip__in=public_ips)


@action()
def associate_address(
    call: Call,
    *,
    allocation_id: str = "",
    public_ip: str = "",
    instance_id: str = "",
    network_interface_id: str = "",
    private_ip_address: str = "",
    allow_reassociation: bool = True,
) -> Reply:
    """Reassociation is automatic unless it is forbidden, and an instance gives up the elastic address that it had."""
    found = _address(call, allocation_id, public_ip)
    if bool(instance_id) == bool(network_interface_id):
        if instance_id:
            raise ApiError(
                "InvalidParameterCombination", "You may specify instance id or network interface id, but not both"
            )
        raise missing("InstanceId")
    how: dict[str, Any] = {"private_ip": private_ip_address, "may_move": allow_reassociation, "actor": call.actor}
    if instance_id:
        (instance,) = named(call, [instance_id])
        found = interfaces.associate_address(found, instance, **how)
    else:
        found = elastic.associate_address(found, one(call, "eni", network_interface_id), **how)
    return {"AssociationId": found.association_id}


@action()
def disassociate_address(call: Call, *, association_id: str = "", public_ip: str = "") -> Reply:
    if not association_id:
        if not public_ip:
            raise missing("AssociationId")
        elastic.disassociate_address(_address(call, "", public_ip), actor=call.actor)
        return {}
    found = ElasticAddress.objects.filter(tenant=call.tenant, association_id=association_id).first()
    if found is None:
        raise elastic.no_association(association_id)
    elastic.disassociate_address(found, actor=call.actor, association_id=association_id)
    return {}


@action()
def release_address(
    call: Call, *, allocation_id: str = "", public_ip: str = "", network_border_group: str = ""
) -> Reply:
    found = _address(call, allocation_id, public_ip)
    _check_border_group(network_border_group)
    elastic.release_address(found, actor=call.actor)
    return {}


@action()
def describe_addresses(
    call: Call, *, allocation_ids: Sequence[str] = (), public_ips: Sequence[str] = (), filters: Filters = ()
) -> Reply:
    """All in one reply, as at Amazon."""
    rows: Any = ElasticAddress.objects.filter(tenant=call.tenant).select_related("interface")
    if public_ips:
        there = set(_at(call, public_ips).values_list("public_ip", flat=True))
        for each in public_ips:
            if each not in there:
                raise ApiError("InvalidAddress.NotFound", f"Address '{each[:40]}' not found.")
        rows = rows.filter(public_ip__in=public_ips)
    found, _token = listed(
        call,
        "eipalloc",
        ids=allocation_ids,
        filters=filters,
        table=ADDRESS_FILTERS,
        page=Page(call, None, ""),
        rows=rows,
    )
    tags = tags_by_id(call.tenant, "elastic-ip", [each.ec2_id for each in found])
    return {"Addresses": [address(each, call.tenant, tags) for each in found]}


@action()
def describe_addresses_attribute(
    call: Call,
    *,
    allocation_ids: Sequence[str] = (),
    attribute: str = "domain-name",
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """None of them has a name of its own in the reverse DNS."""
    if attribute not in ATTRIBUTES:
        raise ApiError("InvalidParameterValue", f"Value ({attribute[:40]}) for parameter attribute is invalid.")
    page = Page(call, max_results, next_token, least=1)
    listed(call, "eipalloc", ids=allocation_ids, filters=(), table={}, page=Page(call, None, ""))
    nothing: Sequence[Any] = []
    shown, token = page.of(nothing)
    return {"Addresses": shown, "NextToken": token}
