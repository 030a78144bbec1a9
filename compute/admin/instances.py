"""Instances, key pairs and launch templates."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from compute.models import Instance, KeyPair, LaunchTemplate, LaunchTemplateVersion
from compute.services import start_instances, stop_instances, terminate_instances
from operations.models import Operation
from portal.actors import actor_of
from portal.admin_site import Page, ReadOnly, audits_itself, carry_out
from portal.audit import Door
from scheduling.models import Placement

SHOWN = 20


@admin.register(Instance)
class InstanceAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "tenant", "state", "power", "host_link", "instance_type", "image", "zone", "created_at"]
    list_filter = ["state", "host", "tenant", "instance_type", "zone"]
    list_select_related = ["tenant", "host", "instance_type", "image"]
    search_fields = ["ec2_id", "tenant__name", "key_name"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    fields = [
        ("ec2_id", "uuid", "tenant"),
        ("state", "power", "state_changed_at"),
        ("reason_code", "reason"),
        ("host_link", "zone"),
        ("instance_type", "image", "key_name"),
        ("vcpus_claimed", "memory_claimed_mib", "vcpus_reserved", "memory_reserved_mib"),
        ("created_at", "launched_at", "terminated_at"),
        ("shutdown_behavior", "disable_api_termination", "disable_api_stop"),
        "operations",
        "placements",
        "trail",
    ]
    readonly_fields = ["uuid", "host_link", "operations", "placements", "trail"]
    actions = ["start", "stop", "terminate"]

    @admin.display(description=_("host"), ordering="host__name")
    def host_link(self, instance: Instance) -> str:
        if instance.host is None:
            return "—"
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:compute_host_change", args=[instance.host_id]), instance.host
        )

    @admin.display(description=_("operations"))
    def operations(self, instance: Instance) -> str:
        rows = Operation.objects.on("instance", [instance.ec2_id])[:SHOWN]
        return (
            format_html_join(
                "",
                '<div><a href="{}">{} {}</a>: {} {}</div>',
                (
                    (
                        reverse("admin:operations_operation_change", args=[operation.pk]),
                        f"{operation.created_at:%Y-%m-%d %H:%M:%S}",
                        operation.verb,
                        operation.get_state_display(),
                        operation.error,
                    )
                    for operation in rows
                ),
            )
            or "—"
        )

    @admin.display(description=_("placements"))
    def placements(self, instance: Instance) -> str:
        rows = Placement.objects.filter(instance_id=instance.ec2_id)[:SHOWN]
        return (
            format_html_join(
                "",
                '<div><a href="{}">{} {}</a>: {}</div>',
                (
                    (
                        reverse("admin:scheduling_placement_change", args=[placement.pk]),
                        f"{placement.decided_at:%Y-%m-%d %H:%M:%S}",
                        placement.host or _("no host"),
                        placement.summary,
                    )
                    for placement in rows
                ),
            )
            or "—"
        )

    @admin.display(description=_("audit trail"))
    def trail(self, instance: Instance) -> str:
        url = reverse("admin:portal_auditentry_changelist")
        return format_html('<a href="{}?q={}">{}</a>', url, instance.ec2_id, _("who did what"))

    @audits_itself
    @admin.action(description=_("Start"), permissions=["operate"])
    def start(self, request: HttpRequest, rows: QuerySet[Instance]) -> None:
        self._ask(request, rows, start_instances, str(_("Asked to start.")))

    @audits_itself
    @admin.action(description=_("Stop"), permissions=["operate"])
    def stop(self, request: HttpRequest, rows: QuerySet[Instance]) -> None:
        self._ask(request, rows, stop_instances, str(_("Asked to stop.")))

    @audits_itself
    @admin.action(description=_("Terminate: end for good"), permissions=["operate"])
    def terminate(self, request: HttpRequest, rows: QuerySet[Instance]) -> None:
        self._ask(request, rows, terminate_instances, str(_("Asked to terminate.")))

    def _ask(self, request: HttpRequest, rows: QuerySet[Instance], service: Callable[..., None], done: str) -> None:
        """One call for each tenant: a service writes into one tenant's trail."""
        actor = actor_of(request, Door.ADMIN)
        chosen = list(rows.select_related("tenant").order_by("tenant_id", "pk"))
        for tenant, instances in groupby(chosen, key=lambda instance: instance.tenant):
            mine = list(instances)
            carry_out(self, request, lambda mine=mine: service(mine, actor=actor), f"{tenant}: {done}")  # type: ignore[misc]


@admin.register(KeyPair)
class KeyPairAdmin(ReadOnly, Page):
    list_display = ["name", "ec2_id", "tenant", "key_type", "fingerprint", "created_at"]
    list_filter = ["key_type", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name", "ec2_id", "fingerprint", "tenant__name"]


@admin.register(LaunchTemplate)
class LaunchTemplateAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "name", "tenant", "default_number", "latest_number", "created_by", "created_at"]
    list_filter = ["tenant"]
    list_select_related = ["tenant"]
    search_fields = ["ec2_id", "name", "tenant__name"]
    fields = ["ec2_id", "name", "tenant", "default_number", "latest_number", "created_by", "created_at"]


@admin.register(LaunchTemplateVersion)
class LaunchTemplateVersionAdmin(ReadOnly, Page):
    """Without the data, in which user data may hold what is the tenant's alone."""

    list_display = ["template", "number", "description", "created_by", "created_at"]
    list_select_related = ["template"]
    search_fields = ["template__ec2_id", "template__name"]
    fields = ["template", "number", "description", "created_by", "created_at"]
