"""Networks, subnets and interfaces, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q

from ec2api.filters import Filters, Table, Values, always, among, choice, matches, moment, number, owner, truth
from ec2api.instance_filters import INSTANCE_FILTERS, attachment_id, private_dns, public_owner
from ec2api.kinds import listed
from ec2api.pagination import Page
from ec2api.present.interfaces import interface_rows, network_interfaces
from ec2api.present.networks import DHCP_OPTIONS, available, subnet, vpc
from ec2api.present.words import arn, tags_by_id
from ec2api.registry import Call, Reply, action
from networking.models import NetworkInterface, Subnet
from portal.models import Tenant

_zone_id = INSTANCE_FILTERS["availability-zone-id"]

VPC_FILTERS: Table = {
    "ipv6-cidr-block-association.association-id": always(""),
    "ipv6-cidr-block-association.ipv6-cidr-block": always(""),
    "ipv6-cidr-block-association.ipv6-pool": always(""),
    "ipv6-cidr-block-association.state": always(""),
    "cidr": "cidr",
    "cidr-block": "cidr",
    "cidr-block-association.association-id": always(""),
    "cidr-block-association.cidr-block": "cidr",
    "cidr-block-association.state": always("associated"),
    "dhcp-options-id": always(DHCP_OPTIONS),
    "is-default": truth("is_default"),
    "isDefault": truth("is_default"),
    "owner-id": owner,
    "state": always("available"),
    "vpc-id": "ec2_id",
}


def _free_addresses(values: Values, tenant: Tenant) -> Q:
    rows = Subnet.objects.filter(tenant=tenant).annotate(taken=Count("network_interfaces"))
    return Q(pk__in=[row.pk for row in rows if matches(str(available(row, row.taken)), values)])


def _subnet_arn(values: Values, tenant: Tenant) -> Q:
    """Of a pattern in the id only: what stands before it is the same of all."""
    before = arn(tenant, "subnet", "")
    return among("ec2_id", [value.removeprefix(before) for value in values if value.startswith(before)])


SUBNET_FILTERS: Table = {
    "available-ip-address-count": _free_addresses,
    "subnet-arn": _subnet_arn,
    "customer-owned-ipv4-pool": always(""),
    "enable-dns64": always("false"),
    "enable-lni-at-device-index": always(""),
    "ipv6-cidr-block-association.association-id": always(""),
    "ipv6-cidr-block-association.ipv6-cidr-block": always(""),
    "ipv6-cidr-block-association.state": always(""),
    "map-customer-owned-ip-on-launch": always("false"),
    "outpost-arn": always(""),
    "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": always("false"),
    "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": always("false"),
    "private-dns-name-options-on-launch.hostname-type": always("ip-name"),
    "availability-zone": "zone",
    "availabilityZone": "zone",
    "availability-zone-id": _zone_id,
    "availabilityZoneId": _zone_id,
    "cidr": "cidr",
    "cidr-block": "cidr",
    "cidrBlock": "cidr",
    "default-for-az": truth("is_default_for_zone"),
    "defaultForAz": truth("is_default_for_zone"),
    "ipv6-native": always("false"),
    "map-public-ip-on-launch": truth("maps_public_ip"),
    "owner-id": owner,
    "state": always("available"),
    "subnet-id": "ec2_id",
    "vpc-id": "vpc__ec2_id",
}
INTERFACE_FILTERS: Table = {
    "addresses.association.owner-id": public_owner,
    "association.allocation-id": always(""),
    "association.association-id": always(""),
    "association.ip-owner-id": public_owner,
    "association.public-dns-name": always(""),
    "attachment.attachment-id": attachment_id,
    "attachment.instance-owner-id": owner,
    "availability-zone-id": _zone_id,
    "ipv6-addresses.ipv6-address": always(""),
    "operator.managed": always("false"),
    "operator.principal": always(""),
    "private-dns-name": private_dns,
    "addresses.association.public-ip": "public_ip",
    "addresses.primary": always("true"),
    "addresses.private-ip-address": "private_ip",
    "association.public-ip": "public_ip",
    "attachment.attach-time": moment("attached_at"),
    "attachment.delete-on-termination": truth("delete_on_termination"),
    "attachment.device-index": number("device_index"),
    "attachment.instance-id": "instance_id",
    "attachment.status": choice("attached_at__isnull", {"attached": False, "detached": True}),
    "availability-zone": "subnet__zone",
    "description": "description",
    "group-id": "groups__ec2_id",
    "group-name": "groups__name",
    "interface-type": always("interface"),
    "mac-address": "mac",
    "network-interface-id": "ec2_id",
    "owner-id": owner,
    "private-ip-address": "private_ip",
    "requester-id": always(""),
    "requester-managed": always("false"),
    "source-dest-check": truth("source_dest_check"),
    "status": choice("attached_at__isnull", {"in-use": False, "available": True}),
    "subnet-id": "subnet__ec2_id",
    "vpc-id": "subnet__vpc__ec2_id",
}


@action()
def describe_vpcs(
    call: Call,
    *,
    vpc_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=vpc_ids, ids_name="VpcIds")
    found, token = listed(call, "vpc", ids=vpc_ids, filters=filters, table=VPC_FILTERS, page=page)
    tags = tags_by_id(call.tenant, "vpc", [each.ec2_id for each in found])
    return {"Vpcs": [vpc(each, call.tenant, tags) for each in found], "NextToken": token}


@action()
def describe_subnets(
    call: Call,
    *,
    subnet_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=subnet_ids, ids_name="SubnetIds")
    rows: Any = Subnet.objects.filter(tenant=call.tenant).select_related("vpc")
    found, token = listed(call, "subnet", ids=subnet_ids, filters=filters, table=SUBNET_FILTERS, page=page, rows=rows)
    counted = NetworkInterface.objects.filter(subnet__in=found).order_by().values_list("subnet_id")
    taken = dict(counted.annotate(Count("pk")))
    tags = tags_by_id(call.tenant, "subnet", [each.ec2_id for each in found])
    return {
        "Subnets": [subnet(each, call.tenant, taken.get(each.pk, 0), tags) for each in found],
        "NextToken": token,
    }


@action(ignores=["include_managed_resources"])
def describe_network_interfaces(
    call: Call,
    *,
    network_interface_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=network_interface_ids, ids_name="NetworkInterfaceIds")
    rows: Any = NetworkInterface.objects.filter(tenant=call.tenant).only("pk", "ec2_id").distinct()
    found, token = listed(
        call, "eni", ids=network_interface_ids, filters=filters, table=INTERFACE_FILTERS, page=page, rows=rows
    )
    chosen = [each.pk for each in found]
    shown = interface_rows(Q(pk__in=chosen) if len(chosen) < 500 else Q(tenant=call.tenant))
    kept = set(chosen)
    tags = tags_by_id(call.tenant, "network-interface", [each.ec2_id for each in found])
    return {
        "NetworkInterfaces": network_interfaces(call.tenant, (row for row in shown if row.pk in kept), tags),
        "NextToken": token,
    }
