"""Networks, for operators: to look at; tenants change them through their own doors."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from networking.models import NetworkInterface, SecurityGroup, SecurityGroupRule, Subnet, Vpc
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


@admin.register(NetworkInterface)
class NetworkInterfaceAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "tenant", "instance_id", "private_ip", "public_ip", "mac", "subnet"]
    list_filter = ["tenant"]
    list_select_related = ["tenant", "subnet"]
    search_fields = ["ec2_id", "instance_id", "private_ip", "public_ip", "mac"]
