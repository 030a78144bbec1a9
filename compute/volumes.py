"""What tenants may do to volumes and instances together: attach and detach."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from compute.devices import check_free
from compute.disks import lacking
from compute.drivers.base import Capability
from compute.errors import IncorrectState, OperationNotPermitted
from compute.models import Instance
from compute.models.instance import KIND
from compute.snapshots import give_way
from compute.states import InstanceState
from operations.models import Operation, lane_of
from operations.tasks import ring
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from storage.errors import IncorrectVolumeState, VolumeInUse
from storage.freezing import hold_volumes
from storage.models import AttachmentState, Volume, VolumeState
from storage.models.volume import LEAVING
from storage.verbs import VOLUME, VolumeVerb

S = InstanceState
MOST_DISKS = 24
FREE = {
    "instance_id": "",
    "device": "",
    "attachment_state": AttachmentState.NONE,
    "state": VolumeState.AVAILABLE,
    "attached_at": None,
    "delete_on_termination": False,
}


@transaction.atomic
def attach_volume(volume: Volume, instance: Instance, device: str, *, actor: Actor) -> Volume:
    """Plug it in, while the guest runs; a stopped instance has it when it is started.

    Raises CloudError, naming what is missing, before anything is started.
    """
    now, held = _hold(volume, instance.ec2_id)
    assert held is not None, "instances stay as rows"
    _check_attachable(now, held)
    others = list(Volume.objects.filter(instance_id=held.ec2_id).values_list("device", flat=True))
    check_free(device, held.image.root_device_name, others)
    if len(others) >= MOST_DISKS:
        text = _("Instance %(id)s has %(count)s volumes; no more can be attached.")
        raise CloudError(text % {"id": held, "count": len(others)}, code="AttachmentLimitExceeded")
    _check_capable(now, held)
    running = held.state == S.RUNNING
    now.instance_id, now.device, now.state = held.ec2_id, device, VolumeState.IN_USE
    now.attachment_state = AttachmentState.ATTACHING if running else AttachmentState.ATTACHED
    now.attached_at, now.delete_on_termination, now.state_message = timezone.now(), False, ""
    now.save(update_fields=[*FREE, "state_message"])
    if running:
        _owe(VolumeVerb.ATTACH, now, actor)
    give_way([now])
    audit.record(actor, "attach", VOLUME, [now.ec2_id], tenant=now.tenant, instance=held.ec2_id, device=device)
    return now


def _hold(volume: Volume, instance_id: str = "") -> tuple[Volume, Instance | None]:
    """The volume, and that instance or the one that has it, as they are now, until the transaction ends.

    Operations are locked first, as with who closes one, then volumes.
    """
    if connection.features.has_select_for_update:
        open_ones = Operation.objects.open().on(VOLUME, [volume.ec2_id]).order_by("pk")
        list(open_ones.select_for_update().values_list("pk"))
    found = hold_volumes(Volume.objects.filter(pk=volume.pk))
    if not found:
        text = _("The volume '%(id)s' does not exist.")
        raise CloudError(text % {"id": volume}, code="InvalidVolume.NotFound")
    rows = Instance.objects.filter(ec2_id=instance_id or found[0].instance_id).select_related("image", "host")
    return found[0], rows.select_for_update(of=("self",)).first()


def _check_attachable(volume: Volume, instance: Instance) -> None:
    if volume.instance_id:
        text = _("%(volume)s is already attached to an instance, %(instance)s; detach it there first.")
        raise VolumeInUse(text % {"volume": volume, "instance": volume.instance_id})
    if volume.state != VolumeState.AVAILABLE:
        text = _("Volume %(volume)s is %(state)s; it can be attached once it is available.")
        raise IncorrectVolumeState(text % {"volume": volume, "state": volume.get_state_display()})
    if instance.state not in (S.RUNNING, S.STOPPED):
        text = _("Instance %(id)s is %(state)s; a volume can be attached to one that is running or stopped.")
        raise IncorrectState(text % {"id": instance, "state": instance.get_state_display()}, code="IncorrectState")
    if volume.zone != instance.zone:
        text = _("The volume '%(volume)s' is not in the same availability zone as instance '%(instance)s'.")
        raise CloudError(text % {"volume": volume, "instance": instance}, code="InvalidVolume.ZoneMismatch")


def _check_capable(volume: Volume, instance: Instance) -> None:
    """By the driver of its host or, of a stopped one, of any host that it could be started on."""
    needed = {Capability.HOT_PLUG} if instance.host is not None else set()
    needed |= {Capability.ENCRYPTION} if volume.is_encrypted else set()
    driver = instance.host.driver if instance.host is not None else ""
    if needed and (what := lacking(needed, zone=instance.zone, driver=driver)):
        text = _("The host of %(id)s is not capable of %(what)s, which volume %(volume)s needs.")
        raise CloudError(text % {"id": instance, "what": what, "volume": volume}, code="UnsupportedOperation")


def _owe(verb: VolumeVerb, volume: Volume, actor: Actor, **params: object) -> None:
    Operation.objects.owe(
        verb,
        VOLUME,
        [volume.ec2_id],
        actor_name=actor.name,
        params={"instance": volume.instance_id, **params},
        lane=lane_of(KIND, volume.instance_id),
    )
    ring()


@transaction.atomic
def detach_volume(
    volume: Volume, *, actor: Actor, instance_id: str = "", device: str = "", force: bool = False
) -> Volume:
    """Ask the guest to let go of it.  It is detaching until it has, or its instance is off; asked again, it stays so.

    Raises CloudError.  ``force`` asks the guest more often; nothing can be pulled out against its will.
    """
    now, instance = _hold(volume)
    if instance is None:
        text = _("Volume '%(volume)s' is in the '%(state)s' state; it is attached to nothing.")
        raise IncorrectVolumeState(text % {"volume": now, "state": now.state})
    _check_detachable(now, instance, instance_id, device)
    if now.attachment_state in LEAVING:
        _hurry(now, force=force)
        return now
    Operation.objects.filter(verb=VolumeVerb.ATTACH).supersede(VOLUME, [now.ec2_id])
    now.attachment_state, now.delete_on_termination, now.state_message = AttachmentState.DETACHING, False, ""
    now.save(update_fields=["attachment_state", "delete_on_termination", "state_message"])
    _owe(VolumeVerb.DETACH, now, actor, force=force)
    give_way([now])
    audit.record(actor, "detach", VOLUME, [now.ec2_id], tenant=now.tenant, instance=now.instance_id, force=force)
    return now


def _check_detachable(volume: Volume, instance: Instance, instance_id: str, device: str) -> None:
    if (instance_id and instance_id != volume.instance_id) or (device and device != volume.device):
        text = _("Volume '%(volume)s' is not attached to instance '%(instance)s' as device '%(device)s'.")
        values = {"volume": volume, "instance": instance_id or volume.instance_id, "device": device or volume.device}
        raise CloudError(text % values, code="InvalidAttachment.NotFound")
    if instance.state in (S.PENDING, S.SHUTTING_DOWN):
        text = _("Instance %(id)s is %(state)s; its volumes cannot be detached now.")
        raise IncorrectVolumeState(text % {"id": instance, "state": instance.get_state_display()})
    if volume.device == instance.image.root_device_name and instance.state != S.STOPPED:
        text = _("Unable to detach root volume '%(volume)s' from instance '%(instance)s'; stop the instance first.")
        raise OperationNotPermitted(text % {"volume": volume, "instance": instance})


def _hurry(volume: Volume, *, force: bool) -> None:
    """Ask the guest again, now."""
    for operation in Operation.objects.open().on(VOLUME, [volume.ec2_id]).filter(verb=VolumeVerb.DETACH):
        params = {**operation.params, "force": force or operation.params["force"], "asked_at": 0}
        Operation.objects.filter(pk=operation.pk).update(params=params)
    if Operation.objects.wake(VOLUME, [volume.ec2_id]):
        ring()
