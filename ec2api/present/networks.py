"""Networks and subnets as EC2 describes them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ec2api.present.words import Tags, arn, zone_id
from networking.models import Subnet, Vpc
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import SubnetTypeDef, VpcTypeDef


def vpc(row: Vpc, tenant: Tenant, tags: Tags) -> VpcTypeDef:
    """Its DHCP options should be selected with it."""
    return {
        "VpcId": row.ec2_id,
        "OwnerId": tenant.account_id,
        "InstanceTenancy": "default",
        "Ipv6CidrBlockAssociationSet": [],
        "CidrBlockAssociationSet": [
            {
                "AssociationId": row.ec2_id.replace("vpc-", "vpc-cidr-assoc-"),
                "CidrBlock": row.cidr,
                "CidrBlockState": {"State": "associated"},
            }
        ],
        "IsDefault": row.is_default,
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
        "State": "available",
        "CidrBlock": row.cidr,
        "DhcpOptionsId": row.dhcp_options.ec2_id if row.dhcp_options else "default",
    }


def available(row: Subnet, taken: int) -> int:
    """Addresses that are free when interfaces have ``taken``; five of each subnet are nobody's, as at Amazon."""
    return max(0, ipaddress.IPv4Network(row.cidr).num_addresses - 5 - taken)


def subnet(row: Subnet, tenant: Tenant, taken: int, tags: Tags) -> SubnetTypeDef:
    """``taken``: how many of its addresses interfaces have."""
    return {
        "SubnetId": row.ec2_id,
        "SubnetArn": arn(tenant, "subnet", row.ec2_id),
        "VpcId": row.vpc.ec2_id,
        "OwnerId": tenant.account_id,
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(row.zone),
        "AvailableIpAddressCount": available(row, taken),
        "CidrBlock": row.cidr,
        "DefaultForAz": row.is_default_for_zone,
        "MapPublicIpOnLaunch": row.maps_public_ip,
        "MapCustomerOwnedIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": False,
        "Ipv6CidrBlockAssociationSet": [],
        "Ipv6Native": False,
        "EnableDns64": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "State": "available",
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }
