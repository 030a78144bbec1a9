"""Images and snapshots as pages show them, in a constant number of queries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from operations.models import Operation
from portal.models import Tenant
from storage.models import (
    Image,
    ImageDevice,
    ImageState,
    Snapshot,
    SnapshotState,
    Upload,
    UploadState,
    launchable_by,
    usable_by,
)

IMAGE_BADGES = {
    ImageState.PENDING: "busy",
    ImageState.AVAILABLE: "ok",
    ImageState.FAILED: "bad",
    ImageState.DISABLED: "off",
    ImageState.DEREGISTERED: "off",
}
SNAPSHOT_BADGES = {SnapshotState.PENDING: "busy", SnapshotState.COMPLETED: "ok", SnapshotState.ERROR: "bad"}
YOURS, SHARED, PUBLIC = "yours", "shared", "public"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is, in words and per cent; None where that is not known."""

    words: str
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class ShownImage:
    image: Image
    progress: Progress | None = None
    upload: Upload | None = None

    @property
    def badge(self) -> str:
        return IMAGE_BADGES[ImageState(self.image.state)]

    @property
    def is_waiting(self) -> bool:
        """Whether more of its file is to be sent."""
        upload = self.upload
        return upload is not None and not upload.url and upload.state == UploadState.RECEIVING


def images_seen(tenant: Tenant, whose: str) -> QuerySet[Image]:
    """The tenant's own, those shared with it, or the public ones of others."""
    rows = Image.objects.filter(launchable_by(tenant)).exclude(state=ImageState.DEREGISTERED).select_related("tenant")
    if whose == YOURS:
        return rows.filter(tenant=tenant).order_by("-pk")
    others = rows.exclude(tenant=tenant).filter(state=ImageState.AVAILABLE)
    return others.filter(is_public=whose == PUBLIC).order_by("name", "pk")


def shown_images(images: Iterable[Image]) -> list[ShownImage]:
    """With how far those are that are being made; three queries."""
    rows = list(images)
    pending = [image for image in rows if image.state == ImageState.PENDING]
    uploads = {each.image_id: each for each in Upload.objects.filter(image__in=pending)} if pending else {}
    ids = [image.ec2_id for image in pending]
    operations = {each.resource_id: each for each in Operation.objects.open().on("image", ids)} if ids else {}
    snapshots = Snapshot.objects.filter(image_devices__image__in=pending) if pending else Snapshot.objects.none()
    of_image: dict[int, list[int]] = {}
    for image_id, percent in snapshots.values_list("image_devices__image_id", "progress"):
        of_image.setdefault(image_id, []).append(percent)
    return [
        ShownImage(
            image,
            _progress(uploads.get(image.pk), operations.get(image.ec2_id), of_image.get(image.pk, []))
            if image.state == ImageState.PENDING
            else None,
            uploads.get(image.pk),
        )
        for image in rows
    ]


def _progress(upload: Upload | None, operation: Operation | None, snapshots: Sequence[int]) -> Progress:
    if operation is not None and operation.cancel_asked_at is not None:
        return Progress(_("being given up"))
    if upload is not None and upload.state == UploadState.RECEIVING:
        percent = upload.offset * 100 // upload.size_bytes if upload.size_bytes else None
        return Progress(_("fetched") if upload.url else _("received"), percent)
    if upload is not None:
        return Progress(_("checked and converted"), operation.percent if operation else None)
    return Progress(_("snapshots taken"), sum(snapshots) // len(snapshots) if snapshots else None)


def version_of(rows: Iterable[ShownImage]) -> str:
    """Changes when anything does that a page shows of these."""
    told = [(row.image.ec2_id, row.image.state, row.progress) for row in rows]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ShownSnapshot:
    snapshot: Snapshot
    images: Sequence[Image] = ()

    @property
    def badge(self) -> str:
        return SNAPSHOT_BADGES[SnapshotState(self.snapshot.state)]

    @property
    def used_bytes(self) -> int | None:
        layer = self.snapshot.layer
        return layer.used_bytes if layer is not None and self.snapshot.state == SnapshotState.COMPLETED else None


def snapshots_seen(tenant: Tenant, whose: str) -> QuerySet[Snapshot]:
    """The tenant's own, or those that other tenants let it use."""
    rows = Snapshot.objects.select_related("layer", "tenant").order_by("-pk")
    if whose == YOURS:
        return rows.filter(tenant=tenant)
    return rows.filter(usable_by(tenant)).exclude(tenant=tenant).exclude(tenant=None)


def shown_snapshots(snapshots: Iterable[Snapshot]) -> list[ShownSnapshot]:
    """With the images that are made of them; one query more."""
    rows = list(snapshots)
    images: dict[int, list[Image]] = {}
    devices = ImageDevice.objects.filter(snapshot__in=rows).exclude(image__state=ImageState.DEREGISTERED)
    for device in devices.select_related("image") if rows else ():
        images.setdefault(device.snapshot_id or 0, []).append(device.image)
    return [ShownSnapshot(row, images.get(row.pk, [])) for row in rows]
