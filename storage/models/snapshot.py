"""Snapshots: what a volume held at one instant."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant
from storage.models.layer import Layer


def new_snapshot_id() -> str:
    return new_id("snap")


class SnapshotState(models.TextChoices):
    PENDING = "pending", _("pending")
    COMPLETED = "completed", _("completed")
    ERROR = "error", _("error")


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def owned_by(self, tenant: Tenant) -> SnapshotQuerySet:
        return self.filter(tenant=tenant)

    def usable_by(self, tenant: Tenant) -> SnapshotQuerySet:
        """Those that this tenant may see, and make volumes from: its own, those shared with it, public ones."""
        return self.filter(usable_by(tenant))


def usable_by(tenant: Tenant) -> Q:
    shared = Snapshot.shared_with.through.objects.filter(tenant=tenant).values("snapshot_id")
    return Q(tenant=tenant) | Q(is_public=True) | Q(pk__in=shared)


class Snapshot(models.Model):
    """A frozen layer with an id.  ``tenant`` is None for those of the cloud's own images; ``layer`` is None until it is
    known which one it is.
    """

    ec2_id = models.CharField(max_length=40, unique=True, default=new_snapshot_id, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="snapshots")
    layer = models.ForeignKey(Layer, null=True, blank=True, on_delete=models.PROTECT, related_name="snapshots")
    volume_id = models.CharField(max_length=40, blank=True, db_index=True)  # the EC2 id of what it was taken of
    description = models.CharField(_("description"), max_length=255, blank=True)
    size_gib = models.PositiveIntegerField(_("size (GiB)"))
    state = models.CharField(
        _("state"), max_length=12, choices=SnapshotState.choices, default=SnapshotState.PENDING, db_index=True
    )
    state_message = models.TextField(blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0)  # per cent
    is_encrypted = models.BooleanField(_("encrypted"), default=False)
    is_public = models.BooleanField(_("public"), default=False)
    shared_with = models.ManyToManyField(Tenant, blank=True, related_name="snapshots_shared_with_it")
    started_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")

    def __str__(self) -> str:
        return self.ec2_id
