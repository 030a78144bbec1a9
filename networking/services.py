"""Networks as rows: what every tenant begins with, and addresses for new instances."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import GenericIPAddressField, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from networking.backends.usermode import USABLE, loopback_address
from networking.models import Counter, NetworkInterface, SecurityGroup, SecurityGroupRule, Subnet, Vpc, advance
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tag, Tenant
from portal.prepared import Prepared, slot, slots

DEFAULT_VPC_CIDR = "172.31.0.0/16"
DEFAULT_SUBNET_CIDR = "172.31.0.0/17"
OPEN_TO_ALL = "0.0.0.0/0"
SSH_GROUP = "ssh"
SEARCH_STEP = 1024


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
    vpc, _made = Vpc.objects.get_or_create(tenant=tenant, is_default=True, defaults={"cidr": DEFAULT_VPC_CIDR})
    subnet = Subnet.objects.create(
        tenant=tenant, vpc=vpc, cidr=DEFAULT_SUBNET_CIDR, zone=settings.DEFAULT_ZONE, is_default_for_zone=True
    )
    group = create_group(vpc, "default", "default VPC security group")
    SecurityGroupRule.objects.create(group=group, protocol="-1", peer_group=group)
    return DefaultNetwork(vpc, subnet, group)


def give_default_network(instance: Tenant, created: bool, **_: object) -> None:
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


def interfaces_for(
    instance_ids: Sequence[str],
    subnet: Subnet,
    groups: Sequence[SecurityGroup],
    *,
    public_ip: bool | None = None,
    delete_on_termination: bool = True,
    description: str = "",
) -> list[NetworkInterface]:
    """One interface for each instance, with addresses of its own; in the caller's transaction, two inserts in all.

    Whether it gets a public address is the subnet's choice unless ``public_ip`` says.
    """
    now = timezone.now()
    is_public = subnet.maps_public_ip if public_ip is None else public_ip
    private, public = _addresses(subnet, len(instance_ids), is_public=is_public)
    made = NetworkInterface.objects.bulk_create(
        NetworkInterface(
            tenant_id=subnet.tenant_id,
            subnet=subnet,
            instance_id=instance_id,
            mac=_new_mac(),
            private_ip=private_ip,
            public_ip=public_address,
            delete_on_termination=delete_on_termination,
            description=description,
            attached_at=now,
        )
        for instance_id, private_ip, public_address in zip(instance_ids, private, public, strict=True)
    )
    through = NetworkInterface.groups.through
    through.objects.bulk_create(
        through(networkinterface_id=interface.pk, securitygroup_id=group.pk) for interface in made for group in groups
    )
    return made


def _new_mac() -> str:
    """A locally administered address; 16 million million of them make a clash an error nobody meets twice."""
    tail = secrets.token_bytes(5)
    return "02:" + ":".join(f"{byte:02x}" for byte in tail)


def _addresses(subnet: Subnet, count: int, *, is_public: bool) -> tuple[list[str], Sequence[str | None]]:
    """``count`` private addresses, and as many public ones if any, that no interface has."""
    private = _next_private(subnet, count)
    public = _next_public(count) if is_public else []
    if len(set(private)) < count or _are_taken(subnet, private, public):
        private = _search_private(subnet, count)
        public = _search_public(count) if is_public else []
    return private, public or [None] * count


def _next_private(subnet: Subnet, count: int) -> list[str]:
    """The addresses of the subnet that come next, going round it."""
    network = ipaddress.IPv4Network(subnet.cidr)
    end = advance(Subnet, "next_host", subnet.pk, count)
    assert end is not None
    return [str(network[4 + (n - 4) % _usable(network)]) for n in range(end - count, end)]


def _usable(network: ipaddress.IPv4Network) -> int:
    return network.num_addresses - 5  # EC2 keeps the first four and the last


def _next_public(count: int) -> list[str]:
    return [loopback_address(number, settings.INSTALLATION) for number in Counter.take("public-address", count)]


_ADDRESS = GenericIPAddressField(protocol="IPv4")
_SAME_PRIVATE = Q(subnet=slot("subnet"), private_ip__in=slots("private", _ADDRESS))
_SAME_PUBLIC = Q(public_ip__in=slots("public", _ADDRESS))
_PRIVATE_TAKEN = Prepared(
    lambda: NetworkInterface.objects.filter(_SAME_PRIVATE).order_by().values_list("private_ip", flat=True)
)
_TAKEN = Prepared(lambda: NetworkInterface.objects.filter(_SAME_PRIVATE | _SAME_PUBLIC).order_by().values("pk")[:1])


def _are_taken(subnet: Subnet, private: Sequence[str], public: Sequence[str]) -> bool:
    """Whether an interface has one of these already."""
    if not public:
        return bool(_PRIVATE_TAKEN(subnet=subnet, private=private))
    return bool(_TAKEN(subnet=subnet, private=private, public=public))


def _search_private(subnet: Subnet, count: int) -> list[str]:
    """For when what comes next is taken, which is once all of the subnet has been given out."""
    found = _search(
        count,
        _usable(ipaddress.IPv4Network(subnet.cidr)),
        lambda step: _next_private(subnet, step),
        lambda tried: _PRIVATE_TAKEN(subnet=subnet, private=tried),
    )
    if len(found) < count:
        text = _(
            "subnet %(subnet)s has no %(count)s free addresses left; terminate instances in it or use another subnet"
        )
        raise CloudError(text % {"subnet": subnet, "count": count}, code="InsufficientFreeAddressesInSubnet")
    return found


def _search_public(count: int) -> list[str]:
    at = NetworkInterface.objects.order_by()
    found = _search(
        count, USABLE, _next_public, lambda tried: at.filter(public_ip__in=tried).values_list("public_ip", flat=True)
    )
    if len(found) < count:
        text = _("no public address is free; try again in a moment, and ask an operator if that does not help")
        raise CloudError(text, code="InsufficientAddressCapacity")
    return found


def _search(
    count: int, size: int, take: Callable[[int], Sequence[str]], taken: Callable[[Sequence[str]], Iterable[str | None]]
) -> list[str]:
    """Up to ``count`` free ones of a range of ``size``, once round it and many at a time."""
    found: dict[str, None] = {}
    for _round in range(-(-size // SEARCH_STEP)):
        tried = take(SEARCH_STEP)
        gone = set(taken(tried))
        found |= dict.fromkeys(address for address in tried if address not in gone)
        if len(found) >= count:
            break
    return list(found)[:count]


def release_interfaces(instance_ids: Sequence[str]) -> None:
    """Let go of the interfaces that end with their instances; the others are only detached."""
    mine = NetworkInterface.objects.filter(instance_id__in=instance_ids)
    ending = mine.filter(delete_on_termination=True)
    Tag.objects.filter(resource_type="network-interface", resource_id__in=ending.values("ec2_id")).delete()
    ending.delete()
    mine.update(instance_id="", attached_at=None, forwards=[])
