"""Rows for tests: a simulated datastore with room, and images in it."""

from __future__ import annotations

from django.db.models import F
from django.utils import timezone

from portal.models import Quota, Resource, Tenant
from storage.models import Datastore, Image, ImageDevice, ImageState, Layer, Snapshot, SnapshotState


def make_datastore(name: str = "simulated", **fields: object) -> Datastore:
    """The datastore of this name; made, with a million GiB, if there is none."""
    values = {"backend": "simulated", "path": "/nowhere", "total_gib": 10**6, "seen_at": timezone.now(), **fields}
    return Datastore.objects.get_or_create(name=name, defaults=values)[0]


def make_snapshot(tenant: Tenant | None = None, *, size_gib: int = 1, **fields: object) -> Snapshot:
    """A completed one of a layer of its own; a tenant's is counted."""
    layer = Layer.objects.create(datastore=make_datastore(), size_gib=size_gib, made_at=timezone.now())
    values = {"state": SnapshotState.COMPLETED, "progress": 100, "completed_at": timezone.now(), **fields}
    _count(tenant, Resource.SNAPSHOTS)
    return Snapshot.objects.create(tenant=tenant, layer=layer, size_gib=size_gib, **values)


def _count(tenant: Tenant | None, resource: str) -> None:
    """Keep the ledger of quotas true."""
    Quota.objects.filter(tenant=tenant, resource=resource).update(used=F("used") + 1)


def make_image(name: str, tenant: Tenant | None = None, **fields: object) -> Image:
    """An available one with a root disk of 1 GiB."""
    snapshot = make_snapshot(tenant)
    values = {"state": ImageState.AVAILABLE, "root_snapshot": snapshot, **fields}
    _count(tenant, Resource.IMAGES)
    image = Image.objects.create(tenant=tenant, name=name, **values)
    ImageDevice.objects.create(image=image, device_name=image.root_device_name, snapshot=snapshot, size_gib=1)
    return image
