"""What Amazon has and this cloud has none of: lists that are truthfully empty, for those who only look.

Each is an action like any other: its parameters and the list are checked against the model when this is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter, Signature
from typing import Any

from ec2api.filters import checked, invalid
from ec2api.pagination import Page
from ec2api.protocol.documentation import documented_filters
from ec2api.protocol.errors import ApiError
from ec2api.protocol.model import operation, snake
from ec2api.registry import Call, Reply, action

# The action, the list in its reply, the parameter with ids if there is one, and what an id that is not there is told.
NOTHING: Sequence[tuple[str, str, str, str]] = (
    ("DescribeCarrierGateways", "CarrierGateways", "CarrierGatewayIds", "InvalidCarrierGatewayID.NotFound"),
    ("DescribeClassicLinkInstances", "Instances", "", ""),
    ("DescribeClientVpnEndpoints", "ClientVpnEndpoints", "ClientVpnEndpointIds", "InvalidClientVpnEndpointId.NotFound"),
    ("DescribeCoipPools", "CoipPools", "PoolIds", "InvalidPoolID.NotFound"),
    ("DescribeCustomerGateways", "CustomerGateways", "CustomerGatewayIds", "InvalidCustomerGatewayID.NotFound"),
    (
        "DescribeEgressOnlyInternetGateways",
        "EgressOnlyInternetGateways",
        "EgressOnlyInternetGatewayIds",
        "InvalidGatewayID.NotFound",
    ),
    ("DescribeFlowLogs", "FlowLogs", "FlowLogIds", "InvalidFlowLogId.NotFound"),
    (
        "DescribeInstanceConnectEndpoints",
        "InstanceConnectEndpoints",
        "InstanceConnectEndpointIds",
        "InvalidInstanceConnectEndpointId.NotFound",
    ),
    ("DescribeIpv6Pools", "Ipv6Pools", "PoolIds", "InvalidPoolID.NotFound"),
    ("DescribeLocalGateways", "LocalGateways", "LocalGatewayIds", "InvalidLocalGatewayID.NotFound"),
    ("DescribeManagedPrefixLists", "PrefixLists", "PrefixListIds", "InvalidPrefixListID.NotFound"),
    ("DescribeMovingAddresses", "MovingAddressStatuses", "", ""),
    ("DescribeNatGateways", "NatGateways", "NatGatewayIds", "NatGatewayNotFound"),
    (
        "DescribeNetworkInterfacePermissions",
        "NetworkInterfacePermissions",
        "NetworkInterfacePermissionIds",
        "InvalidPermissionID.NotFound",
    ),
    ("DescribePrefixLists", "PrefixLists", "PrefixListIds", "InvalidPrefixListId.NotFound"),
    ("DescribePublicIpv4Pools", "PublicIpv4Pools", "PoolIds", "InvalidPublicIpv4PoolID.NotFound"),
    ("DescribeSecurityGroupVpcAssociations", "SecurityGroupVpcAssociations", "", ""),
    (
        "DescribeTransitGatewayAttachments",
        "TransitGatewayAttachments",
        "TransitGatewayAttachmentIds",
        "InvalidTransitGatewayAttachmentID.NotFound",
    ),
    (
        "DescribeTransitGatewayPeeringAttachments",
        "TransitGatewayPeeringAttachments",
        "TransitGatewayAttachmentIds",
        "InvalidTransitGatewayAttachmentID.NotFound",
    ),
    (
        "DescribeTransitGatewayRouteTables",
        "TransitGatewayRouteTables",
        "TransitGatewayRouteTableIds",
        "InvalidRouteTableID.NotFound",
    ),
    (
        "DescribeTransitGatewayVpcAttachments",
        "TransitGatewayVpcAttachments",
        "TransitGatewayAttachmentIds",
        "InvalidTransitGatewayAttachmentID.NotFound",
    ),
    ("DescribeTransitGateways", "TransitGateways", "TransitGatewayIds", "InvalidTransitGatewayID.NotFound"),
    ("DescribeVpcEndpointConnections", "VpcEndpointConnections", "", ""),
    (
        "DescribeVpcEndpointServiceConfigurations",
        "ServiceConfigurations",
        "ServiceIds",
        "InvalidVpcEndpointServiceId.NotFound",
    ),
    ("DescribeVpcEndpoints", "VpcEndpoints", "VpcEndpointIds", "InvalidVpcEndpointId.NotFound"),
    (
        "DescribeVpcPeeringConnections",
        "VpcPeeringConnections",
        "VpcPeeringConnectionIds",
        "InvalidVpcPeeringConnectionID.NotFound",
    ),
    ("DescribeVpnConnections", "VpnConnections", "VpnConnectionIds", "InvalidVpnConnectionID.NotFound"),
    ("DescribeVpnGateways", "VpnGateways", "VpnGatewayIds", "InvalidVpnGatewayID.NotFound"),
)
LOOKING = ("filter", "filters", "max_results", "next_token")  # of these each action has some


def _register(name: str, member: str, ids: str, not_found: str) -> None:
    found = operation("ec2", name)
    assert found is not None, name
    assert found.output is not None, name
    assert found.output.members[member].shape.type == "list", (name, member)
    taken = [snake(ids)] if ids else []
    taken += [each for each in LOOKING if each in found.parameters]

    known = set(documented_filters(found))

    def look(call: Call, **asked: Any) -> Reply:
        for each, _values in checked(asked.get("filters") or asked.get("filter") or ()):
            if each not in known and not ("tag-key" in known and each.startswith("tag:")):
                raise invalid(each)
        named = asked.get(taken[0], ()) if ids else ()
        page = Page(call, asked.get("max_results"), asked.get("next_token", ""), ids=named, ids_name=ids)
        if named:
            raise ApiError(not_found, f"The ID '{named[0][:60]}' does not exist")
        nothing: Sequence[Any] = ()
        shown, token = page.of(nothing)
        return {member: shown} | ({"NextToken": token} if "next_token" in taken else {})

    look.__name__ = snake(name)
    look.__signature__ = Signature([Parameter(each, Parameter.KEYWORD_ONLY, default=None) for each in taken])  # type: ignore[attr-defined]
    action()(look)


for row in NOTHING:
    _register(*row)
