"""What is owed, to whom it is owed, and how it went."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django_q.tasks import async_task

from operations.models import Heartbeat, Operation

if TYPE_CHECKING:
    Page = admin.ModelAdmin[Any]
else:
    Page = admin.ModelAdmin


class _ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Operation)
class OperationAdmin(_ReadOnly, Page):
    list_display = [
        "verb",
        "resource_id",
        "state",
        "attempts",
        "actor_name",
        "created_at",
        "due_at",
        "closed_at",
        "why",
    ]
    list_filter = ["state", "verb", "resource_type"]
    search_fields = ["resource_id", "actor_name", "error"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    fields = [
        ("verb", "resource_type", "resource_id"),
        ("state", "attempts", "actor_name"),
        ("created_at", "due_at", "held_until", "closed_at"),
        "params",
        "error",
        "lines",
    ]
    readonly_fields = ["lines"]
    actions = ["try_again_now"]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(cast(Any, request.user).has_perm("operations.change_operation"))

    @admin.display(description=_("error"))
    def why(self, operation: Operation) -> str:
        return operation.error[:120]

    @admin.display(description=_("log"))
    def lines(self, operation: Operation) -> str:
        return format_html('<pre class="log">{}</pre>', operation.log or "—")

    @admin.action(description=_("Try again now"), permissions=["operate"])
    def try_again_now(self, request: HttpRequest, rows: QuerySet[Operation]) -> None:
        """Do not wait any longer.  What is closed stays closed: its row has moved on since."""
        chosen = rows.count()
        woken = Operation.objects.open().filter(pk__in=rows.values("pk")).update(due_at=timezone.now())
        if woken:
            transaction.on_commit(partial(async_task, "operations.tasks.work"), robust=True)
            self.message_user(request, _("%(count)s operations are due now.") % {"count": woken}, messages.SUCCESS)
        if woken < chosen:
            text = _("%(count)s of them are closed already; ask for the same again where it is still wanted.")
            self.message_user(request, text % {"count": chosen - woken}, messages.WARNING)


@admin.register(Heartbeat)
class HeartbeatAdmin(_ReadOnly, Page):
    list_display = ["name", "at", "detail"]
