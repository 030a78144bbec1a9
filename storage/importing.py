"""Images from outside: a file that is uploaded, or fetched from a URL, becomes a layer, a snapshot and an image.

All three are there as rows before a byte is, and the room is promised.  One slow operation on the image does the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.models import Operation
from operations.performers import Again, Performer, Refused, register
from operations.tasks import ring
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Quota, Resource, Tenant, User
from storage.backends.base import Limits, StorageError, Unacceptable
from storage.fetching import FetchError, Refusal, fetch
from storage.fetching import Limits as FetchLimits
from storage.files import GIB, backend_of
from storage.images import KIND, NewDevice, NewImage, fail_image, new_image
from storage.models import (
    Datastore,
    Image,
    ImageDevice,
    ImageState,
    Layer,
    Snapshot,
    SnapshotState,
    Upload,
    UploadState,
)
from storage.services import default_datastore, promise
from storage.snapshot_rows import forget_snapshots, new_snapshot
from storage.upload_files import path_of, sha256_of
from storage.uploads import discard, release

IMPORT = "import"
CANCELLED = "cancelled"
TRIES = 8
SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_URL = 2000


def gib(count: int) -> int:
    """Bytes as GiB, rounded up, at least one."""
    return max(1, -(-count // GIB))


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image comes from: a file of so many bytes that will be sent, or a URL."""

    size_bytes: int = 0
    file_name: str = ""
    url: str = ""
    sha256: str = ""


def largest_gib(tenant: Tenant) -> int:
    """How large a disk from outside may be: no larger than the tenant could ever have a volume."""
    limits = Quota.objects.filter(tenant=tenant, resource=Resource.VOLUME_GIB).values_list("limit", flat=True)
    return min([settings.IMPORT_MAX_GIB, *limits])


def begin_import(tenant: Tenant, wanted: NewImage, source: Source, *, actor: Actor) -> Upload:
    """An image, pending, and the upload that it will be made from; what is at a URL is fetched from now on.

    Raises CloudError or QuotaExceeded, and then nothing was written.
    """
    most = largest_gib(tenant)
    check_source(source, most)
    with transaction.atomic():
        datastore = default_datastore()
        size_gib = gib(source.size_bytes)
        layer = _promised_layer(datastore, most)
        snapshot = new_snapshot(tenant, layer, description=f"Imported as {wanted.name}"[:255])
        upload = Upload(
            tenant=tenant,
            user=actor.user if isinstance(actor.user, User) else None,
            datastore=datastore,
            file_name=source.file_name[:255],
            url=source.url,
            sha256=source.sha256.lower(),
            size_bytes=source.size_bytes,
        )
        if not source.url:
            promise(datastore, size_gib)
            upload.promised_gib = size_gib
        root = NewDevice(wanted.root_device_name, 1, snapshot)
        upload.image = new_image(
            tenant,
            wanted,
            [root],
            state=ImageState.PENDING,
            actor=actor,
            verb=IMPORT,
            source=source.url or source.file_name,
        )
        upload.save()
        if source.url:
            _owe(upload, actor.name)
    return upload


def check_source(source: Source, most_gib: int) -> None:
    if source.sha256 and not SHA256.fullmatch(source.sha256.lower()):
        raise CloudError(_("A SHA-256 checksum is 64 hexadecimal digits"))
    if source.url:
        check_url(source.url)
    elif source.size_bytes < 1:
        raise CloudError(_("The file is empty"))
    elif source.size_bytes > most_gib * GIB:
        text = _(
            "The file has %(size)s GiB; at most %(most)s GiB are allowed. Compress it as qcow2, or ask an operator."
        )
        raise CloudError(text % {"size": gib(source.size_bytes), "most": most_gib})


def check_url(url: str) -> None:
    """Refuse what is no address of a file on a web server; where it leads is looked at when it is fetched."""
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_sound = False
    if not is_sound or len(url) > MAX_URL or any(not "!" <= character <= "~" for character in url):
        raise CloudError(_("Give an address that begins with http:// or https://, without spaces"))
    if parts.username or parts.password:
        raise CloudError(_("Leave name and password out of the address: it is shown and kept"))


