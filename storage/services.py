"""Volumes and images as rows; files are made and unmade by tasks."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import quotas
from portal.errors import CloudError
from portal.models import Resource, Tag, Tenant
from storage.models import Datastore, Image, Volume, VolumeState


def default_datastore() -> Datastore:
    datastore = Datastore.objects.filter(is_enabled=True).first()
    if datastore is None:
        raise CloudError(_("no datastore is enabled; an operator must add one"), code="Unavailable")
    return datastore


def create_root_volumes(
    tenant: Tenant,
    instance_ids: Sequence[str],
    *,
    image: Image,
    datastore: Datastore,
    size_gib: int,
    volume_type: str,
    zone: str,
    delete_on_termination: bool,
) -> list[Volume]:
    """One root volume for each instance, attached from the start; one insert.  Quota is the caller's."""
    now = timezone.now()
    return Volume.objects.bulk_create(
        Volume(
            tenant=tenant,
            datastore=datastore,
            image=image,
            size_gib=size_gib,
            volume_type=volume_type,
            zone=zone,
            state=VolumeState.CREATING,
            instance_id=instance_id,
            device=image.root_device_name,
            delete_on_termination=delete_on_termination,
            attached_at=now,
            created_at=now,
        )
        for instance_id in instance_ids
    )


def forget_volumes(volumes: QuerySet[Volume]) -> None:
    """Delete the rows of volumes whose files are gone, and give back their quota; in the caller's transaction."""
    for tenant_id, size in list(volumes.order_by().values_list("tenant").annotate(Sum("size_gib"))):
        count = volumes.filter(tenant_id=tenant_id).count()
        quotas.release(Tenant(pk=tenant_id), {Resource.VOLUMES: count, Resource.VOLUME_GIB: size})
    Tag.objects.filter(resource_type="volume", resource_id__in=list(volumes.values_list("ec2_id", flat=True))).delete()
    volumes.delete()


@quotas.counts
def count_volumes() -> dict[tuple[int, str], int]:
    """Usage of volumes by tenant, from the rows."""
    found: dict[tuple[int, str], int] = {}
    for tenant_id, size in Volume.objects.order_by().values_list("tenant_id", "size_gib"):
        found[tenant_id, Resource.VOLUMES] = found.get((tenant_id, Resource.VOLUMES), 0) + 1
        found[tenant_id, Resource.VOLUME_GIB] = found.get((tenant_id, Resource.VOLUME_GIB), 0) + size
    return found
