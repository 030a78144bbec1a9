"""Where instances went, and why not elsewhere."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from portal.admin_site import Page, ReadOnly
from scheduling.filters import words
from scheduling.models import Placement, PlacementGroup


@admin.register(Placement)
class PlacementAdmin(ReadOnly, Page):
    list_display = ["instance_id", "host", "policy", "score", "considered", "summary", "decided_at"]
    list_filter = ["policy", "host"]
    search_fields = ["instance_id", "host"]
    date_hierarchy = "decided_at"
    show_full_result_count = False
    fields = ["instance_id", "host", "policy", "score", "considered", "summary", "reasons", "decided_at"]
    readonly_fields = ["reasons"]

    @admin.display(description=_("hosts refused"))
    def reasons(self, placement: Placement) -> str:
        rows = (
            (refusal["count"], words(reason, refusal.get("group", "")), ", ".join(refusal["hosts"]))
            for reason, refusal in placement.refusals.items()
        )
        return format_html_join("", "<div>{} {}: {}</div>", rows) or "—"


@admin.register(PlacementGroup)
class PlacementGroupAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "name", "tenant", "strategy", "partition_count", "created_at"]
    list_filter = ["strategy", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["ec2_id", "name"]
    fields = ["ec2_id", "name", "tenant", "strategy", "partition_count", "spread_level", "created_at"]
