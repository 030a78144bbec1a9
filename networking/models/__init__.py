"""Networks, interfaces, addresses, and the groups of rules that guard them."""

from networking.models.counter import Counter, advance
from networking.models.elastic_address import ElasticAddress, new_allocation_id
from networking.models.gateway import (
    InternetGateway,
    NetworkAcl,
    RouteTable,
    new_acl_id,
    new_gateway_id,
    new_route_table_id,
)
from networking.models.interface import NetworkInterface, new_attachment_id, new_interface_id
from networking.models.security_group import SecurityGroup, SecurityGroupRule, new_group_id, new_rule_id
from networking.models.vpc import DhcpOptions, Subnet, Vpc, new_dhcp_options_id, new_subnet_id, new_vpc_id

__all__ = [
    "Counter",
    "DhcpOptions",
    "ElasticAddress",
    "InternetGateway",
    "NetworkAcl",
    "NetworkInterface",
    "RouteTable",
    "SecurityGroup",
    "SecurityGroupRule",
    "Subnet",
    "Vpc",
    "advance",
    "new_acl_id",
    "new_allocation_id",
    "new_attachment_id",
    "new_dhcp_options_id",
    "new_gateway_id",
    "new_group_id",
    "new_interface_id",
    "new_route_table_id",
    "new_rule_id",
    "new_subnet_id",
    "new_vpc_id",
]
