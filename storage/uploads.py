"""Uploads: files on their way to become images.  The file goes when nobody needs it any more, then its promise."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from operations.models import Operation, lane_of
from operations.performers import Again, Performer, TryLater, register
from operations.tasks import ring
from portal import audit
from storage.backends.base import StorageError
from storage.models import Datastore, Image, Upload, UploadState
from storage.upload_files import arrived, delete_file

logger = logging.getLogger(__name__)

KIND, REMOVE = "upload", "remove"
INSIST_EVERY_S = 10
KEEP_ROWS = timedelta(days=7)
SILENCE = timedelta(minutes=1)


def discard(upload: Upload) -> None:
    """Its file is of no use any more, whatever became of it; in a transaction.  Once is enough."""
    unfinished = Upload.objects.filter(pk=upload.pk, state__in=[UploadState.RECEIVING, UploadState.RECEIVED])
    unfinished.update(state=UploadState.FAILED, changed_at=timezone.now())
    if Operation.objects.open().on(KIND, [upload.ec2_id]).exists():
        return
    # Not while a worker reads it, which is in the lane of its image.
    lane = lane_of("image", image.ec2_id) if (image := Image.objects.filter(upload=upload).first()) else ""
    Operation.objects.owe(REMOVE, KIND, [upload.ec2_id], actor_name=audit.CLOUD.name, lane=lane)
    ring()


def remove(operation: Operation) -> Again | None:
    """Delete the file, then take back its promise."""
    upload = Upload.objects.select_related("datastore").filter(ec2_id=operation.resource_id).first()
    if upload is not None:
        try:
            delete_file(upload)
        except StorageError as error:
            raise TryLater(str(error), after_s=INSIST_EVERY_S) from error
    with operation.closing():
        if upload is not None:
            release(upload, 0)
    return None


def release(upload: Upload, to_gib: int) -> None:
    """Cut down what the datastore has promised for the file; in a transaction."""
    more = Upload.objects.select_for_update().get(pk=upload.pk).promised_gib - to_gib
    if more > 0:
        Upload.objects.filter(pk=upload.pk).update(promised_gib=to_gib)
        Datastore.objects.all().release(upload.datastore_id, more)


def sweep_uploads() -> int:
    """Give up uploads whose senders have not been heard of for long, with the images that they were to become;
    forget those that ended long ago.  How many were given up.
    """
    from storage.importing import abandon, received

    now = timezone.now()
    ended = Upload.objects.filter(state__in=[UploadState.DONE, UploadState.FAILED], promised_gib=0)
    ended.filter(changed_at__lt=now - KEEP_ROWS).delete()
    waiting = Upload.objects.filter(url="", state=UploadState.RECEIVING).select_related("datastore", "image__tenant")
    for upload in waiting.filter(changed_at__lt=now - SILENCE)[:100]:
        if arrived(upload) == upload.size_bytes:  # the server died between the last byte and saying so
            received(upload, actor=audit.CLOUD)
    stale = list(waiting.filter(changed_at__lt=now - timedelta(hours=settings.UPLOAD_WAITS_H))[:100])
    for upload in stale:
        with transaction.atomic():
            abandon(upload, f"nothing more of the file came for {settings.UPLOAD_WAITS_H:g} hours; upload it again")
    return len(stale)


def keep(operation: Operation, why: str) -> None:
    logger.error("%s failed: %s", operation, why)


register(KIND, REMOVE, Performer(remove, keep, tries=None))
