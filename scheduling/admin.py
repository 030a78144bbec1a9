"""Where instances went, and why not elsewhere."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from portal.admin_site import Page, ReadOnly
from scheduling.filters import WORDS
from scheduling.models import Placement


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
            (refusal["count"], WORDS.get(reason, reason), ", ".join(refusal["hosts"]))
            for reason, refusal in placement.refusals.items()
        )
        return format_html_join("", "<div>{} {}: {}</div>", rows) or "—"
