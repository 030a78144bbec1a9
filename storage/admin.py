"""Datastores, images and volumes, for operators."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from portal.actors import actor_of
from portal.admin_site import JSON_OBJECTS, Page, ReadOnly, audits_itself
from portal.audit import Door
from storage.images import deregister_images
from storage.models import Datastore, Image, Layer, Orphan, Snapshot, Upload, Volume
from storage.orphans import remove_orphans
from storage.verifying import verify_images

SHOWN = 20


@admin.register(Datastore)
class DatastoreAdmin(Page):
    """How full they are, by the last look of the watcher, and who has what in them."""

    list_display = [
        "name",
        "status",
        "free",
        "promised",
        "layer_count",
        "orphan_count",
        "backend",
        "path",
        "is_enabled",
    ]
    list_filter = ["backend", "is_enabled"]
    search_fields = ["name", "path"]
    fields = [
        ("name", "is_enabled", "status"),
        ("backend", "path"),
        "options",
        ("free", "overcommit", "promised"),
        ("seen_at", "last_error"),
        ("layer_count", "orphan_count"),
        "users",
    ]
    readonly_fields = ["status", "free", "promised", "seen_at", "last_error", "layer_count", "orphan_count", "users"]
    formfield_overrides = JSON_OBJECTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Datastore]:
        rows: QuerySet[Datastore] = super().get_queryset(request)
        return rows.annotate(layers_in_it=Count("layers", distinct=True), orphans_in_it=Count("orphans", distinct=True))

    @admin.display(description=_("status"))
    def status(self, datastore: Datastore) -> str:
        if datastore.last_error:
            return format_html('<b class="down">{}</b>', _("down"))
        if datastore.seen_at is None:
            return format_html('<b class="unknown">{}</b>', _("never seen"))
        if datastore.is_full:
            return format_html('<b class="down">{}</b>', _("full: nothing new begins"))
        return format_html('<b class="up">{}</b>', _("up"))

    @admin.display(description=_("free"), ordering="free_bytes")
    def free(self, datastore: Datastore) -> str:
        if not datastore.total_bytes:
            return "—"
        part = round(100 * datastore.free_bytes / datastore.total_bytes)
        free, total = filesizeformat(datastore.free_bytes), filesizeformat(datastore.total_bytes)
        return str(_("%(free)s of %(total)s (%(part)s%%)") % {"free": free, "total": total, "part": part})

    @admin.display(description=_("promised (GiB)"), ordering="promised_gib")
    def promised(self, datastore: Datastore) -> str:
        return f"{datastore.promised_gib} / {datastore.total_gib * datastore.overcommit:.0f}"

    @admin.display(description=_("layers"), ordering="layers_in_it")
    def layer_count(self, datastore: Any) -> int:
        return int(getattr(datastore, "layers_in_it", 0))

    @admin.display(description=_("orphaned files"), ordering="orphans_in_it")
    def orphan_count(self, datastore: Any) -> str:
        count = getattr(datastore, "orphans_in_it", 0)
        if not count:
            return "0"
        url = reverse("admin:storage_orphan_changelist")
        return format_html('<a href="{}?datastore__id__exact={}">{}</a>', url, datastore.pk, count)

    @admin.display(description=_("who uses it"))
    def users(self, datastore: Datastore) -> str:
        rows = datastore.volumes.values("tenant_id", "tenant__name").annotate(count=Count("pk"), gib=Sum("size_gib"))
        url = reverse("admin:storage_volume_changelist")
        lines = (
            (
                *(url, datastore.pk, row["tenant_id"], row["tenant__name"]),
                _("volumes: %(count)s, %(gib)s GiB") % {"count": row["count"], "gib": row["gib"]},
            )
            for row in rows.order_by("-gib")[:SHOWN]
        )
        link = '<div><a href="{}?datastore__id__exact={}&amp;tenant__id__exact={}">{}</a>: {}</div>'
        return format_html_join("", link, lines) or "—"


@admin.register(Orphan)
class OrphanAdmin(ReadOnly, Page):
    """Found with each measurement, and never removed unless somebody says so here."""

    list_display = ["name", "datastore", "size", "modified_at", "found_at"]
    list_filter = ["datastore"]
    list_select_related = ["datastore"]
    search_fields = ["name"]
    date_hierarchy = "modified_at"
    actions = ["remove"]

    @admin.display(description=_("space taken"), ordering="used_bytes")
    def size(self, orphan: Orphan) -> str:
        return filesizeformat(orphan.used_bytes)

    @audits_itself
    @admin.action(description=_("Remove the chosen files"), permissions=["operate"])
    def remove(self, request: HttpRequest, rows: QuerySet[Orphan]) -> HttpResponse | None:
        chosen = rows.select_related("datastore")
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": _("Remove these files?"),
                "orphans": chosen,
                "opts": self.opts,
                "total_bytes": sum(orphan.used_bytes for orphan in chosen),
                "action_name": ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "admin/remove_orphans.html", context)
        count = remove_orphans(chosen, actor=actor_of(request, Door.ADMIN))
        text = _("%(count)s files are being removed; one that has come to belong to something stays.")
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
        return None


@admin.register(Image)
class ImageAdmin(Page):
    """An image is deregistered, not deleted: instances and volumes point at it."""

    list_display = [
        "name",
        "ec2_id",
        "state",
        "reason",
        "tenant",
        "is_public",
        "size_gib",
        "architecture",
        "root_snapshot",
        "created_at",
    ]
    list_filter = ["state", "is_public", "architecture", "tenant"]
    list_select_related = ["tenant", "root_snapshot"]
    search_fields = ["name", "ec2_id"]
    fields = [
        ("name", "ec2_id", "state"),
        "reason",
        "description",
        ("tenant", "is_public"),
        ("architecture", "virtualization", "root_device_name"),
        ("size_gib", "login_user"),
        ("root_snapshot", "created_at"),
    ]
    readonly_fields = [
        "ec2_id",
        "state",
        "reason",
        "tenant",
        "architecture",
        "virtualization",
        "root_snapshot",
        "created_at",
    ]
    actions = ["deregister", "verify"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        return False

    @audits_itself
    @admin.action(description=_("Deregister the chosen images"), permissions=["change"])
    def deregister(self, request: HttpRequest, rows: QuerySet[Image]) -> None:
        count = deregister_images(rows, actor=actor_of(request, Door.ADMIN))
        text = _("%(count)s images are deregistered; what was launched from them goes on.")
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    @admin.display(description=_("reason"))
    def reason(self, image: Image) -> str:
        return image.state_message or "—"

    @audits_itself
    @admin.action(description=_("Compare the files of the chosen images with their checksums"), permissions=["change"])
    def verify(self, request: HttpRequest, rows: QuerySet[Image]) -> None:
        count = verify_images(rows.select_related("tenant"), actor=actor_of(request, Door.ADMIN))
        url = f"{reverse('admin:operations_operation_changelist')}?verb__exact=verify"
        text = _("%(count)s images are being verified; what was found is said by their operations.")
        said = format_html('{} <a href="{}">{}</a>', text % {"count": count}, url, _("operations"))
        self.message_user(request, said, messages.SUCCESS)


@admin.register(Upload)
class UploadAdmin(ReadOnly, Page):
    """Files on their way to become images: sent by tenants, or fetched for them."""

    list_display = ["ec2_id", "tenant", "image", "state", "progress", "source", "datastore", "changed_at", "message"]
    list_filter = ["state", "datastore", "tenant"]
    list_select_related = ["tenant", "image", "datastore"]
    search_fields = ["ec2_id", "file_name", "url", "image__ec2_id", "image__name"]
    exclude = ["validator"]

    @admin.display(description=_("arrived"))
    def progress(self, upload: Upload) -> str:
        done = filesizeformat(upload.offset)
        if not upload.size_bytes:
            return done
        part, total = upload.offset * 100 // upload.size_bytes, filesizeformat(upload.size_bytes)
        return str(_("%(done)s of %(total)s (%(part)s%%)") % {"done": done, "total": total, "part": part})

    @admin.display(description=_("source"))
    def source(self, upload: Upload) -> str:
        return upload.url or upload.file_name


@admin.register(Volume)
class VolumeAdmin(ReadOnly, Page):
    list_display = [
        "ec2_id",
        "tenant",
        "state",
        "size_gib",
        "volume_type",
        "instance_id",
        "device",
        "datastore",
        "zone",
    ]
    list_filter = ["state", "datastore", "zone", "tenant"]
    list_select_related = ["tenant", "datastore"]
    search_fields = ["ec2_id", "instance_id"]


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnly, Page):
    list_display = ["ec2_id", "tenant", "state", "progress", "size_gib", "volume_id", "is_public", "started_at"]
    list_filter = ["state", "is_public", "is_encrypted", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["ec2_id", "volume_id", "description"]


@admin.register(Layer)
class LayerAdmin(ReadOnly, Page):
    """The files behind volumes and snapshots; those that nothing refers to go by themselves."""

    list_display = ["name", "datastore", "parent", "size_gib", "used_bytes", "promised_gib", "made_at", "unused_since"]
    list_filter = ["datastore"]
    list_select_related = ["datastore", "parent"]
    search_fields = ["name"]
    exclude = ["key"]
