"""Networks as rows: what every tenant begins with, and addresses for new instances."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from networking.models import (
    DhcpOptions,
    InternetGateway,
    NetworkAcl,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
)
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tenant

DEFAULT_VPC_CIDR = "172.31.0.0/16"
DEFAULT_SUBNET_CIDR = "172.31.0.0/17"
OPEN_TO_ALL = "0.0.0.0/0"
FURTHER_PREFIX = 20  # of the default subnets in further zones
SSH_GROUP = "ssh"


@dataclass(frozen=True, slots=True)
class DefaultNetwork:
    vpc: Vpc
    subnet: Subnet
    group: SecurityGroup


@transaction.atomic
def default_network(tenant: Tenant) -> DefaultNetwork:
    """The tenant's default VPC, subnet and group, made on first use."""
    subnet = Subnet.objects.filter(tenant=tenant, is_default_for_zone=True).select_related("vpc").first()
    if subnet is not None:
        return DefaultNetwork(subnet.vpc, subnet, SecurityGroup.objects.get(vpc=subnet.vpc, name="default"))
    vpc, made = Vpc.objects.get_or_create(tenant=tenant, is_default=True, defaults={"cidr": DEFAULT_VPC_CIDR})
    if made:
        equip(vpc)
    subnet = Subnet.objects.create(
        tenant=tenant, vpc=vpc, cidr=DEFAULT_SUBNET_CIDR, zone=settings.DEFAULT_ZONE, is_default_for_zone=True
    )
    group = create_group(vpc, "default", "default VPC security group")
    SecurityGroupRule.objects.create(group=group, protocol="-1", peer_group=group)
    return DefaultNetwork(vpc, subnet, group)


@transaction.atomic
def create_default_vpc(tenant: Tenant, *, actor: Actor) -> Vpc:
    """Raises CloudError if there is one, which there is from a tenant's first day on."""
    there = Vpc.objects.filter(tenant=tenant, is_default=True).first()
    if there is not None:
        text = _("A Default VPC already exists for this account in this region: %(vpc)s.")
        raise CloudError(text % {"vpc": there}, code="DefaultVpcAlreadyExists")
    vpc = default_network(tenant).vpc
    audit.record(actor, "create", "vpc", [vpc.ec2_id], tenant=tenant)
    return vpc


@transaction.atomic
def create_default_subnet(tenant: Tenant, zone: str, *, actor: Actor) -> Subnet:
    """The tenant's default subnet in another zone.  Raises CloudError if there is one, or no room for one."""
    vpc = default_network(tenant).vpc
    there = list(Subnet.objects.filter(vpc=vpc))
    for subnet in there:
        if subnet.zone == zone and subnet.is_default_for_zone:
            text = _("'%(subnet)s' is already the default subnet in %(zone)s.")
            values = {"subnet": subnet, "zone": zone}
            raise CloudError(text % values, code="DefaultSubnetAlreadyExistsInAvailabilityZone")
    taken = [ipaddress.IPv4Network(subnet.cidr) for subnet in there]
    ranges = ipaddress.IPv4Network(vpc.cidr).subnets(new_prefix=FURTHER_PREFIX)
    cidr = next((each for each in ranges if not any(each.overlaps(other) for other in taken)), None)
    if cidr is None:
        text = _("%(vpc)s has no range of addresses left for another subnet")
        raise CloudError(text % {"vpc": vpc}, code="InsufficientCidrBlocks")
    made = Subnet.objects.create(tenant=tenant, vpc=vpc, cidr=str(cidr), zone=zone, is_default_for_zone=True)
    audit.record(actor, "create", "subnet", [made.ec2_id], tenant=tenant, zone=zone)
    return made


def equip(vpc: Vpc) -> None:
    """Give a new network what each comes with: DHCP options, a way out, a main route table, a list that lets all in."""
    vpc.dhcp_options, _made = DhcpOptions.objects.get_or_create(tenant_id=vpc.tenant_id, is_default=True)
    vpc.save(update_fields=["dhcp_options"])
    InternetGateway.objects.create(tenant_id=vpc.tenant_id, vpc=vpc)
    RouteTable.objects.create(tenant_id=vpc.tenant_id, vpc=vpc, is_main=True)
    NetworkAcl.objects.create(tenant_id=vpc.tenant_id, vpc=vpc, is_default=True)


def give_default_network(instance: Tenant, created: bool, **_signal: object) -> None:
    """Every new tenant begins with a network, whichever way it was made."""
    if created:
        default_network(instance)


def create_group(vpc: Vpc, name: str, description: str) -> SecurityGroup:
    """A group of that name with the rule that EC2 gives each: everything may go out."""
    group = SecurityGroup.objects.create(tenant_id=vpc.tenant_id, vpc=vpc, name=name, description=description)
    SecurityGroupRule.objects.create(group=group, is_egress=True, protocol="-1", cidr_ipv4=OPEN_TO_ALL)
    return group


@transaction.atomic
def ssh_group(tenant: Tenant, *, actor: Actor) -> SecurityGroup:
    """The tenant's group "ssh" in its default network; made, with port 22 open to everyone, if there is none."""
    vpc = default_network(tenant).vpc
    found = SecurityGroup.objects.filter(vpc=vpc, name=SSH_GROUP).first()
    if found is not None:
        return found
    group = create_group(vpc, SSH_GROUP, "Opens SSH")
    SecurityGroupRule.objects.create(group=group, protocol="tcp", from_port=22, to_port=22, cidr_ipv4=OPEN_TO_ALL)
    audit.record(actor, "create", "security-group", [group.ec2_id], tenant=tenant, name=SSH_GROUP)
    return group
