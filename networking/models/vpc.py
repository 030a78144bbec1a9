"""Networks and their subnets."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant


def new_vpc_id() -> str:
    return new_id("vpc")


def new_dhcp_options_id() -> str:
    return new_id("dopt")


def new_subnet_id() -> str:
    return new_id("subnet")


class DhcpOptions(models.Model):
    """What DHCP tells the guests of a network: Amazon's defaults, one set for each tenant."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_dhcp_options_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="dhcp_options")
    is_default = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("set of DHCP options")
        verbose_name_plural = _("sets of DHCP options")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(is_default=True), name="one_default_dhcp_options_per_tenant"
            )
        ]

    def __str__(self) -> str:
        return self.ec2_id


class Vpc(models.Model):
    """A tenant's private network."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_vpc_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="vpcs")
    cidr = models.CharField(max_length=18)
    is_default = models.BooleanField(default=False)
    dhcp_options = models.ForeignKey(DhcpOptions, null=True, blank=True, on_delete=models.SET_NULL, related_name="vpcs")
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
        constraints = [
            models.UniqueConstraint(
                fields=["vpc", "zone"], condition=Q(is_default_for_zone=True), name="one_default_subnet_per_zone"
            )
        ]

    def __str__(self) -> str:
        return self.ec2_id
