"""Datastores, and the images and volumes in them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant


def new_image_id() -> str:
    return new_id("ami")


def new_volume_id() -> str:
    return new_id("vol")


def new_snapshot_id() -> str:
    return new_id("snap")


class Datastore(models.Model):
    """A place for images and volumes, reached by the hosts of a zone at one path."""

    name = models.SlugField(_("name"), max_length=40, unique=True)
    backend = models.CharField(_("backend"), max_length=20, default="directory")
    path = models.CharField(_("path"), max_length=500)
    options = models.JSONField(default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("datastore")
        verbose_name_plural = _("datastores")

    def __str__(self) -> str:
        return self.name


class ImageState(models.TextChoices):
    PENDING = "pending", _("pending")
    AVAILABLE = "available", _("available")
    FAILED = "failed", _("failed")
    DEREGISTERED = "deregistered", _("deregistered")


class Image(models.Model):
    """What an instance's root disk is made from.  ``tenant`` is None for the cloud's own."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_image_id, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="images")
    datastore = models.ForeignKey(Datastore, on_delete=models.PROTECT, related_name="images")
    name = models.CharField(_("name"), max_length=128)
    description = models.CharField(_("description"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=ImageState.choices, default=ImageState.PENDING)
    is_public = models.BooleanField(_("public"), default=False)
    architecture = models.CharField(max_length=20, default="x86_64")
    virtualization = models.CharField(max_length=20, default="hvm")
    root_device_name = models.CharField(max_length=20, default="/dev/xvda")
    root_snapshot_id = models.CharField(max_length=40, default=new_snapshot_id, editable=False)
    size_gib = models.PositiveIntegerField(_("smallest disk (GiB)"), default=1)
    path = models.CharField(max_length=500)
    sha256 = models.CharField(max_length=64, blank=True)
    login_user = models.CharField(_("user to log in as"), max_length=40, default="root")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("image")
        verbose_name_plural = _("images")

    def __str__(self) -> str:
        return f"{self.name} ({self.ec2_id})"


def launchable_by(tenant: Tenant) -> Q:
    """Images that this tenant may see and launch from."""
    return Q(is_public=True) | Q(tenant=tenant)


class VolumeState(models.TextChoices):
    CREATING = "creating", _("creating")
    AVAILABLE = "available", _("available")
    IN_USE = "in-use", _("in use")
    DELETING = "deleting", _("deleting")
    DELETED = "deleted", _("deleted")
    ERROR = "error", _("error")


class Volume(models.Model):
    """A disk.  The root disk of an instance is one, too."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_volume_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="volumes")
    datastore = models.ForeignKey(Datastore, on_delete=models.PROTECT, related_name="volumes")
    image = models.ForeignKey(Image, null=True, blank=True, on_delete=models.PROTECT, related_name="volumes")
    size_gib = models.PositiveIntegerField(_("size (GiB)"))
    volume_type = models.CharField(max_length=20, default="gp3")
    zone = models.CharField(max_length=40)
    state = models.CharField(_("state"), max_length=12, choices=VolumeState.choices, default=VolumeState.CREATING)
    path = models.CharField(max_length=500, blank=True)
    instance_id = models.CharField(max_length=40, blank=True, db_index=True)  # the EC2 id; empty: not attached
    device = models.CharField(max_length=20, blank=True)
    delete_on_termination = models.BooleanField(default=False)
    attached_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("volume")
        verbose_name_plural = _("volumes")
        constraints = [
            models.UniqueConstraint(
                fields=["instance_id", "device"], condition=~Q(instance_id=""), name="one_volume_per_device"
            )
        ]

    def __str__(self) -> str:
        return self.ec2_id
