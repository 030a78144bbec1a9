"""What each network comes with, to look at: route table, internet gateway, ACL and DHCP options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from ec2api.filters import NOTHING, Build, Filters, Table, Values, always, among, matches, owner, truth
from ec2api.kinds import listed
from ec2api.pagination import Page
from ec2api.present import gateways as present
from ec2api.present.words import tags_by_id
from ec2api.registry import Call, Reply, action
from networking.models import DhcpOptions, InternetGateway, NetworkAcl, RouteTable, Subnet
from portal.models import Tenant

HAS_GATEWAY = Q(vpc__internet_gateway__isnull=False)
_none = always("")


def any_of(*actual: str) -> Build:
    """For what has several values, the same of all rows."""
    return lambda values, _tenant: Q() if any(matches(each, values) for each in actual) else NOTHING


def _derived(make: str, prefix: str, own_prefix: str) -> Build:
    """For ids that are those of other things with another prefix."""

    def build(values: Values, _tenant: Tenant) -> Q:
        return among(make, [own_prefix + v.removeprefix(prefix) for v in values if v.startswith(prefix) or v == "*"])

    return build


def _routed(local: str, out: str) -> Build:
    """For what the route inside has, and the one outside where there is one."""

    def build(values: Values, _tenant: Tenant) -> Q:
        found = Q() if matches(local, values) else NOTHING
        return found | HAS_GATEWAY if matches(out, values) and not matches(local, values) else found

    return build


def _destination(values: Values, _tenant: Tenant) -> Q:
    return among("vpc__cidr", values) | (HAS_GATEWAY if matches(present.EVERYWHERE, values) else NOTHING)


def _gateway(values: Values, _tenant: Tenant) -> Q:
    return Q() if matches("local", values) else among("vpc__internet_gateway__ec2_id", values)


def _of_subnet(make: str | Build) -> Build:
    def build(values: Values, tenant: Tenant) -> Q:
        found = among(make, values) if isinstance(make, str) else make(values, tenant)
        return Q(vpc__in=Subnet.objects.filter(found, tenant=tenant).values("vpc"))

    return build


ROUTE_TABLE_FILTERS: Table = {
    "association.gateway-id": _none,
    "association.main": truth("is_main"),
    "association.route-table-association-id": _derived("ec2_id", "rtbassoc-", "rtb-"),
    "association.route-table-id": "ec2_id",
    "association.subnet-id": lambda _values, _tenant: NOTHING,  # subnets use the main table without an association
    "owner-id": owner,
    "route-table-id": "ec2_id",
    "route.destination-cidr-block": _destination,
    "route.destination-ipv6-cidr-block": _none,
    "route.destination-prefix-list-id": _none,
    "route.egress-only-internet-gateway-id": _none,
    "route.gateway-id": _gateway,
    "route.instance-id": _none,
    "route.nat-gateway-id": _none,
    "route.origin": _routed("CreateRouteTable", "CreateRoute"),
    "route.state": always("active"),
    "route.transit-gateway-id": _none,
    "route.vpc-peering-connection-id": _none,
    "vpc-id": "vpc__ec2_id",
}
GATEWAY_FILTERS: Table = {
    "attachment.state": lambda values, _tenant: Q(vpc__isnull=False) if matches("available", values) else NOTHING,
    "attachment.vpc-id": "vpc__ec2_id",
    "internet-gateway-id": "ec2_id",
    "owner-id": owner,
}
ACL_FILTERS: Table = {
    "association.association-id": _of_subnet(_derived("ec2_id", "aclassoc-", "subnet-")),
    "association.network-acl-id": "ec2_id",
    "association.subnet-id": _of_subnet("ec2_id"),
    "default": truth("is_default"),
    "entry.cidr": always(present.EVERYWHERE),
    "entry.egress": any_of("true", "false"),
    "entry.icmp.code": _none,
    "entry.icmp.type": _none,
    "entry.ipv6-cidr": _none,
    "entry.port-range.from": _none,
    "entry.port-range.to": _none,
    "entry.protocol": any_of("-1", "all"),
    "entry.rule-action": any_of("allow", "deny"),
    "entry.rule-number": any_of("100", str(present.LAST_RULE)),
    "network-acl-id": "ec2_id",
    "owner-id": owner,
    "vpc-id": "vpc__ec2_id",
}


def _configured(values: Values, _tenant: Tenant) -> Q:
    return any_of(*present.configuration().values())(values, _tenant)


DHCP_FILTERS: Table = {
    "dhcp-options-id": "ec2_id",
    "key": any_of("domain-name", "domain-name-servers"),
    "owner-id": owner,
    "value": _configured,
}


@action()
def describe_route_tables(
    call: Call,
    *,
    route_table_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=route_table_ids, ids_name="RouteTableIds")
    rows: Any = RouteTable.objects.filter(tenant=call.tenant).select_related("vpc__internet_gateway")
    found, token = listed(
        call, "rtb", ids=route_table_ids, filters=filters, table=ROUTE_TABLE_FILTERS, page=page, rows=rows
    )
    tags = tags_by_id(call.tenant, "route-table", [each.ec2_id for each in found])
    return {"RouteTables": [present.route_table(each, call.tenant, tags) for each in found], "NextToken": token}


@action()
def describe_internet_gateways(
    call: Call,
    *,
    internet_gateway_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=internet_gateway_ids, ids_name="InternetGatewayIds")
    rows: Any = InternetGateway.objects.filter(tenant=call.tenant).select_related("vpc")
    found, token = listed(
        call, "igw", ids=internet_gateway_ids, filters=filters, table=GATEWAY_FILTERS, page=page, rows=rows
    )
    tags = tags_by_id(call.tenant, "internet-gateway", [each.ec2_id for each in found])
    shown = [present.internet_gateway(each, call.tenant, tags) for each in found]
    return {"InternetGateways": shown, "NextToken": token}


@action()
def describe_network_acls(
    call: Call,
    *,
    network_acl_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=network_acl_ids, ids_name="NetworkAclIds")
    rows: Any = NetworkAcl.objects.filter(tenant=call.tenant).select_related("vpc")
    found, token = listed(call, "acl", ids=network_acl_ids, filters=filters, table=ACL_FILTERS, page=page, rows=rows)
    tags = tags_by_id(call.tenant, "network-acl", [each.ec2_id for each in found])
    subnets: dict[int, list[Subnet]] = {}
    for subnet in Subnet.objects.filter(vpc__in=[each.vpc_id for each in found]):
        subnets.setdefault(subnet.vpc_id, []).append(subnet)
    shown = [present.network_acl(each, subnets.get(each.vpc_id, ()), call.tenant, tags) for each in found]
    return {"NetworkAcls": shown, "NextToken": token}


@action()
def describe_dhcp_options(
    call: Call,
    *,
    dhcp_options_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=dhcp_options_ids, ids_name="DhcpOptionsIds")
    rows: Any = DhcpOptions.objects.filter(tenant=call.tenant)
    found, token = listed(call, "dopt", ids=dhcp_options_ids, filters=filters, table=DHCP_FILTERS, page=page, rows=rows)
    tags = tags_by_id(call.tenant, "dhcp-options", [each.ec2_id for each in found])
    return {"DhcpOptions": [present.dhcp_options(each, call.tenant, tags) for each in found], "NextToken": token}
