"""Networks, for operators: to look at; tenants change them through their own doors."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from networking.models import (
    ElasticAddress,
    InternetGateway,
    NetworkAcl,
    NetworkInterface,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
)
from portal.admin_site import Inline, Page, ReadOnly


class RuleInline(ReadOnly, Inline):
    model = SecurityGroupRule
    fk_name = "group"
    fields = ["ec2_id", "is_egress", "protocol", "from_port", "to_port", "to", "description"]
    readonly_fields = ["ec2_id", "to"]

    @admin.display(description=_("peer"))
    def to(self, rule: SecurityGroupRule) -> str:
        return rule.peer


@admin.register(SecurityGroup)
class SecurityGroupAdmin(ReadOnly, Page):
    list_display = ["name", "ec2_id", "tenant", "vpc", "description"]
    list_filter = ["tenant"]
    list_select_related = ["tenant", "vpc"]
    search_fields = ["name", "ec2_id", "tenant__name"]
    inlines = [RuleInline]


@admin.register(Vpc)
class VpcAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "tenant", "cidr", "is_default"]
    list_filter = ["is_default", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["ec2_id", "tenant__name"]


@admin.register(Subnet)
class SubnetAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "tenant", "vpc", "cidr", "zone", "is_default_for_zone"]
    list_filter = ["zone", "tenant"]
    list_select_related = ["tenant", "vpc"]
    search_fields = ["ec2_id", "tenant__name"]


class InUse(admin.SimpleListFilter):
    """Interfaces and addresses by whether anything uses them."""

    title = _("in use")
    parameter_name = "in_use"

    def lookups(self, _request: HttpRequest, _page: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        unused = self.unused()
        return rows.filter(unused) if self.value() == "no" else rows.exclude(unused) if self.value() else rows

    def unused(self) -> Q:
        raise NotImplementedError


class Attached(InUse):
    def unused(self) -> Q:
        return Q(instance_id="")


class Associated(InUse):
    def unused(self) -> Q:
        return Q(interface=None)


@admin.register(NetworkInterface)
class NetworkInterfaceAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "tenant", "instance_id", "device_index", "private_ip", "public_ip", "mac", "subnet"]
    list_filter = [Attached, "waits_for_start", "tenant"]
    list_select_related = ["tenant", "subnet"]
    search_fields = ["ec2_id", "instance_id", "private_ip", "public_ip", "mac"]


@admin.register(ElasticAddress)
class ElasticAddressAdmin(ReadOnly, Page):
    list_display = ["public_ip", "ec2_id", "tenant", "interface", "instance", "created_at"]
    list_filter = [Associated, "tenant"]
    list_select_related = ["tenant", "interface"]
    search_fields = ["public_ip", "ec2_id", "tenant__name", "interface__ec2_id", "interface__instance_id"]

    @admin.display(description=_("instance"))
    def instance(self, address: ElasticAddress) -> str:
        return address.interface.instance_id if address.interface else ""


class OfVpc(ReadOnly, Page):
    """What each network comes with."""

    list_display = ["ec2_id", "tenant", "vpc"]
    list_filter = ["tenant"]
    list_select_related = ["tenant", "vpc"]
    search_fields = ["ec2_id", "vpc__ec2_id", "tenant__name"]


admin.site.register([InternetGateway, RouteTable, NetworkAcl], OfVpc)
