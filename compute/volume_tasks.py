"""Plugging disks into running domains and out of them.  Everything may be repeated: the domain is asked what it has."""

from __future__ import annotations

import time

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from compute.devices import target_of
from compute.domains import disk_of, is_busy
from compute.drivers.base import Driver, DriverError, HostUnreachable, Power
from compute.models import Host, Instance
from compute.states import InstanceState
from compute.tasks import driver_of, or_fail
from compute.volumes import FREE
from operations.models import Operation
from operations.performers import Again, Performer, TryLater, register
from operations.tasks import ring
from storage.files import ready_layer
from storage.models import AttachmentState, Volume, VolumeState
from storage.models.volume import LEAVING
from storage.verbs import VOLUME, VolumeVerb

POLL_S, TURN_S, ASK_AGAIN_S, INSIST_EVERY_S = 2.0, 0.5, 15, 10
OFF = (Power.OFF, Power.CRASHED)


def attach(operation: Operation) -> Again | None:
    """Plug it in, unless the instance is off: then it is there at its next start."""
    volume = _of(operation, AttachmentState.ATTACHING)
    if volume is not None:
        if is_busy([volume]):
            return Again(TURN_S, "it is still being changed")
        instance = _instance(volume)
        if instance.host is not None:
            with or_fail():
                power = _power(driver_of(instance.host), instance)
                if power not in OFF:
                    _plug(instance, instance.host, volume)
                elif instance.state == InstanceState.RUNNING:  # about to be found stopped, or to be started again
                    return Again(POLL_S, "its instance is off")
    with operation.closing():
        _attached(operation).filter(attachment_state=AttachmentState.ATTACHING).update(
            attachment_state=AttachmentState.ATTACHED
        )
    return None


def _attached(operation: Operation) -> QuerySet[Volume]:
    return Volume.objects.filter(
        ec2_id=operation.resource_id, instance_id=operation.params["instance"], state=VolumeState.IN_USE
    )


def _of(operation: Operation, *states: AttachmentState) -> Volume | None:
    """The volume, if it is still what the operation is about."""
    rows = _attached(operation).filter(attachment_state__in=states)
    return rows.select_related("datastore", "key").first()


def _instance(volume: Volume) -> Instance:
    return Instance.objects.select_related("host", "image").get(ec2_id=volume.instance_id)


def _power(driver: Driver, instance: Instance) -> Power:
    power = driver.power(instance.ec2_id)
    if power == Power.UNKNOWN:
        raise TryLater(f"{instance.host} is still busy with starting {instance}", after_s=1)
    return power


def _plug(instance: Instance, host: Host, volume: Volume) -> None:
    """Into the running domain.  One that has it already may write to another layer than a start would choose now."""
    driver = driver_of(host)
    if volume.serial not in driver.disks(instance.ec2_id):
        target = target_of(volume, instance.image.root_device_name)
        driver.attach(instance.ec2_id, disk_of(volume, ready_layer(volume), host, target))


def attach_failed(operation: Operation, why: str) -> None:
    """Whether it is plugged in is not known: it is taken out, and free again once it certainly is."""
    message = _("It could not be attached for an internal error; try again, or ask an operator.")
    rows = _attached(operation).filter(attachment_state=AttachmentState.ATTACHING)
    if rows.update(attachment_state=AttachmentState.DETACHING, state_message=message):
        Operation.objects.owe(
            VolumeVerb.DETACH,
            VOLUME,
            [operation.resource_id],
            actor_name=operation.actor_name,
            params={"instance": operation.params["instance"], "force": True},
            lane=operation.lane,
        )
        ring()


def detach(operation: Operation) -> Again | None:
    """Ask the guest to let go, and wait until it has; one that does not is told so, and asked again."""
    volume = _of(operation, *LEAVING)
    if volume is not None:
        instance = _instance(volume)
        try:
            again = _unplug(operation, instance, volume) if instance.host is not None else None
        except HostUnreachable as error:
            raise TryLater(str(error)) from error
        except DriverError as error:
            raise TryLater(str(error), after_s=INSIST_EVERY_S) from error
        if again is not None:
            return again
    with operation.closing():
        _attached(operation).filter(attachment_state=AttachmentState.BUSY).update(state_message="")
        _attached(operation).filter(attachment_state__in=LEAVING).update(**FREE)
    return None


def _unplug(operation: Operation, instance: Instance, volume: Volume) -> Again | None:
    driver = driver_of(instance.host) if instance.host else None
    if driver is None or _power(driver, instance) in OFF or volume.serial not in driver.disks(instance.ec2_id):
        return None
    if time.time() - operation.params.get("asked_at", 0) > ASK_AGAIN_S:
        operation.params = {**operation.params, "asked_at": time.time()}
        Operation.objects.filter(pk=operation.pk).update(params=operation.params)
        driver.detach(instance.ec2_id, volume.serial)
        if volume.serial not in driver.disks(instance.ec2_id):
            return None
    if operation.age_s > settings.DETACH_GRACE_S and volume.attachment_state != AttachmentState.BUSY:
        message = _("Its guest does not let go of it: unmount it there, or stop the instance.")
        Volume.objects.filter(pk=volume.pk).update(attachment_state=AttachmentState.BUSY, state_message=message)
    return Again(POLL_S, "its guest was asked to let go of it")


def keep_as_is(operation: Operation, why: str) -> None:
    """It goes on being tried."""


register(VOLUME, VolumeVerb.ATTACH, Performer(attach, attach_failed))
register(VOLUME, VolumeVerb.DETACH, Performer(detach, keep_as_is, tries=None))
