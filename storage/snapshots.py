"""Snapshots that are there: counted, and deleted."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from portal import audit, quotas
from portal.audit import Actor
from portal.models import Resource, Tag
from storage.errors import SnapshotInUse
from storage.models import Image, ImageState, Snapshot

KIND = "snapshot"


@transaction.atomic
def delete_snapshot(snapshot: Snapshot, *, actor: Actor) -> None:
    """Forget it.  Its blocks stay as long as a volume or another snapshot stands on them.

    Raises SnapshotInUse naming the image that is made of it.
    """
    assert snapshot.tenant is not None, "the cloud's own go with their images"
    if not Snapshot.objects.filter(pk=snapshot.pk).select_for_update():
        return  # another was faster
    images = Image.objects.exclude(state=ImageState.DEREGISTERED)
    image = (images.filter(devices__snapshot=snapshot) | images.filter(root_snapshot=snapshot)).first()
    if image is not None:
        text = _("The snapshot %(snapshot)s is currently in use by %(image)s; deregister that first.")
        raise SnapshotInUse(text % {"snapshot": snapshot, "image": image.ec2_id})
    _let_go(snapshot)
    Tag.objects.filter(resource_id=snapshot.ec2_id).delete()
    Snapshot.objects.filter(pk=snapshot.pk).delete()
    quotas.release(snapshot.tenant, {Resource.SNAPSHOTS: 1})
    audit.record(actor, "delete", KIND, [snapshot.ec2_id], tenant=snapshot.tenant)


def _let_go(snapshot: Snapshot) -> None:
    """Images that are registered no more stay as rows, and need no disks."""
    Image.objects.filter(root_snapshot=snapshot).update(root_snapshot=None)
    snapshot.image_devices.all().delete()


@quotas.counts
def count_snapshots() -> dict[tuple[int, str], int]:
    """Usage of snapshots by tenant, from the rows."""
    rows = Snapshot.objects.exclude(tenant=None).order_by().values_list("tenant_id").annotate(Count("pk"))
    return {(tenant_id, Resource.SNAPSHOTS): count for tenant_id, count in rows if tenant_id is not None}
