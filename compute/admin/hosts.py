"""Hosts and instance types."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from compute import drivers
from compute.hosts import cordon_hosts, enable_hosts
from compute.models import Host, InstanceType
from compute.states import InstanceState
from portal.actors import actor_of
from portal.admin_site import JSON_OBJECTS, Page, audits_itself
from portal.audit import Door

LIVE = ~Q(instances__state=InstanceState.TERMINATED)


@admin.register(Host)
class HostAdmin(Page):
    """State is changed by the actions, allocation by placement alone."""

    list_display = [
        "name",
        "status",
        "state",
        "zone",
        "driver",
        "vcpus_shown",
        "memory_shown",
        "runs",
        "report",
        "error",
    ]
    list_filter = ["state", "driver", "zone", "architecture"]
    search_fields = ["name", "uri"]
    fields = [
        ("name", "state", "status"),
        ("driver", "uri"),
        "options",
        ("zone", "architecture"),
        ("vcpus", "cpu_overcommit", "vcpus_allocated"),
        ("memory_mib", "memory_overcommit", "memory_allocated_mib"),
        ("runs", "report", "hypervisor"),
        "last_error",
    ]
    readonly_fields = [
        "state",
        "status",
        "vcpus_allocated",
        "memory_allocated_mib",
        "runs",
        "report",
        "hypervisor",
        "last_error",
    ]
    actions = ["cordon", "enable"]
    formfield_overrides = JSON_OBJECTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Host]:
        rows: QuerySet[Host] = super().get_queryset(request)
        return rows.annotate(running=Count("instances", filter=LIVE))

    def get_readonly_fields(self, request: HttpRequest, obj: Host | None = None) -> list[str]:
        """What domains and claims are tied to stays as it was when the host was added."""
        return [*self.readonly_fields, *(["name", "driver"] if obj else [])]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "driver" and field is not None:
            return forms.ChoiceField(label=field.label, choices=[(kind, kind) for kind in drivers.KINDS])
        if db_field.name in ("cpu_overcommit", "memory_overcommit") and field is not None:
            return forms.FloatField(label=field.label, min_value=0.1, initial=1.0)
        return field

    @admin.display(description=_("status"))
    def status(self, host: Host) -> str:
        if host.seen_at is None:
            return format_html('<b class="unknown">{}</b>', _("never seen"))
        return format_html('<b class="{}">{}</b>', *(("up", _("up")) if host.is_up else ("down", _("down"))))

    @admin.display(description=_("vCPUs allocated"), ordering="vcpus_allocated")
    def vcpus_shown(self, host: Host) -> str:
        return f"{host.vcpus_allocated} / {host.vcpus * host.cpu_overcommit:g}"

    @admin.display(description=_("memory allocated (MiB)"), ordering="memory_allocated_mib")
    def memory_shown(self, host: Host) -> str:
        return f"{host.memory_allocated_mib} / {host.memory_mib * host.memory_overcommit:g}"

    @admin.display(description=_("instances"), ordering="running")
    def runs(self, host: Any) -> str:
        count = getattr(host, "running", 0)
        if not host.pk or not count:
            return str(count)
        url = reverse("admin:compute_instance_changelist")
        return format_html('<a href="{}?host__id__exact={}">{}</a>', url, host.pk, count)

    @admin.display(description=_("last report"), ordering="seen_at")
    def report(self, host: Host) -> str:
        return str(naturaltime(host.seen_at)) if host.seen_at else "—"

    @admin.display(description=_("last error"))
    def error(self, host: Host) -> str:
        return host.last_error[:100]

    @audits_itself
    @admin.action(description=_("Cordon: take no new instances"), permissions=["change"])
    def cordon(self, request: HttpRequest, rows: QuerySet[Host]) -> None:
        count = cordon_hosts(rows, actor=actor_of(request, Door.ADMIN))
        text = _("%(count)s hosts take no new instances now; what runs there goes on.")
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    @audits_itself
    @admin.action(description=_("Enable: take new instances"), permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[Host]) -> None:
        count = enable_hosts(rows, actor=actor_of(request, Door.ADMIN))
        self.message_user(request, _("%(count)s hosts take new instances again.") % {"count": count}, messages.SUCCESS)


@admin.register(InstanceType)
class InstanceTypeAdmin(Page):
    list_display = ["name", "vcpus", "memory_mib", "disk_gib", "is_enabled"]
    list_filter = ["is_enabled"]
    list_editable = ["is_enabled"]
    search_fields = ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: InstanceType | None = None) -> list[str]:
        """Instances count on what their type said; another size is another type."""
        return ["name", "vcpus", "memory_mib"] if obj and obj.instances.exists() else []
