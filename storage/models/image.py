"""Images: what instances are launched from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant, User
from storage.models.datastore import Datastore
from storage.models.snapshot import Snapshot


def new_image_id() -> str:
    return new_id("ami")


class ImageState(models.TextChoices):
    PENDING = "pending", _("pending")
    AVAILABLE = "available", _("available")
    FAILED = "failed", _("failed")
    DISABLED = "disabled", _("disabled")
    DEREGISTERED = "deregistered", _("deregistered")


class ImageQuerySet(models.QuerySet["Image"]):
    def owned_by(self, tenant: Tenant) -> ImageQuerySet:
        return self.filter(tenant=tenant)

    def registered(self) -> ImageQuerySet:
        return self.exclude(state=ImageState.DEREGISTERED)

    def launchable_by(self, tenant: Tenant) -> ImageQuerySet:
        return self.filter(launchable_by(tenant))


class Image(models.Model):
    """What an instance's disks are made from.  ``tenant`` is None for the cloud's own.

    Its disks are ImageDevice rows; of the root device, which every launch asks for, a copy stands here.  A deregistered
    image stays as a row, because instances point at it; the blocks of its snapshots as long as a disk stands on them.
    """

    ec2_id = models.CharField(max_length=40, unique=True, default=new_image_id, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="images")
    name = models.CharField(_("name"), max_length=128)
    description = models.CharField(_("description"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=ImageState.choices, default=ImageState.PENDING)
    state_code = models.CharField(max_length=80, blank=True)
    state_message = models.TextField(blank=True)
    is_public = models.BooleanField(_("public"), default=False)
    shared_with = models.ManyToManyField(Tenant, blank=True, related_name="images_shared_with_it")
    architecture = models.CharField(max_length=20, default="x86_64")
    virtualization = models.CharField(max_length=20, default="hvm")
    boot_mode = models.CharField(max_length=20, default="legacy-bios")
    root_device_name = models.CharField(max_length=20, default="/dev/xvda")
    root_snapshot = models.ForeignKey(Snapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    size_gib = models.PositiveIntegerField(_("smallest disk (GiB)"), default=1)
    more_devices = models.PositiveSmallIntegerField(default=0)  # beside the root device
    login_user = models.CharField(_("user to log in as"), max_length=40, default="root")
    source_instance_id = models.CharField(max_length=40, blank=True)
    source_image_id = models.CharField(max_length=40, blank=True)
    deprecation_at = models.DateTimeField(_("deprecated from"), null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("image")
        verbose_name_plural = _("images")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                condition=Q(state__in=["pending", "available"]) & Q(tenant__isnull=False),
                name="one_image_per_tenant_and_name",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.ec2_id})"


def launchable_by(tenant: Tenant) -> Q:
    """Images that this tenant may see and launch from."""
    shared = Image.shared_with.through.objects.filter(tenant=tenant).values("image_id")
    return Q(is_public=True) | Q(tenant=tenant) | Q(pk__in=shared)


class ImageDevice(models.Model):
    """One disk that an image gives its instances, the root device among them."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="devices")
    device_name = models.CharField(max_length=20)
    snapshot = models.ForeignKey(
        Snapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="image_devices"
    )  # None: an empty disk
    size_gib = models.PositiveIntegerField()
    volume_type = models.CharField(max_length=20, default="gp3")
    iops = models.PositiveIntegerField(null=True, blank=True)
    throughput = models.PositiveIntegerField(null=True, blank=True)
    delete_on_termination = models.BooleanField(default=True)
    is_encrypted = models.BooleanField(default=False)

    class Meta:
        ordering = ["image", "pk"]
        constraints = [models.UniqueConstraint(fields=["image", "device_name"], name="one_disk_per_image_and_device")]
        verbose_name = _("disk of an image")
        verbose_name_plural = _("disks of images")

    def __str__(self) -> str:
        return f"{self.image_id} {self.device_name}"


def new_upload_id() -> str:
    return new_id("upload")


class UploadState(models.TextChoices):
    RECEIVING = "receiving", _("receiving")
    RECEIVED = "received", _("received")  # an operation makes it an image
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class Upload(models.Model):
    """A file that becomes an image: somebody sends it in parts, or it is fetched from a URL.

    ``offset`` is about how much of it has arrived; how much exactly, the file itself says.
    """

    ec2_id = models.CharField(max_length=40, unique=True, default=new_upload_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="uploads")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    datastore = models.ForeignKey(Datastore, on_delete=models.PROTECT, related_name="uploads")
    image = models.OneToOneField(Image, null=True, blank=True, on_delete=models.SET_NULL, related_name="upload")
    file_name = models.CharField(max_length=255, blank=True)  # as the sender calls it; shown, never believed
    url = models.TextField(blank=True)  # where we fetch it; empty: it is sent to us
    validator = models.CharField(max_length=300, blank=True)  # ETag or date of what is at the URL
    sha256 = models.CharField(max_length=64, blank=True)  # what the file is expected to have
    size_bytes = models.PositiveBigIntegerField(default=0)  # 0: not known yet
    offset = models.PositiveBigIntegerField(default=0)
    promised_gib = models.PositiveIntegerField(default=0)  # of the datastore, as long as the file is there
    state = models.CharField(max_length=12, choices=UploadState.choices, default=UploadState.RECEIVING)
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")

    def __str__(self) -> str:
        return self.ec2_id

    @property
    def path(self) -> str:
        """Of the file, in the datastore."""
        return f"uploads/{self.ec2_id}"
