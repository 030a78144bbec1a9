"""Images as rows: registered, described, ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.models import Operation
from portal import audit, quotas
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Resource, Tag, Tenant
from portal.tags import add_tags, check_tags
from storage.models import Image, ImageDevice, ImageState, Snapshot, Upload
from storage.snapshot_rows import forget_snapshots
from storage.uploads import discard

KIND = "image"
LOGIN_TAG = "login-user"  # by which an EC2 client says whom one logs in as
NAME = re.compile(r"[A-Za-z0-9()\[\] ./'@_-]{3,128}")
LOGIN_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
MAX_DESCRIPTION = 255
COUNTED = (ImageState.PENDING, ImageState.AVAILABLE, ImageState.DISABLED)


@dataclass(frozen=True, slots=True)
class NewImage:
    """What is said of an image that is to be made."""

    name: str
    description: str = ""
    login_user: str = "root"
    architecture: str = "x86_64"
    boot_mode: str = "legacy-bios"
    root_device_name: str = "/dev/xvda"
    source_instance_id: str = ""
    source_image_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewDevice:
    """One disk of it; empty if it begins as no snapshot."""

    device_name: str
    size_gib: int
    snapshot: Snapshot | None = None
    volume_type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    delete_on_termination: bool = True
    is_encrypted: bool = False


def check_image(tenant: Tenant, wanted: NewImage) -> None:
    """Raises CloudError for a name or a user that cannot be, or a name that is taken."""
    if not NAME.fullmatch(wanted.name):
        text = _(
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, spaces and"
            " ( ) [ ] . / - ' @ _"
        )
        raise CloudError(text, code="InvalidAMIName.Malformed")
    check_description(wanted.description)
    check_login_user(wanted.login_user)
    check_tags(wanted.tags)
    check_name_is_free(tenant, wanted.name)


def check_name_is_free(tenant: Tenant, name: str) -> None:
    taken = Image.objects.filter(tenant=tenant, name=name, state__in=COUNTED).first()
    if taken is not None:
        text = _("AMI name %(name)s is already in use by AMI %(id)s; choose another one")
        raise CloudError(text % {"name": name, "id": taken.ec2_id}, code="InvalidAMIName.Duplicate")


def check_description(text: str) -> None:
    if len(text) > MAX_DESCRIPTION:
        raise CloudError(_("A description has at most %(most)s characters") % {"most": MAX_DESCRIPTION})


def check_login_user(name: str) -> None:
    if not LOGIN_USER.fullmatch(name):
        raise CloudError(
            _("'%(name)s' cannot be a user to log in as; it is like debian or ubuntu") % {"name": name[:40]}
        )


@transaction.atomic
def new_image(
    tenant: Tenant,
    wanted: NewImage,
    devices: Sequence[NewDevice],
    *,
    state: ImageState,
    actor: Actor,
    verb: str,
    **detail: object,
) -> Image:
    """An image with its disks; one of them is the root device.  Raises CloudError or QuotaExceeded."""
    check_image(tenant, wanted)
    quotas.reserve(tenant, {Resource.IMAGES: 1})
    root = next(device for device in devices if device.device_name == wanted.root_device_name)
    login_user = wanted.tags.get(LOGIN_TAG, "")
    image = Image(
        tenant=tenant,
        name=wanted.name,
        description=wanted.description,
        state=state,
        architecture=wanted.architecture,
        boot_mode=wanted.boot_mode,
        root_device_name=wanted.root_device_name,
        root_snapshot=root.snapshot,
        size_gib=root.size_gib,
        more_devices=len(devices) - 1,
        login_user=login_user if LOGIN_USER.fullmatch(login_user) else wanted.login_user,
        source_instance_id=wanted.source_instance_id,
        source_image_id=wanted.source_image_id,
    )
    try:
        with transaction.atomic():
            image.save()
    except IntegrityError:  # another has taken the name a moment ago
        check_name_is_free(tenant, wanted.name)
        raise
    ImageDevice.objects.bulk_create(
        ImageDevice(
            image=image,
            device_name=device.device_name,
            snapshot=device.snapshot,
            size_gib=device.size_gib,
            volume_type=device.volume_type,
            iops=device.iops,
            throughput=device.throughput,
            delete_on_termination=device.delete_on_termination,
            is_encrypted=device.is_encrypted,
        )
        for device in devices
    )
    add_tags(tenant, KIND, [image.ec2_id], wanted.tags)
    audit.record(actor, verb, KIND, [image.ec2_id], tenant=tenant, name=wanted.name, **detail)
    return image


def fail_image(image: Image, why: str, *, code: str = "Client.ImageFailed") -> None:
    """It will not become available; the reason is shown.  In the transaction that closes its operation."""
    failed = Image.objects.filter(pk=image.pk, state=ImageState.PENDING)
    if failed.update(state=ImageState.FAILED, state_code=code, state_message=why) and image.tenant is not None:
        quotas.release(image.tenant, {Resource.IMAGES: 1})


@transaction.atomic
def deregister_images(images: Iterable[Image], *, actor: Actor) -> int:
    """Launch nothing more from these.  The rows stay, because instances point at them; their snapshots stay as well,
    except those of the cloud's own images, which are nobody's.
    """
    leaving = Image.objects.select_for_update(of=("self",)).filter(pk__in=[image.pk for image in images])
    found = list(leaving.exclude(state=ImageState.DEREGISTERED).select_related("tenant"))
    for image in found:
        _deregister(image)
        audit.record(actor, "deregister", KIND, [image.ec2_id], tenant=image.tenant)
    return len(found)


def _deregister(image: Image) -> None:
    Operation.objects.supersede(KIND, [image.ec2_id])
    snapshots = list(Snapshot.objects.filter(image_devices__image=image))
    image.devices.all().delete()
    Image.objects.filter(pk=image.pk).update(state=ImageState.DEREGISTERED, root_snapshot=None)
    Tag.objects.filter(resource_type=KIND, resource_id=image.ec2_id).delete()
    upload = Upload.objects.filter(image=image).first()
    is_import = image.state == ImageState.PENDING and upload is not None
    if upload is not None:
        discard(upload)
    if image.tenant is None or is_import:
        forget_snapshots([each for each in snapshots if not each.image_devices.exists()])
    if image.tenant is None:
        return
    if image.state in COUNTED:
        quotas.release(image.tenant, {Resource.IMAGES: 1})


@transaction.atomic
def describe_image(image: Image, *, description: str, actor: Actor) -> None:
    check_description(description)
    Image.objects.filter(pk=image.pk).update(description=description)
    audit.record(actor, "modify", KIND, [image.ec2_id], tenant=image.tenant, description=description)


@transaction.atomic
def set_login_user(image: Image, name: str, *, actor: Actor) -> None:
    check_login_user(name)
    Image.objects.filter(pk=image.pk).update(login_user=name)
    audit.record(actor, "modify", KIND, [image.ec2_id], tenant=image.tenant, login_user=name)


@transaction.atomic
def deprecate_image(image: Image, at: datetime | None, *, actor: Actor) -> None:
    """From then on others do not see it unless they ask; None: not any more.  Raises CloudError for the past."""
    if at is not None and at <= timezone.now():
        raise CloudError(_("The time from which an image is deprecated must lie in the future"))
    Image.objects.filter(pk=image.pk).update(deprecation_at=at)
    when = at.isoformat() if at else None
    audit.record(actor, "deprecate", KIND, [image.ec2_id], tenant=image.tenant, at=when)


@transaction.atomic
def disable_image(image: Image, *, actor: Actor) -> None:
    """Nothing is launched from it until it is enabled again, and nobody else sees it any more."""
    _switch(image, ImageState.AVAILABLE, ImageState.DISABLED)
    image.shared_with.clear()
    Image.objects.filter(pk=image.pk).update(is_public=False)
    audit.record(actor, "disable", KIND, [image.ec2_id], tenant=image.tenant)


@transaction.atomic
def enable_image(image: Image, *, actor: Actor) -> None:
    """Its name was kept for it meanwhile; who it was shared with was not."""
    _switch(image, ImageState.DISABLED, ImageState.AVAILABLE)
    audit.record(actor, "enable", KIND, [image.ec2_id], tenant=image.tenant)


def _switch(image: Image, before: ImageState, after: ImageState) -> None:
    """What is so already stays so.  Raises CloudError from any other state."""
    moved = Image.objects.filter(pk=image.pk, state__in=[before, after]).update(state=after)
    if not moved:
        text = _("image %(id)s is %(state)s; it must be %(wanted)s for this")
        values = {"id": image.ec2_id, "state": image.state, "wanted": before}
        raise CloudError(text % values, code="InvalidAMIID.Unavailable")


@quotas.counts
def count_images() -> dict[tuple[int, str], int]:
    """Usage of images by tenant, from the rows."""
    found: dict[tuple[int, str], int] = {}
    mine = Image.objects.exclude(tenant=None).filter(state__in=COUNTED)
    for tenant_id in mine.order_by().values_list("tenant_id", flat=True):
        found[tenant_id, Resource.IMAGES] = found.get((tenant_id, Resource.IMAGES), 0) + 1
    return found
