"""Asking for snapshots: of detached volumes, and of those of an instance, whose guest may go on meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from compute.errors import IncorrectState
from compute.models import Instance
from compute.models.instance import KIND
from compute.states import InstanceState
from compute.verbs import Verb
from operations.models import Operation, lane_of
from operations.tasks import ring
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.tags import add_tags, check_tags, tags_of
from storage.errors import IncorrectVolumeState
from storage.freezing import bind, hold_volumes, open_snapshots
from storage.models import Snapshot, Volume, VolumeState
from storage.verbs import CHAIN, VOLUME

S = InstanceState
SNAPSHOT = "snapshot"
FREEZING, TAKE = "freezing", "take"  # no matter what becomes of the snapshots, the volumes have to move on
MAX_DESCRIPTION = 255
WHOLE = {VolumeState.AVAILABLE, VolumeState.IN_USE}


@transaction.atomic
def snapshot_volumes(
    volumes: Sequence[Volume],
    *,
    actor: Actor,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    copy_tags: bool = False,
    with_guest_off: bool = False,
) -> list[Snapshot]:
    """Pending snapshots of volumes that are all attached to one instance, or of one volume that is not; in their order.

    They hold what the volumes hold at one instant between now and when they are completed.  Nothing is copied and no
    guest is stopped, unless ``with_guest_off``: then they are taken while it is down, for which the caller sees.
    Raises CloudError, and then nothing was written.
    """
    _check(description, tags or {})
    held = {volume.pk: volume for volume in hold_volumes(Volume.objects.filter(pk__in=[v.pk for v in volumes]))}
    for volume in volumes:
        if volume.pk not in held or held[volume.pk].state not in WHOLE:
            state = held[volume.pk].get_state_display() if volume.pk in held else _("deleted")
            text = _("Volume '%(volume)s' is %(state)s; a snapshot is taken of one that is available or in use.")
            raise IncorrectVolumeState(text % {"volume": volume, "state": state})
    found = [held[volume.pk] for volume in volumes]
    if len(places := {volume.instance_id for volume in found}) != 1 or (places == {""} and len(found) > 1):
        raise CloudError(_("Snapshots of one instant are taken of the volumes of one instance."))
    snapshots = open_snapshots(found, description=description)
    is_bound = bind(snapshots, found)
    _tag(snapshots, tags or {}, copy_tags)
    lane = lane_of_volume(found[0])
    ids = [snapshot.ec2_id for snapshot in snapshots]
    params: dict[str, object] = {"snapshots": ids, "volumes": [v.ec2_id for v in found], "off": with_guest_off}
    params["next"] = next_layers(found) if is_bound else None
    Operation.objects.owe(TAKE, FREEZING, ids[:1], actor_name=actor.name, params=params, lane=lane)
    for snapshot in snapshots:
        audit.record(actor, "create", SNAPSHOT, [snapshot.ec2_id], tenant=found[0].tenant, volume=snapshot.volume_id)
    ring()
    return snapshots


def lane_of_volume(volume: Volume) -> str:
    """In which nothing runs beside what is done to it: its instance's, or its own."""
    return lane_of(KIND, volume.instance_id) if volume.instance_id else lane_of(VOLUME, volume.ec2_id)


def give_way(volumes: Iterable[Volume]) -> bool:
    """Give up what nobody asked for, for what somebody did; whether something still has to be ended on a host."""
    ids = [volume.ec2_id for volume in volumes]
    Operation.objects.filter(is_slow=True).cancel(CHAIN, ids)
    live = list(Operation.objects.open().on(CHAIN, ids).filter(is_slow=False))
    for operation in live:
        Operation.objects.filter(pk=operation.pk).update(params={**operation.params, "stop": True})
    if live:
        Operation.objects.wake(CHAIN, ids)
        ring()
    return bool(live)


def next_layers(volumes: Sequence[Volume]) -> dict[str, str]:
    """By volume, where it goes on for the snapshots just bound: another's next layer is not ours to move it to."""
    return {volume.ec2_id: str(volume.next_layer) for volume in volumes}


def _check(description: str, tags: Mapping[str, str]) -> None:
    if len(description) > MAX_DESCRIPTION:
        text = _("The description has %(length)s characters; at most %(most)s are allowed.")
        raise CloudError(text % {"length": len(description), "most": MAX_DESCRIPTION})
    check_tags(tags)


def _tag(snapshots: Sequence[Snapshot], tags: Mapping[str, str], copy_tags: bool) -> None:
    copied = tags_of([snapshot.volume_id for snapshot in snapshots]) if copy_tags else {}
    for snapshot in snapshots:
        assert snapshot.tenant is not None
        wanted = {**copied.get(snapshot.volume_id, {}), **tags}
        check_tags(wanted)
        add_tags(snapshot.tenant, SNAPSHOT, [snapshot.ec2_id], wanted)


@transaction.atomic
def snapshot_instance(
    instance: Instance,
    volumes: Sequence[Volume],
    *,
    actor: Actor,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    copy_tags: bool = False,
    reboot: bool = False,
) -> list[Snapshot]:
    """Snapshots of these volumes of one instance, all at one instant.

    With ``reboot`` a running guest is shut down for them and started again afterwards; the instance goes on being
    called running, and a stop or a termination that is asked meanwhile takes the place of that.
    """
    hold_volumes(Volume.objects.filter(pk__in=[volume.pk for volume in volumes]))  # before the instance, as elsewhere
    [now] = Instance.objects.filter(pk=instance.pk).select_for_update(of=("self",)).select_related("tenant")
    check_state(now)
    off = reboot and now.state == S.RUNNING
    if off:
        _owe_restart(now, actor)
    return snapshot_volumes(
        volumes, actor=actor, description=description, tags=tags, copy_tags=copy_tags, with_guest_off=off
    )


def check_state(instance: Instance) -> None:
    """Raises IncorrectState unless snapshots may be taken of it."""
    if instance.state not in (S.RUNNING, S.STOPPED):
        text = _("The instance '%(id)s' is %(state)s; snapshots are taken of one that is running or stopped.")
        raise IncorrectState(text % {"id": instance, "state": instance.get_state_display()})


def _owe_restart(instance: Instance, actor: Actor) -> None:
    """One that is being rebooted is shut down instead."""
    Operation.objects.filter(verb=Verb.REBOOT).supersede(KIND, [instance.ec2_id])
    if Operation.objects.open().on(KIND, [instance.ec2_id]).exists():
        text = _("The instance '%(id)s' is being shut down for other snapshots; wait until it is started again.")
        raise IncorrectState(text % {"id": instance})
    Operation.objects.owe(Verb.RESTART, KIND, [instance.ec2_id], actor_name=actor.name)
    audit.record(actor, Verb.RESTART, KIND, [instance.ec2_id], tenant=instance.tenant)
    ring()
