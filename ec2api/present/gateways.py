"""Route tables, internet gateways, ACLs and DHCP options as EC2 describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ec2api.present.words import Tags, private_domain
from networking.models import DhcpOptions, InternetGateway, NetworkAcl, RouteTable, Subnet, Vpc
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        DhcpOptionsTypeDef,
        InternetGatewayTypeDef,
        NetworkAclEntryTypeDef,
        NetworkAclTypeDef,
        RouteTableTypeDef,
        RouteTypeDef,
    )

EVERYWHERE = "0.0.0.0/0"
LAST_RULE = 32767  # what no other rule of an ACL decides is denied


def gateway_of(vpc: Vpc) -> str:
    """The id of its internet gateway; empty if it has none."""
    gateway: InternetGateway | None = getattr(vpc, "internet_gateway", None)
    return gateway.ec2_id if gateway else ""


def main_association(table_id: str) -> str:
    return table_id.replace("rtb-", "rtbassoc-")


def acl_association(subnet_id: str) -> str:
    return subnet_id.replace("subnet-", "aclassoc-")


def route_table(row: RouteTable, tenant: Tenant, tags: Tags) -> RouteTableTypeDef:
    """Its network and that one's internet gateway should be selected with it."""
    local: RouteTypeDef = {
        "DestinationCidrBlock": row.vpc.cidr,
        "GatewayId": "local",
        "Origin": "CreateRouteTable",
        "State": "active",
    }
    out: RouteTypeDef = {
        "DestinationCidrBlock": EVERYWHERE,
        "GatewayId": gateway_of(row.vpc),
        "Origin": "CreateRoute",
        "State": "active",
    }
    return {
        "RouteTableId": row.ec2_id,
        "VpcId": row.vpc.ec2_id,
        "OwnerId": tenant.account_id,
        "PropagatingVgws": [],
        "Routes": [local, out] if out["GatewayId"] else [local],
        "Associations": [
            {
                "Main": True,
                "RouteTableAssociationId": main_association(row.ec2_id),
                "RouteTableId": row.ec2_id,
                "AssociationState": {"State": "associated"},
            }
        ]
        if row.is_main
        else [],
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }


def internet_gateway(row: InternetGateway, tenant: Tenant, tags: Tags) -> InternetGatewayTypeDef:
    return {
        "InternetGatewayId": row.ec2_id,
        "OwnerId": tenant.account_id,
        "Attachments": [{"State": "available", "VpcId": row.vpc.ec2_id}] if row.vpc else [],  # type: ignore[typeddict-item]
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }


def network_acl(row: NetworkAcl, subnets: Sequence[Subnet], tenant: Tenant, tags: Tags) -> NetworkAclTypeDef:
    """It lets everything through, both ways."""
    return {
        "NetworkAclId": row.ec2_id,
        "VpcId": row.vpc.ec2_id,
        "OwnerId": tenant.account_id,
        "IsDefault": row.is_default,
        "Entries": [
            _entry(number, word, is_egress)
            for is_egress in (True, False)
            for number, word in ((100, "allow"), (LAST_RULE, "deny"))
        ],
        "Associations": [
            {
                "NetworkAclAssociationId": acl_association(subnet.ec2_id),
                "NetworkAclId": row.ec2_id,
                "SubnetId": subnet.ec2_id,
            }
            for subnet in subnets
        ],
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }


def _entry(number: int, word: str, is_egress: bool) -> NetworkAclEntryTypeDef:
    return {
        "RuleNumber": number,
        "Protocol": "-1",
        "RuleAction": word,  # type: ignore[typeddict-item]
        "Egress": is_egress,
        "CidrBlock": EVERYWHERE,
    }


def configuration() -> dict[str, str]:
    """What DHCP tells the guests."""
    return {"domain-name": private_domain(), "domain-name-servers": "AmazonProvidedDNS"}


def dhcp_options(row: DhcpOptions, tenant: Tenant, tags: Tags) -> DhcpOptionsTypeDef:
    return {
        "DhcpOptionsId": row.ec2_id,
        "OwnerId": tenant.account_id,
        "DhcpConfigurations": [{"Key": key, "Values": [{"Value": value}]} for key, value in configuration().items()],
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }
