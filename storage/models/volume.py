"""Volumes: disks, attached or not."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant
from storage.models.datastore import Datastore
from storage.models.layer import EncryptionKey, Layer


def new_volume_id() -> str:
    return new_id("vol")


class VolumeState(models.TextChoices):
    CREATING = "creating", _("creating")
    AVAILABLE = "available", _("available")
    IN_USE = "in-use", _("in use")
    DELETING = "deleting", _("deleting")
    DELETED = "deleted", _("deleted")
    ERROR = "error", _("error")


class AttachmentState(models.TextChoices):
    NONE = "", _("not attached")
    ATTACHING = "attaching", _("attaching")
    ATTACHED = "attached", _("attached")
    DETACHING = "detaching", _("detaching")
    BUSY = "busy", _("busy")


LEAVING = (AttachmentState.DETACHING, AttachmentState.BUSY)  # not there any more at the next start


class VolumeQuerySet(models.QuerySet["Volume"]):
    def owned_by(self, tenant: Tenant) -> VolumeQuerySet:
        return self.filter(tenant=tenant)


class Volume(models.Model):
    """A disk.  The root disk of an instance is one, too.

    It begins as its ``origin``, if it has one; ``layer`` is where it is written to, None until the file is made.
    While a snapshot is being taken ``next_layer`` is where it will go on: whoever finds the volume's domain off moves
    it there before it is used again.
    """

    ec2_id = models.CharField(max_length=40, unique=True, default=new_volume_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="volumes")
    datastore = models.ForeignKey(Datastore, on_delete=models.PROTECT, related_name="volumes")
    origin = models.ForeignKey(Layer, null=True, blank=True, on_delete=models.PROTECT, related_name="volumes_begun")
    layer = models.OneToOneField(Layer, null=True, blank=True, on_delete=models.PROTECT, related_name="volume")
    next_layer = models.OneToOneField(
        Layer, null=True, blank=True, on_delete=models.PROTECT, related_name="volume_next"
    )
    key = models.ForeignKey(EncryptionKey, null=True, blank=True, on_delete=models.PROTECT, related_name="volumes")
    snapshot_id = models.CharField(max_length=40, blank=True)  # the EC2 id of what it was made from
    size_gib = models.PositiveIntegerField(_("size (GiB)"))
    promised_gib = models.PositiveIntegerField(
        default=0
    )  # of the datastore, until there is a layer to hold the promise
    volume_type = models.CharField(max_length=20, default="gp3")
    iops = models.PositiveIntegerField(null=True, blank=True)
    throughput = models.PositiveIntegerField(null=True, blank=True)  # MiB/s
    is_encrypted = models.BooleanField(_("encrypted"), default=False)
    zone = models.CharField(max_length=40)
    state = models.CharField(_("state"), max_length=12, choices=VolumeState.choices, default=VolumeState.CREATING)
    state_message = models.TextField(blank=True)
    instance_id = models.CharField(max_length=40, blank=True, db_index=True)  # the EC2 id; empty: not attached
    device = models.CharField(max_length=20, blank=True)
    attachment_state = models.CharField(
        max_length=10, choices=AttachmentState.choices, default=AttachmentState.NONE, blank=True
    )
    delete_on_termination = models.BooleanField(default=False)
    attached_at = models.DateTimeField(null=True, blank=True)
    client_token = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs are distinct
    digest = models.CharField(max_length=64, blank=True)  # of the parameters, to notice another call with this token
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VolumeQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("volume")
        verbose_name_plural = _("volumes")
        constraints = [
            models.UniqueConstraint(
                fields=["instance_id", "device"], condition=~Q(instance_id=""), name="one_volume_per_device"
            ),
            models.UniqueConstraint(fields=["tenant", "client_token"], name="one_volume_per_client_token"),
        ]

    def __str__(self) -> str:
        return self.ec2_id

    @property
    def serial(self) -> str:
        """What a guest sees it by: its id without the dash, twenty characters."""
        return self.ec2_id.replace("-", "")[:20]


class ModificationState(models.TextChoices):
    MODIFYING = "modifying", _("modifying")
    OPTIMIZING = "optimizing", _("optimizing")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")


class VolumeModification(models.Model):
    """The last change of a volume's size, type or speed; one row for each volume that was ever changed."""

    volume = models.OneToOneField(Volume, on_delete=models.CASCADE, related_name="modification")
    state = models.CharField(max_length=12, choices=ModificationState.choices, default=ModificationState.MODIFYING)
    message = models.TextField(blank=True)
    progress = models.PositiveSmallIntegerField(default=0)  # per cent
    original = models.JSONField(default=dict)  # {"size_gib", "volume_type", "iops", "throughput"}
    target = models.JSONField(default=dict)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("change of a volume")
        verbose_name_plural = _("changes of volumes")

    def __str__(self) -> str:
        return f"{self.volume_id}: {self.original} to {self.target}"
