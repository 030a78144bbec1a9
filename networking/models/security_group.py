"""Groups of rules that guard interfaces."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from networking.models.vpc import Vpc
from portal.ids import new_id
from portal.models import Tenant


def new_group_id() -> str:
    return new_id("sg")


def new_rule_id() -> str:
    return new_id("sgr")


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
