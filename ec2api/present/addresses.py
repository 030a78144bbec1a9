"""Elastic addresses as EC2 describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from ec2api.present.words import Tags
from networking.models import ElasticAddress
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import AddressTypeDef

POOL = "amazon"


def address(row: ElasticAddress, tenant: Tenant, tags: Tags) -> AddressTypeDef:
    """Its interface should be selected with it."""
    described: AddressTypeDef = {
        "AllocationId": row.ec2_id,
        "PublicIp": row.public_ip,
        "Domain": "vpc",
        "PublicIpv4Pool": POOL,
        "NetworkBorderGroup": settings.REGION,
        "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
    }
    if row.interface is not None:
        described["AssociationId"] = row.association_id
        described["NetworkInterfaceId"] = row.interface.ec2_id
        described["NetworkInterfaceOwnerId"] = tenant.account_id
        described["PrivateIpAddress"] = row.interface.private_ip
        if row.interface.instance_id:
            described["InstanceId"] = row.interface.instance_id
    return described
