"""Networks, interfaces and the groups of rules that guard them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant


def new_vpc_id() -> str:
    return new_id("vpc")


def new_subnet_id() -> str:
    return new_id("subnet")


def new_group_id() -> str:
    return new_id("sg")


def new_rule_id() -> str:
    return new_id("sgr")


def new_interface_id() -> str:
    return new_id("eni")


class Vpc(models.Model):
    """A tenant's private network."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_vpc_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="vpcs")
    cidr = models.CharField(max_length=18)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("VPC")
        verbose_name_plural = _("VPCs")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["tenant"], condition=Q(is_default=True), name="one_default_vpc_per_tenant")
        ]

    def __str__(self) -> str:
        return self.ec2_id


class Subnet(models.Model):
    """A range of a VPC in one zone; ``next_host`` is where the search for a free address goes on."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_subnet_id, editable=False)
    vpc = models.ForeignKey(Vpc, on_delete=models.CASCADE, related_name="subnets")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="subnets")
    cidr = models.CharField(max_length=18)
    zone = models.CharField(max_length=40)
    is_default_for_zone = models.BooleanField(default=False)
    maps_public_ip = models.BooleanField(default=True)
    next_host = models.PositiveIntegerField(default=4)  # .0 to .3 are EC2's own
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("subnet")
        verbose_name_plural = _("subnets")
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.ec2_id


class SecurityGroup(models.Model):
    """A named set of rules, carried by interfaces."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_group_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="security_groups")
    vpc = models.ForeignKey(Vpc, on_delete=models.CASCADE, related_name="security_groups")
    name = models.CharField(_("name"), max_length=255)
    description = models.CharField(_("description"), max_length=255)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["vpc", "name"], name="one_group_per_vpc_and_name")]
        verbose_name = _("security group")
        verbose_name_plural = _("security groups")

    def __str__(self) -> str:
        return f"{self.name} ({self.ec2_id})"


class SecurityGroupRule(models.Model):
    """One permission: to whom which ports are open.  Exactly one of the four peers is set."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_rule_id, editable=False)
    group = models.ForeignKey(SecurityGroup, on_delete=models.CASCADE, related_name="rules")
    is_egress = models.BooleanField(default=False)
    protocol = models.CharField(max_length=10)  # "tcp", "udp", "icmp", "icmpv6", "-1" for all, or a number
    from_port = models.IntegerField(default=-1)
    to_port = models.IntegerField(default=-1)
    cidr_ipv4 = models.CharField(max_length=18, blank=True)
    cidr_ipv6 = models.CharField(max_length=43, blank=True)
    prefix_list_id = models.CharField(max_length=40, blank=True)
    peer_group = models.ForeignKey(
        SecurityGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="referring_rules"
    )
    description = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "is_egress", "protocol", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6"],
                condition=Q(peer_group=None),
                name="no_address_rule_twice",
            ),
            models.UniqueConstraint(
                fields=["group", "is_egress", "protocol", "from_port", "to_port", "peer_group"],
                condition=Q(peer_group__isnull=False),
                name="no_group_rule_twice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ec2_id}: {self.protocol} {self.from_port}-{self.to_port} {self.peer}"

    @property
    def peer(self) -> str:
        return (
            self.cidr_ipv4
            or self.cidr_ipv6
            or self.prefix_list_id
            or (self.peer_group and self.peer_group.ec2_id)
            or ""
        )


class NetworkInterface(models.Model):
    """What an instance is plugged in by: its addresses and its groups.  The row goes when the address is free again."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_interface_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="network_interfaces")
    subnet = models.ForeignKey(Subnet, on_delete=models.PROTECT, related_name="network_interfaces")
    instance_id = models.CharField(max_length=40, blank=True, db_index=True)  # the EC2 id; empty: not attached
    device_index = models.PositiveSmallIntegerField(default=0)
    delete_on_termination = models.BooleanField(default=True)
    description = models.CharField(max_length=255, blank=True)
    mac = models.CharField(max_length=17, unique=True)
    private_ip = models.GenericIPAddressField(protocol="IPv4")
    public_ip = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True, unique=True)
    source_dest_check = models.BooleanField(default=True)
    groups = models.ManyToManyField(SecurityGroup, related_name="network_interfaces")
    forwards = models.JSONField(default=list, blank=True)  # of the last start: [{"protocol", "port", "guest_port"}]
    not_enforced = models.JSONField(default=list, blank=True)  # rules that this network cannot keep, in words
    attached_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("network interface")
        verbose_name_plural = _("network interfaces")
        ordering = ["device_index", "pk"]
        constraints = [models.UniqueConstraint(fields=["subnet", "private_ip"], name="one_interface_per_address")]

    def __str__(self) -> str:
        return self.ec2_id


def advance(model: type[models.Model], column: str, pk: int | str, step: int) -> int | None:
    """Add to a number of a row and return what it is then, in one statement; None if there is no such row."""
    table, key = model._meta.db_table, model._meta.pk.column
    statement = f'UPDATE "{table}" SET "{column}" = "{column}" + %s WHERE "{key}" = %s RETURNING "{column}"'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [step, pk])
        rows = cursor.fetchall()
    return int(rows[0][0]) if rows else None


class Counter(models.Model):
    """A number that only grows, for addresses shared by the whole installation."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"

    @classmethod
    def take(cls, name: str, count: int) -> Sequence[int]:
        """The next ``count`` numbers, nobody else's; to be called inside a transaction."""
        end = advance(cls, "value", name, count)
        if end is None:
            cls.objects.get_or_create(name=name)
            return cls.take(name, count)
        return range(end - count, end)
