"""Tenants, people, keys and the audit trail, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axes.models import AccessFailureLog, AccessLog
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_q.models import Schedule

from compute.tenants import delete_tenant, why_not_delete
from portal.accounts import forget_member, invite, revoke_invitation
from portal.actors import actor_of
from portal.admin_site import Choosing, Inline, Page, ReadOnly, audits_itself
from portal.audit import Door
from portal.errors import CloudError
from portal.models import AccessKey, AuditEntry, Identity, Invitation, Membership, Quota, Tenant, User
from portal.tenants import set_access_key_active

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin


class QuotaInline(Inline):
    """Limits are an operator's; usage is the ledger's."""

    model = Quota
    fields = ["resource", "limit", "used", "left"]
    readonly_fields = ["resource", "used", "left"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("left"))
    def left(self, quota: Quota) -> int | str:
        return "—" if quota.limit is None else quota.left  # a limit that was left out, and is asked for again


class MembershipInline(Choosing, Inline):
    model = Membership
    fields = ["tenant", "user", "role", "created_at"]
    readonly_fields = ["created_at"]
    autocomplete_fields = ["tenant", "user"]
    extra = 0


class Memberships:
    """Saves memberships so that one that ends takes its access keys along."""

    def save_formset(
        self, request: HttpRequest, form: ModelForm[Any], formset: BaseModelFormSet[Any, Any], change: bool
    ) -> None:
        ending = formset.deleted_forms if formset.model is Membership else []
        for row in (deleted.instance for deleted in ending):
            if row.pk:
                forget_member(row, actor=actor_of(request, Door.ADMIN))
        formset.save()


@admin.register(Tenant)
class TenantAdmin(Memberships, Page):
    list_display = ["name", "account_id", "members", "created_at"]
    search_fields = ["name", "account_id"]
    readonly_fields = ["account_id", "created_at"]
    inlines = [QuotaInline, MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        rows: QuerySet[Tenant] = super().get_queryset(request)
        return rows.annotate(member_count=Count("memberships"))

    def get_inlines(self, request: HttpRequest, obj: Tenant | None) -> list[Any]:
        return [QuotaInline, MembershipInline] if obj else [MembershipInline]

    @admin.display(description=_("members"), ordering="member_count")
    def members(self, tenant: Any) -> int:
        return int(tenant.member_count)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What stands in the way is told before the question, not as an error after it."""
        tenants = list(objs)
        reasons = [reason for tenant in tenants if (reason := why_not_delete(tenant))]
        listed = [f"{tenant} ({tenant.account_id})" for tenant in tenants]
        return listed, {str(Tenant._meta.verbose_name_plural): len(tenants)}, set(), reasons

    def delete_model(self, request: HttpRequest, obj: Tenant) -> None:
        delete_tenant(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        for tenant in queryset:
            delete_tenant(tenant)


# Groups come back below; the audit trail has the sign-ins; a schedule would run any function, and nothing here is one.
for unused in (Group, AccessLog, AccessFailureLog, Schedule):
    admin.site.unregister(unused)


PERMISSIONS = ("is_staff", "is_superuser", "groups", "user_permissions")


def is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """Groups of operators, for permissions on this site; superusers make and change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return is_superuser(request)


class IdentityInline(ReadOnly, Inline):
    model = Identity
    fields = ["issuer", "subject", "created_at"]
    readonly_fields = ["created_at"]
    extra = 0

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(User)
class PersonAdmin(Memberships, _UserAdmin):
    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login"]
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email", "email_is_confirmed", "language")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email", "usable_password", "password1", "password2")}),
    )
    readonly_fields = ["last_login", "date_joined"]
    inlines = [MembershipInline, IdentityInline]

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[Any]:
        return [MembershipInline, IdentityInline] if obj else []

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Only superusers hand out what people may do here; others would hand it to themselves."""
        return [*self.readonly_fields, *(() if is_superuser(request) else PERMISSIONS)]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and (is_superuser(request) or not (obj and obj.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (is_superuser(request) or not (obj and obj.is_superuser))


@admin.register(AccessKey)
class AccessKeyAdmin(ReadOnly, Page):
    """Secrets are nobody's to see, operators included."""

    list_display = ["access_key_id", "tenant", "user", "is_active", "created_at", "last_used_at"]
    list_filter = ["is_active", "tenant"]
    list_select_related = ["tenant", "user"]
    search_fields = ["access_key_id", "user__username", "tenant__name"]
    fields = ["access_key_id", "tenant", "user", "is_active", "created_at", "last_used_at"]
    actions = ["deactivate", "activate"]

    @audits_itself
    @admin.action(description=_("Deactivate the chosen access keys"), permissions=["operate"])
    def deactivate(self, request: HttpRequest, rows: QuerySet[AccessKey]) -> None:
        self._set(request, rows, False)
        self.message_user(request, _("Deactivated: what is signed with these keys is refused."), messages.SUCCESS)

    @audits_itself
    @admin.action(description=_("Activate the chosen access keys"), permissions=["operate"])
    def activate(self, request: HttpRequest, rows: QuerySet[AccessKey]) -> None:
        self._set(request, rows, True)
        self.message_user(request, _("Activated."), messages.SUCCESS)

    def _set(self, request: HttpRequest, rows: QuerySet[AccessKey], is_active: bool) -> None:
        for key in rows.select_related("tenant"):
            set_access_key_active(key, is_active, actor=actor_of(request, Door.ADMIN))


@admin.register(Invitation)
class InvitationAdmin(Choosing, Page):
    """To let the first administrator into a tenant; the link is shown once, in the message after saving."""

    list_display = ["__str__", "tenant", "role", "invited_by", "created_at", "expires_at", "accepted_by"]
    list_filter = ["tenant", "role"]
    list_select_related = ["tenant", "invited_by", "accepted_by"]
    search_fields = ["email", "tenant__name"]
    autocomplete_fields = ["tenant"]

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> Any:
        known = ["invited_by", "created_at", "expires_at", "accepted_at", "accepted_by"] if obj else []
        return ["tenant", "email", "role", *known]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.accepted_at is None)

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        actor = actor_of(request, Door.ADMIN)
        made, token = invite(obj.tenant, email=obj.email, role=obj.role, actor=actor)
        obj.__dict__.update({key: value for key, value in made.__dict__.items() if key != "_state"})
        obj._state.adding = False
        link = request.build_absolute_uri(reverse("invitation", args=[token]))
        self.message_user(request, _("Pass on this link; it is shown only now: %(link)s") % {"link": link})

    def delete_model(self, request: HttpRequest, obj: Invitation) -> None:
        revoke_invitation(obj, actor=actor_of(request, Door.ADMIN))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        for invitation in queryset.select_related("tenant"):
            try:
                revoke_invitation(invitation, actor=actor_of(request, Door.ADMIN))
            except CloudError as error:
                self.message_user(request, error.message, messages.ERROR)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, Page):
    list_display = ["at", "tenant", "who", "door", "address", "verb", "resource_type", "resource_id"]
    list_filter = ["door", "verb", "resource_type", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["resource_id", "who", "address", "verb"]
    date_hierarchy = "at"
    show_full_result_count = False
    list_per_page = 50
