"""The operators' site: one sign-in with the portal, an overview, and every change in the audit trail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin, TabularInline
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, JSONField, Model, QuerySet
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from portal import audit
from portal.actors import actor_of
from portal.audit import Door
from portal.errors import CloudError
from portal.models import Quota, Tenant

if TYPE_CHECKING:
    Page = ModelAdmin[Any]
    _Inline = TabularInline[Any, Any]
else:
    Page, _Inline = ModelAdmin, TabularInline

Action = TypeVar("Action", bound=Callable[..., Any])
overviews: list[Callable[[], dict[str, Any]]] = []  # what apps add to the first page
UNKEPT = ("\\u0000", "NaN", "Infinity")  # of JSON, by PostgreSQL
IDS = ("ec2_id", "account_id", "access_key_id", "username", "name")


def id_of(row: Model) -> str:
    """How the audit trail names a row."""
    found = next((str(getattr(row, name)) for name in IDS if getattr(row, name, "")), str(row.pk))
    return found[:80]


def kind_of(model: type[Model]) -> str:
    return str(model._meta.verbose_name_raw).lower().replace(" ", "-")[:40]


def tenant_of(row: Model) -> Tenant | None:
    found = row if isinstance(row, Tenant) else getattr(row, "tenant", None)
    return found if isinstance(found, Tenant) and found.pk else None


def record(request: HttpRequest, verb: str, rows: Iterable[Model], **detail: object) -> None:
    for row in rows:
        actor = actor_of(request, Door.ADMIN)
        audit.record(actor, verb, kind_of(type(row)), [id_of(row)], tenant=tenant_of(row), **detail)


class Audited:
    """What every page of the site is mixed with when it is registered, those of other people's apps as well."""

    def log_addition(self, request: HttpRequest, object: Any, message: Any) -> Any:
        record(request, "add", [object], changes=message)
        return cast(Any, super()).log_addition(request, object, message)

    def log_change(self, request: HttpRequest, object: Any, message: Any) -> Any:
        if message:
            record(request, "change", [object], changes=message)
        return cast(Any, super()).log_change(request, object, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        gone = [row for row in queryset if not isinstance(row, Tenant)]
        record(request, "delete", gone)
        for tenant in (row for row in queryset if isinstance(row, Tenant)):
            audit.record(actor_of(request, Door.ADMIN), "delete", "tenant", [tenant.account_id], tenant=None)
        return cast(Any, super()).log_deletions(request, queryset)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Rows that nobody deletes here by hand may still go with what owns them, and may still stand in the way."""
        registry = cast(Any, self).admin_site._registry
        by_hand = {str(model._meta.verbose_name) for model, page in registry.items() if not isinstance(page, ReadOnly)}
        listed, counts, lacking, protected = cast(Any, super()).get_deleted_objects(objs, request)
        return listed, counts, {name for name in lacking if name in by_hand}, protected

    @transaction.atomic
    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        return cast(Any, super()).response_action(request, queryset)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Each action leaves an entry for each row it was asked for, unless the service it calls writes its own."""
        actions: dict[str, Any] = cast(Any, super()).get_actions(request)
        return {name: (_audited(act, name), name, words) for name, (act, _name, words) in actions.items()}


def audits_itself(act: Action) -> Action:
    """Mark an action whose service writes the audit trail."""
    act.audits_itself = True  # type: ignore[attr-defined]
    return act


def _audited(act: Callable[..., Any], name: str) -> Callable[..., Any]:
    def audited(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> Any:
        if name != "delete_selected" and not getattr(act, "audits_itself", False):
            record(request, name.replace("_", " "), rows)
        return act(page, request, rows)

    return audited


class ObjectField(forms.JSONField):
    """JSON that any database keeps: an object, with nothing in it that PostgreSQL refuses."""

    default_error_messages = {"object": _('Write a JSON object, such as {"delay_s": 0.1}.')}

    def to_python(self, value: Any) -> Any:
        try:
            found = super().to_python(value)
        except ValueError:  # a number of more digits than Python reads
            found = InvalidJSONInput(value)
        if found in self.empty_values:
            return {}
        if not isinstance(found, dict) or any(mark in json.dumps(found) for mark in UNKEPT):
            raise forms.ValidationError(self.error_messages["object"], code="object")
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except ValueError:
            return InvalidJSONInput(data)


JSON_OBJECTS: dict[Any, Any] = {JSONField: {"form_class": ObjectField}}


class Chooser(AutocompleteSelect):
    """Django's own looks for what was sent before it is checked, and breaks where that is no key."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if re.fullmatch("[0-9]{1,18}", str(one))], attrs)


class Inline(_Inline):
    """Names each of its fields for screen readers: in a table the heading of the column is no label."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None:
            field.widget.attrs.setdefault("aria-label", field.label)
        return field


class Choosing:
    """For pages and inlines with ``autocomplete_fields``."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        page = cast(Any, self)
        if db_field.name in page.autocomplete_fields:
            options["widget"] = Chooser(db_field, page.admin_site)
        return cast(Any, super()).formfield_for_foreignkey(db_field, request, **options)


class ReadOnly:
    """For what services and tasks write: to be looked at, changed by actions only."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may run the actions: who might change rows, if this were not read-only."""
        opts = cast(Any, self).opts
        return bool(cast(Any, request.user).has_perm(f"{opts.app_label}.change_{opts.model_name}"))


def carry_out(page: Any, request: HttpRequest, act: Callable[[], None], done: str) -> None:
    """Call a service; what it refuses becomes a message."""
    try:
        act()
    except CloudError as error:
        page.message_user(request, error.message, messages.ERROR)
    else:
        page.message_user(request, done, messages.SUCCESS)


class OperatorSite(AdminSite):
    site_header = _("Yushan: operators")
    site_title = _("Yushan operators")
    index_title = _("The cloud now")
    index_template = "admin/overview.html"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        page = admin_class or ModelAdmin
        if not issubclass(page, Audited):
            page = type(page.__name__, (Audited, page), {"__module__": page.__module__})
        super().register(model_or_iterable, page, **options)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The portal's sign-in page, so that operators come in every way that users do."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied(_("The admin site is for operators; your account is not one."))
        if self.has_permission(request):
            return redirect(reverse("admin:index", current_app=self.name))
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"), resolve_url("sign-in"))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        context: dict[str, Any] = {"full": full_quotas()}
        for overview in overviews:
            context |= overview()
        return super().index(request, {**context, **(extra_context or {})})


def full_quotas() -> list[Quota]:
    """Ledgers that are more than four fifths full."""
    rows = Quota.objects.filter(limit__gt=0, used__gte=F("limit") * 4 / 5)
    return list(rows.select_related("tenant").order_by("tenant__name", "resource")[:20])
