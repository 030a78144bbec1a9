"""Carrying out changes of volumes: a running domain is told, a file that none uses is made larger."""

from __future__ import annotations

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from compute.drivers.base import Power
from compute.models import Instance
from compute.snapshots import give_way, lane_of_volume
from compute.tasks import driver_of, or_fail
from operations.models import Operation
from operations.performers import Again, Performer, TryLater, register
from portal import quotas
from portal.models import Resource
from storage.files import GIB, backend_of, ready_layer
from storage.models import Datastore, Layer, ModificationState, Volume, VolumeModification
from storage.verbs import CHANGE, VolumeVerb

TURN_S = 0.5


def modify(operation: Operation) -> Again | None:
    """Make it larger where it is, then write down what it is now."""
    volume = Volume.objects.filter(ec2_id=operation.resource_id).select_related("datastore", "modification").first()
    if volume is None:
        with operation.closing():
            pass
        return None
    if (lane := lane_of_volume(volume)) != operation.lane:
        Operation.objects.filter(pk=operation.pk).update(lane=lane)
        return Again(0, "went where the volume is")
    if operation.params["delta_gib"]:
        if volume.next_layer_id is not None:
            return Again(TURN_S, "a snapshot is being taken")
        if give_way([volume]):
            return Again(TURN_S, "its layers are being taken in")
        with or_fail():
            _grow(volume, volume.modification.target["size_gib"])
    with operation.closing():
        _settle(volume)
    return None


def _grow(volume: Volume, size_gib: int) -> None:
    instance = Instance.objects.select_related("host").filter(ec2_id=volume.instance_id).first()
    if instance is not None and instance.host is not None:
        driver = driver_of(instance.host)
        power = driver.power(instance.ec2_id)
        if power == Power.UNKNOWN:
            raise TryLater(f"{instance.host} is still busy with starting {instance}", after_s=1)
        if power not in (Power.OFF, Power.CRASHED) and volume.serial in driver.disks(instance.ec2_id):
            driver.resize(instance.ec2_id, volume.serial, size_gib * GIB)
            return
    backend_of(volume.datastore).grow(ready_layer(volume).file, size_gib * GIB)


def _settle(volume: Volume) -> None:
    target = volume.modification.target
    Volume.objects.filter(pk=volume.pk).update(**target)
    for layers in (Layer.objects.filter(volume=volume), Layer.objects.filter(volume_next=volume)):
        layers.update(size_gib=target["size_gib"])
    VolumeModification.objects.filter(volume=volume).update(
        state=ModificationState.COMPLETED, progress=100, ended_at=timezone.now()
    )


def modify_failed(operation: Operation, why: str) -> None:
    """It is what it was; quota and datastore have again what was asked of them."""
    volume = Volume.objects.select_related("tenant").filter(ec2_id=operation.resource_id).first()
    if volume is None:
        return
    more = operation.params["delta_gib"]
    quotas.release(volume.tenant, {Resource.VOLUME_GIB: more})
    Datastore.objects.all().release(volume.datastore_id, more)
    Volume.objects.filter(pk=volume.pk).update(promised_gib=F("promised_gib") - more)
    message = _("It could not be changed for an internal error; try again, or ask an operator.")
    VolumeModification.objects.filter(volume=volume).update(
        state=ModificationState.FAILED, message=message, ended_at=timezone.now()
    )


register(CHANGE, VolumeVerb.MODIFY, Performer(modify, modify_failed))