def _promised_layer(datastore: Datastore, most_gib: int) -> Layer:
    promise(datastore, most_gib)
    return Layer.objects.create(datastore=datastore, size_gib=1, promised_gib=most_gib)


def _owe(upload: Upload, actor_name: str) -> None:
    assert upload.image is not None
    Operation.objects.owe(IMPORT, KIND, [upload.image.ec2_id], actor_name=actor_name, slow=True)
    ring(slow=True)


@transaction.atomic
def received(upload: Upload, *, actor: Actor) -> None:
    """All of the file is there: let it become an image.  Once is enough."""
    waiting = Upload.objects.filter(pk=upload.pk, state=UploadState.RECEIVING, url="")
    if waiting.update(state=UploadState.RECEIVED, offset=upload.size_bytes, changed_at=timezone.now()):
        _owe(upload, actor.name)


@transaction.atomic
def cancel_import(image: Image, *, actor: Actor) -> None:
    """Give up an import, or the making of a copy.  What has begun notices it soon; the image fails then."""
    now = Image.objects.select_for_update(of=("self",)).get(pk=image.pk)
    if now.state != ImageState.PENDING:
        text = _("image %(id)s is %(state)s; only what is pending can be cancelled")
        raise CloudError(text % {"id": image.ec2_id, "state": now.state}, code="InvalidAMIID.Unavailable")
    upload = Upload.objects.filter(image=image).first()
    if upload is not None and upload.state == UploadState.RECEIVING and not upload.url:
        abandon(upload, CANCELLED)
    else:
        Operation.objects.cancel(KIND, [image.ec2_id])
        copies = Snapshot.objects.filter(image_devices__image=image, state=SnapshotState.PENDING)
        Operation.objects.filter(verb="copy").cancel("snapshot", copies.values_list("ec2_id", flat=True))
        ring()
        ring(slow=True)
    audit.record(actor, "cancel", KIND, [image.ec2_id], tenant=image.tenant)


def abandon(upload: Upload, why: str) -> None:
    """The image fails, and nothing is kept of what was to become it; in a transaction."""
    image = upload.image
    if image is not None:
        fail_image(image, why, code="Client.Cancelled" if why == CANCELLED else "Client.ImportFailed")
        snapshots = list(Snapshot.objects.filter(image_devices__image=image))
        image.devices.update(snapshot=None)
        Image.objects.filter(pk=image.pk).update(root_snapshot=None)
        forget_snapshots(snapshots)
    Upload.objects.filter(pk=upload.pk).update(message=why)
    discard(upload)


def perform_import(operation: Operation) -> Again | None:
    """Fetch what is to be fetched, then make the layer; safe to repeat."""
    rows = Upload.objects.select_related("image", "datastore", "tenant")
    upload = rows.filter(image__ec2_id=operation.resource_id, image__state=ImageState.PENDING).first()
    snapshot = Snapshot.objects.select_related("layer__datastore", "layer__key")
    snapshot = snapshot.filter(image_devices__image__ec2_id=operation.resource_id)
    root = snapshot.first()
    if upload is None or root is None or root.layer is None:
        with operation.closing():
            pass
        return None
    stages = 2 if upload.url else 1
    try:
        if upload.url and upload.state == UploadState.RECEIVING:
            _fetch(operation, upload, _Progress(operation, root, 0, stages))
        _take(operation, upload, root, _Progress(operation, root, stages - 1, stages))
    except Unacceptable as error:
        raise Refused(str(error)) from error
    except (FetchError, StorageError) as error:
        if operation.attempts < TRIES:
            raise
        raise Refused(str(error)) from error
    return None


class _Progress:
    """What a stage says of itself, told as part of the whole: to the operation, and to the snapshot for the API."""

    def __init__(self, operation: Operation, snapshot: Snapshot, stage: int, stages: int) -> None:
        self._operation, self._snapshot, self._stage, self._stages = operation, snapshot, stage, stages

    def __call__(self, done: int, total: int) -> None:
        whole = max(total, done, 1)
        self._operation.advance(self._stage * whole + done, self._stages * whole)
        pending = Snapshot.objects.filter(pk=self._snapshot.pk, state=SnapshotState.PENDING)
        pending.update(progress=min(99, self._operation.percent))


