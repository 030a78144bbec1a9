"""Whether the files of images are still what they were when their checksums were taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import transaction
from django.utils.translation import gettext as _

from operations.models import Operation
from operations.performers import Again, Performer, Refused, register
from operations.tasks import ring
from portal import audit
from portal.audit import Actor
from storage.backends.base import Progress, silent
from storage.files import backend_of
from storage.images import KIND
from storage.models import Image, ImageState, Layer

VERIFY = "verify"


def checked_layers() -> Iterator[Layer]:
    """All that have a checksum, also those of images that are gone: volumes may stand on them."""
    yield from Layer.objects.exclude(sha256="").exclude(made_at=None).select_related("datastore").iterator()


def images_without() -> int:
    """How many images have a disk whose file has no checksum: those that were made of snapshots."""
    return Image.objects.filter(devices__snapshot__layer__sha256="").distinct().count()


def what_differs(layer: Layer, progress: Progress = silent) -> str:
    """In words; empty if the file is as it was.  Raises StorageError if it cannot be read."""
    found = backend_of(layer.datastore).checksum(layer.file_name, progress)
    if found == layer.sha256:
        return ""
    return f"{layer.file_name} in {layer.datastore.name} has the checksum {found}, but had {layer.sha256}"


@transaction.atomic
def verify_images(images: Iterable[Image], *, actor: Actor) -> int:
    """Ask for the files of these to be read and compared; how many.  Those on which other work is under way, and those
    that are no images yet or any more, are passed over.
    """
    launchable = Image.objects.filter(state__in=(ImageState.AVAILABLE, ImageState.DISABLED))
    wanted = launchable.filter(pk__in=[image.pk for image in images]).select_related("tenant").order_by("pk")
    rows = list(wanted.select_for_update(of=("self",)))  # of two who ask at once the second finds the first's work
    ids = [image.ec2_id for image in rows]
    busy = set(Operation.objects.open().on(KIND, ids).values_list("resource_id", flat=True))
    asked = [image for image in rows if image.ec2_id not in busy]
    for image in asked:
        audit.record(actor, VERIFY, KIND, [image.ec2_id], tenant=image.tenant)
    Operation.objects.owe(VERIFY, KIND, [image.ec2_id for image in asked], actor_name=actor.name, slow=True)
    ring(len(asked), slow=True)
    return len(asked)


def perform(operation: Operation) -> Again | None:
    """Read each file that the image's disks stand on; what differs fails the operation, and changes nothing else."""
    found = _layers_of(operation.resource_id)
    layers = [layer for layer in found if layer.sha256]
    for layer in layers:
        if words := what_differs(layer, operation.advance):
            raise Refused(words)
    text = _("files as they were: %(count)s; without a checksum: %(without)s")
    operation.note(text % {"count": len(layers), "without": len(found) - len(layers)})
    with operation.closing():
        pass
    return None


def _layers_of(image_id: str) -> list[Layer]:
    tops = Layer.objects.filter(snapshots__image_devices__image__ec2_id=image_id).distinct()
    return list({layer.pk: layer for top in tops for layer in top.chain()}.values())


def leave(operation: Operation, why: str) -> None:
    """The operation says what differs; what to do about it is an operator's to decide."""


register(KIND, VERIFY, Performer(perform, leave))
