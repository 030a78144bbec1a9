"""Datastores, images and volumes, for operators."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.actors import actor_of
from portal.admin_site import JSON_OBJECTS, Page, ReadOnly, audits_itself
from portal.audit import Door
from storage.images import deregister_images
from storage.models import Datastore, Image, Layer, Snapshot, Volume


@admin.register(Datastore)
class DatastoreAdmin(Page):
    list_display = ["name", "backend", "path", "is_enabled"]
    list_filter = ["backend", "is_enabled"]
    search_fields = ["name", "path"]
    formfield_overrides = JSON_OBJECTS


@admin.register(Image)
class ImageAdmin(Page):
    """An image is deregistered, not deleted: instances and volumes point at it."""

    list_display = [
        "name",
        "ec2_id",
        "state",
        "tenant",
        "is_public",
        "size_gib",
        "architecture",
        "created_at",
    ]
    list_filter = ["state", "is_public", "architecture", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name", "ec2_id"]
    fields = [
        ("name", "ec2_id", "state"),
        "description",
        ("tenant", "is_public"),
        ("architecture", "virtualization", "root_device_name"),
        ("size_gib", "login_user"),
        ("root_snapshot", "created_at"),
    ]
    readonly_fields = [
        "ec2_id",
        "state",
        "tenant",
        "architecture",
        "virtualization",
        "root_snapshot",
        "created_at",
    ]
    actions = ["deregister"]

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
