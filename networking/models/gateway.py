"""What each network comes with: the way out, the routes to it, a list that filters nothing, and what DHCP says."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from networking.models.vpc import Vpc
from portal.ids import new_id
from portal.models import Tenant


def new_gateway_id() -> str:
    return new_id("igw")


def new_route_table_id() -> str:
    return new_id("rtb")


def new_acl_id() -> str:
    return new_id("acl")


class InternetGateway(models.Model):
    """The way out of a network."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_gateway_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="internet_gateways")
    vpc = models.OneToOneField(Vpc, null=True, blank=True, on_delete=models.CASCADE, related_name="internet_gateway")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("internet gateway")
        verbose_name_plural = _("internet gateways")

    def __str__(self) -> str:
        return self.ec2_id


class RouteTable(models.Model):
    """Where a network's packets go: inside it, and everything else through its internet gateway if it has one."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_route_table_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="route_tables")
    vpc = models.ForeignKey(Vpc, on_delete=models.CASCADE, related_name="route_tables")
    is_main = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("route table")
        verbose_name_plural = _("route tables")
        constraints = [
            models.UniqueConstraint(fields=["vpc"], condition=Q(is_main=True), name="one_main_route_table_per_vpc")
        ]

    def __str__(self) -> str:
        return self.ec2_id


class NetworkAcl(models.Model):
    """The default list of a network, which lets everything through."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_acl_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="network_acls")
    vpc = models.ForeignKey(Vpc, on_delete=models.CASCADE, related_name="network_acls")
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("network ACL")
        verbose_name_plural = _("network ACLs")
        constraints = [
            models.UniqueConstraint(fields=["vpc"], condition=Q(is_default=True), name="one_default_acl_per_vpc")
        ]

    def __str__(self) -> str:
        return self.ec2_id
