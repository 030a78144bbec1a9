"""Copies of snapshots.  Where nothing changes but the owner, both stand on the same blocks."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from operations.models import Operation
from operations.performers import Again, Performer, Refused, register
from operations.tasks import ring
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tenant
from storage.backends.base import Capability, StorageError
from storage.files import backend_of
from storage.importing import finish_snapshots, keep_layer
from storage.models import EncryptionKey, Image, Layer, Snapshot, SnapshotState
from storage.services import promise
from storage.snapshot_rows import new_snapshot

KIND, COPY = "snapshot", "copy"
TRIES = 5


@transaction.atomic
def copy_snapshot(tenant: Tenant, source: Snapshot, *, description: str, encrypt: bool, actor: Actor) -> Snapshot:
    """A copy of the tenant's own, of a snapshot that it may use.

    Completed at once, unless it is to be encrypted and the original is not: then a slow operation copies the blocks.
    Raises CloudError or QuotaExceeded.
    """
    if source.state != SnapshotState.COMPLETED or source.layer is None:
        text = _("snapshot %(id)s is %(state)s; wait until it is completed")
        raise CloudError(text % {"id": source.ec2_id, "state": source.state}, code="IncorrectState")
    slow = encrypt and not source.is_encrypted
    layer = _encrypted(source.layer) if slow else source.layer
    state = SnapshotState.PENDING if slow else SnapshotState.COMPLETED
    copy = new_snapshot(
        tenant,
        layer,
        description=description[:255],
        state=state,
        volume_id=source.volume_id,
        is_encrypted=encrypt or source.is_encrypted,
    )
    if slow:
        Operation.objects.owe(COPY, KIND, [copy.ec2_id], actor_name=actor.name, slow=True)
        ring(slow=True)
    audit.record(actor, "copy", KIND, [copy.ec2_id], tenant=tenant, source=source.ec2_id, encrypted=slow)
    return copy


def _encrypted(layer: Layer) -> Layer:
    """A layer to copy this one into, with a key of its own; the room is promised.

    Until it is made it refers to this one as its parent, so that this one stays even if its snapshot is deleted.
    """
    try:
        capabilities = backend_of(layer.datastore).capabilities
    except StorageError as error:
        raise CloudError(str(error), code="Unavailable") from error
    if Capability.ENCRYPT not in capabilities:
        text = _("datastore %(name)s cannot encrypt")
        raise CloudError(text % {"name": layer.datastore}, code="UnsupportedOperation")
    promise(layer.datastore, layer.size_gib)
    return Layer.objects.create(
        datastore=layer.datastore,
        parent=layer,
        key=EncryptionKey.objects.create(),
        size_gib=layer.size_gib,
        promised_gib=layer.size_gib,
    )


def perform_copy(operation: Operation) -> Again | None:
    """Copy the blocks; safe to repeat."""
    rows = Snapshot.objects.select_related("layer__datastore", "layer__key", "layer__parent__key")
    copy = rows.filter(ec2_id=operation.resource_id, state=SnapshotState.PENDING).first()
    if copy is None or copy.layer is None or copy.layer.parent is None:
        with operation.closing():
            pass
        return None
    layer, backend = copy.layer, backend_of(copy.layer.datastore)

    def told(done: int, total: int) -> None:
        operation.advance(done, total)
        pending = Snapshot.objects.filter(pk=copy.pk, state=SnapshotState.PENDING)
        pending.update(progress=min(99, operation.percent))

    try:
        backend.copy(copy.layer.parent.files, layer.file, told)
        info = backend.inspect(layer.file)
    except StorageError as error:
        if operation.attempts < TRIES:
            raise
        raise Refused(str(error)) from error
    with operation.closing():
        Layer.objects.filter(pk=layer.pk).update(parent=None)
        keep_layer(layer, size_gib=layer.size_gib, used_bytes=info.used_bytes if info else 0)
        finish_snapshots([copy], copy.size_gib)
        _wake_images(copy.ec2_id)
    return None


def _wake_images(snapshot_id: str) -> None:
    """Let those that wait for this snapshot look at once."""
    images = Image.objects.filter(devices__snapshot__ec2_id=snapshot_id).values_list("ec2_id", flat=True)
    if Operation.objects.wake("image", list(images)):
        ring()


def give_up(operation: Operation, why: str) -> None:
    """The snapshot stays, with the reason; what was to hold it goes."""
    pending = Snapshot.objects.filter(ec2_id=operation.resource_id, state=SnapshotState.PENDING)
    pending.update(state=SnapshotState.ERROR, state_message=why, layer=None)
    _wake_images(operation.resource_id)


register(KIND, COPY, Performer(perform_copy, give_up, tries=TRIES))
