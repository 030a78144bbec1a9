"""Larger, of another type, or faster: changes of volumes, attached or not."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from compute.snapshots import WHOLE, give_way, lane_of_volume
from operations.models import Operation
from operations.tasks import ring
from portal import audit, quotas
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Resource
from storage.errors import IncorrectVolumeState
from storage.freezing import hold_volumes
from storage.models import ModificationState, Volume, VolumeModification
from storage.services import promise
from storage.verbs import CHANGE, VOLUME, VolumeVerb
from storage.volume_types import TYPES, Shape, checked_shape

UNDER_WAY = (ModificationState.MODIFYING, ModificationState.OPTIMIZING)


@transaction.atomic
def modify_volume(
    volume: Volume,
    *,
    actor: Actor,
    size_gib: int | None = None,
    volume_type: str | None = None,
    iops: int | None = None,
    throughput: int | None = None,
) -> VolumeModification:
    """Change what is given; it becomes larger while its guest runs, and never smaller.

    Quota and datastore are asked first.  Raises CloudError, and then nothing was written.
    """
    found = hold_volumes(Volume.objects.filter(pk=volume.pk))
    if not found or found[0].state not in WHOLE:
        state = found[0].get_state_display() if found else _("deleted")
        text = _("Volume %(volume)s is %(state)s; it can be changed while it is available or in use.")
        raise IncorrectVolumeState(text % {"volume": volume, "state": state})
    now = found[0]
    if VolumeModification.objects.filter(volume=now, state__in=UNDER_WAY).exists():
        text = _("Volume %(volume)s is still being changed; wait until that is completed.")
        raise CloudError(text % {"volume": now}, code="IncorrectModificationState")
    shape = _wanted(now, size_gib, volume_type, iops, throughput)
    change = _write(now, shape)
    params = {"delta_gib": shape.size_gib - now.size_gib}
    lane = lane_of_volume(now)
    Operation.objects.owe(VolumeVerb.MODIFY, CHANGE, [now.ec2_id], actor_name=actor.name, params=params, lane=lane)
    give_way([now])
    audit.record(actor, "modify", VOLUME, [now.ec2_id], tenant=now.tenant, **shape.as_dict())
    ring()
    return change


def _wanted(
    volume: Volume, size_gib: int | None, volume_type: str | None, iops: int | None, throughput: int | None
) -> Shape:
    """What is asked, and what it has where nothing is."""
    if size_gib is None and volume_type is None and iops is None and throughput is None:
        raise CloudError(_("A size, a type, IOPS or a throughput must be given."), code="MissingParameter")
    if size_gib is not None and size_gib < volume.size_gib:
        text = _("New size cannot be smaller than existing size: %(volume)s has %(size)s GiB.")
        raise CloudError(text % {"volume": volume, "size": volume.size_gib})
    kind = volume_type or volume.volume_type
    keeps = kind == volume.volume_type
    known = TYPES.get(kind)
    return checked_shape(
        Shape(
            size_gib or volume.size_gib,
            kind,
            volume.iops if iops is None and keeps and known and known.iops else iops,
            volume.throughput if throughput is None and keeps and known and known.throughput else throughput,
        )
    )


def _write(volume: Volume, shape: Shape) -> VolumeModification:
    more = shape.size_gib - volume.size_gib
    if more:
        quotas.reserve(volume.tenant, {Resource.VOLUME_GIB: more})
        promise(volume.datastore, more)
        Volume.objects.filter(pk=volume.pk).update(promised_gib=F("promised_gib") + more)
    values = {
        "state": ModificationState.MODIFYING,
        "message": "",
        "progress": 0,
        "original": shape_of(volume).as_dict(),
        "target": shape.as_dict(),
        "started_at": timezone.now(),
        "ended_at": None,
    }
    return VolumeModification.objects.update_or_create(volume=volume, defaults=values)[0]


def shape_of(volume: Volume) -> Shape:
    return Shape(volume.size_gib, volume.volume_type, volume.iops, volume.throughput)