def _fetch(operation: Operation, upload: Upload, progress: _Progress) -> None:
    """The file from its URL, going on where an earlier attempt ended."""
    most = FetchLimits(bytes=largest_gib(upload.tenant) * GIB, networks=tuple(settings.IMPORT_FROM))

    def begins(size: int | None, validator: str) -> None:
        """Promise the room before a byte is written."""
        wanted = gib(size if size is not None else most.bytes)
        with transaction.atomic():
            now = Upload.objects.select_for_update().get(pk=upload.pk)
            if wanted > now.promised_gib:
                promise(upload.datastore, wanted - now.promised_gib)
                now.promised_gib = wanted
            now.size_bytes, now.validator, now.changed_at = size or 0, validator[:300], timezone.now()
            now.save(update_fields=["size_bytes", "validator", "promised_gib", "changed_at"])
        upload.validator = now.validator

    def told(done: int, total: int) -> None:
        Upload.objects.filter(pk=upload.pk).update(offset=done, changed_at=timezone.now())
        progress(done, total)

    try:
        path = path_of(upload)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = fetch(upload.url, path, most, validator=upload.validator, begins=begins, progress=told)
    except (Refusal, CloudError) as error:
        raise Refused(str(error)) from error
    except OSError as error:
        raise StorageError(f"upload {upload}: {error}") from error
    with transaction.atomic():
        there = Upload.objects.filter(pk=upload.pk, state=UploadState.RECEIVING)
        there.update(state=UploadState.RECEIVED, offset=size, size_bytes=size, changed_at=timezone.now())
        release(upload, gib(size))


def _take(operation: Operation, upload: Upload, snapshot: Snapshot, progress: _Progress) -> None:
    layer = snapshot.layer
    assert layer is not None
    backend = backend_of(upload.datastore)
    if upload.sha256 and sha256_of(upload, progress) != upload.sha256:
        raise Refused("the file does not have the SHA-256 checksum that was given; it was damaged or is another one")
    limits = Limits(virtual_bytes=layer.promised_gib * GIB)
    size_gib = gib(backend.take(backend.path(upload.path), layer.file, limits, progress))
    sha256 = backend.checksum(layer.file_name)
    info = backend.inspect(layer.file)
    used = info.used_bytes if info else 0
    with operation.closing():
        keep_layer(layer, size_gib=size_gib, used_bytes=used, sha256=sha256)
        finish_snapshots([snapshot], size_gib)
        ImageDevice.objects.filter(snapshot=snapshot).update(size_gib=size_gib)
        Image.objects.filter(upload=upload).update(state=ImageState.AVAILABLE, size_gib=size_gib)
        Upload.objects.filter(pk=upload.pk).update(state=UploadState.DONE, changed_at=timezone.now())
        discard(upload)


def keep_layer(layer: Layer, *, size_gib: int, used_bytes: int, sha256: str = "") -> None:
    """The file of a layer is complete and frozen: the datastore keeps promised what it takes, and no more."""
    needed, now = gib(used_bytes), timezone.now()
    if layer.promised_gib > needed:
        Datastore.objects.all().release(layer.datastore_id, layer.promised_gib - needed)
        layer.promised_gib = needed
    Layer.objects.filter(pk=layer.pk).update(
        size_gib=size_gib,
        promised_gib=layer.promised_gib,
        used_bytes=used_bytes,
        measured_at=now,
        made_at=now,
        sha256=sha256,
    )


def finish_snapshots(snapshots: list[Snapshot], size_gib: int) -> None:
    Snapshot.objects.filter(pk__in=[each.pk for each in snapshots]).update(
        state=SnapshotState.COMPLETED, progress=100, size_gib=size_gib, completed_at=timezone.now()
    )


def give_up_import(operation: Operation, why: str) -> None:
    upload = Upload.objects.select_related("image__tenant").filter(image__ec2_id=operation.resource_id).first()
    if upload is not None:
        abandon(upload, why)


register(KIND, IMPORT, Performer(perform_import, give_up_import, tries=TRIES))
