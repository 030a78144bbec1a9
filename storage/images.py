"""The end of an image."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from portal import audit
from portal.audit import Actor
from storage.models import Image, ImageState


@transaction.atomic
def deregister_images(images: Iterable[Image], *, actor: Actor) -> int:
    """Launch nothing more from these.  The rows stay, because instances and volumes were made from them."""
    leaving = Image.objects.filter(pk__in=[image.pk for image in images]).exclude(state=ImageState.DEREGISTERED)
    found = list(leaving.select_related("tenant"))
    leaving.update(state=ImageState.DEREGISTERED)
    for image in found:
        audit.record(actor, "deregister", "image", [image.ec2_id], tenant=image.tenant)
    return len(found)
