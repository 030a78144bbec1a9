"""Networks, subnets and interfaces, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q

from ec2api.actions.zones import all_zones
from ec2api.filters import Filters, Table, Values, always, among, matches, owner, truth
from ec2api.instance_filters import INSTANCE_FILTERS
from ec2api.kinds import listed, one
from ec2api.pagination import Page
from ec2api.present.networks import available, subnet, vpc
from ec2api.present.words import arn, tags_by_id, zone_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing, unsupported
from networking import services
from networking.models import NetworkInterface, Subnet, Vpc
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
    "dhcp-options-id": "dhcp_options__ec2_id",
    "is-default": truth("is_default"),
    "isDefault": truth("is_default"),
    "owner-id": owner,
    "state": always("available"),
    "vpc-id": "ec2_id",
}
CLASSIC_LINK_FILTERS: Table = {"is-classic-link-enabled": always("false"), "vpc-id": "ec2_id"}


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
    rows: Any = Vpc.objects.filter(tenant=call.tenant).select_related("dhcp_options")
    found, token = listed(call, "vpc", ids=vpc_ids, filters=filters, table=VPC_FILTERS, page=page, rows=rows)
    tags = tags_by_id(call.tenant, "vpc", [each.ec2_id for each in found])
    return {"Vpcs": [vpc(each, call.tenant, tags) for each in found], "NextToken": token}


VPC_ATTRIBUTES = {
    "enableDnsSupport": {"EnableDnsSupport": {"Value": True}},
    "enableDnsHostnames": {"EnableDnsHostnames": {"Value": False}},  # public addresses have no names here
    "enableNetworkAddressUsageMetrics": {"EnableNetworkAddressUsageMetrics": {"Value": False}},
}


@action()
def describe_vpc_attribute(call: Call, *, vpc_id: str, attribute: str) -> Reply:
    found = one(call, "vpc", vpc_id)
    if attribute not in VPC_ATTRIBUTES:
        raise ApiError("InvalidParameterValue", f"Value ({attribute[:60]}) for parameter attribute is invalid.")
    return {"VpcId": found.ec2_id, **VPC_ATTRIBUTES[attribute]}


@action()
def describe_vpc_classic_link(call: Call, *, vpc_ids: Sequence[str] = (), filters: Filters = ()) -> Reply:
    """EC2-Classic is gone; no network is linked to it."""
    found, _token = listed(
        call, "vpc", ids=vpc_ids, filters=filters, table=CLASSIC_LINK_FILTERS, page=Page(call, None, "")
    )
    tags = tags_by_id(call.tenant, "vpc", [each.ec2_id for each in found])
    return {
        "Vpcs": [
            {"VpcId": each.ec2_id, "ClassicLinkEnabled": False, "Tags": tags.get(each.ec2_id, [])} for each in found
        ]
    }


@action()
def describe_vpc_classic_link_dns_support(
    call: Call, *, vpc_ids: Sequence[str] = (), max_results: int | None = None, next_token: str = ""
) -> Reply:
    page = Page(call, max_results, next_token, ids=vpc_ids, ids_name="VpcIds")
    found, token = listed(call, "vpc", ids=vpc_ids, filters=(), table={}, page=page)
    return {"Vpcs": [{"VpcId": each.ec2_id, "ClassicLinkDnsSupported": False} for each in found], "NextToken": token}


@action()
def create_default_vpc(call: Call) -> Reply:
    made = services.create_default_vpc(call.tenant, actor=call.actor)
    return {"Vpc": vpc(made, call.tenant, {})}


@action()
def create_default_subnet(
    call: Call, *, availability_zone: str = "", availability_zone_id: str = "", ipv6_native: bool = False
) -> Reply:
    """In a zone that has hosts, and none yet."""
    if ipv6_native:
        raise unsupported("A subnet of IPv6 alone")
    if not availability_zone and not availability_zone_id:
        raise missing("AvailabilityZone")
    zone = next((name for name in all_zones() if availability_zone_id and zone_id(name) == availability_zone_id), "")
    if availability_zone and zone and zone != availability_zone:
        raise ApiError("InvalidParameterCombination", "AvailabilityZone and AvailabilityZoneId name different zones")
    zone = availability_zone or zone
    if zone not in all_zones():
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({(zone or availability_zone_id)[:40]}) for parameter availabilityZone is invalid."
            f" Subnets can currently only be created in: {', '.join(all_zones())}.",
        )
    made = services.create_default_subnet(call.tenant, zone, actor=call.actor)
    return {"Subnet": subnet(made, call.tenant, 0, {})}


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
