"""Taking snapshots: volumes go on in new layers, what they were written to until then is frozen.

Everything may be repeated.  A domain is asked which layers it writes to; a volume whose domain is off is moved on by
rows and files alone, which is right whether or not the switch had happened while it ran.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from compute import drivers
from compute.domains import disk_of
from compute.drivers.base import Disk, Driver, DriverError, HostUnreachable, Power
from compute.models import Instance
from compute.models.instance import KIND
from compute.snapshots import SNAPSHOT, TAKE, VOLUME, next_layers
from compute.verbs import Verb
from operations.models import Operation, lane_of
from operations.performers import Again, Performer, Refused, TryLater, register
from operations.tasks import ring
from portal.errors import CloudError
from storage.backends.base import StorageError
from storage.files import make_file, move_on, ready_layer
from storage.freezing import bind, complete, fail, hold_volumes, shrink_promise, stay, used_by
from storage.models import Layer, Snapshot, Volume

logger = logging.getLogger(__name__)

POLL_S = 2.0
INSIST_EVERY_S = 10
INTERNAL_ERROR = "Server.InternalError: The snapshot could not be taken; delete it and take another"


def take(operation: Operation) -> Again | None:
    """Let the volumes move on, then note that the snapshots are complete."""
    if operation.params["next"] is None and (again := _bind(operation)) is not None:
        return again
    moving = _moving(operation)
    if moving and _is_going_down(operation):
        return Again(POLL_S, "its guest is being shut down")
    _move_on(operation, moving)
    snapshots = Snapshot.objects.filter(ec2_id__in=operation.params["snapshots"])
    layers = Layer.objects.filter(snapshots__in=snapshots).select_related("datastore", "key").distinct()
    sizes = [(layer, _used_by(layer)) for layer in layers]
    with operation.closing():
        for volume in moving:
            move_on(volume)
        complete(snapshots)
        for layer, size in sizes:
            if size is not None:
                shrink_promise(layer, size)
    return None


def _moving(operation: Operation) -> list[Volume]:
    """The volumes that have yet to move on for these snapshots, also for such as were deleted meanwhile."""
    following = operation.params["next"] or {}
    rows = Volume.objects.filter(ec2_id__in=following, next_layer__name__in=following.values())
    return list(rows.select_related("datastore", "next_layer__datastore", "next_layer__key", "next_layer__parent__key"))


def _is_going_down(operation: Operation) -> bool:
    """Whether the instance is about to be taken down for these snapshots."""
    if not operation.params["off"]:
        return False
    kind, name = operation.lane.split("/", 1)
    return Operation.objects.open().on(kind, [name]).filter(verb=Verb.RESTART).exists()


def _bind(operation: Operation) -> Again | None:
    """It is this operation's turn, unless another's next layers are still ahead; in the lane of where they are now."""
    snapshots = list(Snapshot.objects.filter(ec2_id__in=operation.params["snapshots"], layer=None))
    wanted = [snapshot.volume_id for snapshot in snapshots]
    try:
        with transaction.atomic():
            volumes = hold_volumes(Volume.objects.filter(ec2_id__in=wanted))
            lanes = {_lane(volume) for volume in volumes}
            if len(lanes) > 1:
                raise Refused(
                    "Client.IncorrectState: "
                    + _("The volumes are not of one instance any more; take their snapshots again.")
                )
            if lanes and lanes != {operation.lane}:
                Operation.objects.filter(pk=operation.pk).update(lane=lanes.pop())
                return Again(0, "went where the volume is")
            if not bind(snapshots, volumes):
                return Again(POLL_S, "another snapshot is being taken")
            operation.params = {**operation.params, "next": next_layers(volumes)}
            Operation.objects.filter(pk=operation.pk).update(params=operation.params)
    except CloudError as error:
        raise Refused(f"Client.{error.code}: {error.message}") from error
    return None


def _lane(volume: Volume) -> str:
    return lane_of(KIND, volume.instance_id) if volume.instance_id else lane_of(VOLUME, volume.ec2_id)


def _move_on(operation: Operation, volumes: Sequence[Volume]) -> None:
    """Those that a running domain writes to by its hypervisor, all at one instant; the others by their rows."""
    name = next((volume.instance_id for volume in volumes if volume.instance_id), "")
    instance = Instance.objects.select_related("host").filter(ec2_id=name).first()
    try:
        for volume in volumes:
            assert volume.next_layer is not None
            make_file(volume.next_layer)
        live = _move_on_live(operation, instance, volumes) if instance is not None and instance.host else set()
        for volume in volumes:
            if volume.pk not in live:
                ready_layer(volume)
    except HostUnreachable as error:
        raise TryLater(str(error)) from error
    except (DriverError, StorageError) as error:
        if operation.params.get("begun"):  # the switch may have happened
            raise TryLater(str(error), after_s=INSIST_EVERY_S) from error
        if Volume.objects.filter(pk__in=[v.pk for v in volumes]).count() < len(volumes):  # deleted meanwhile
            raise TryLater(str(error), after_s=1) from error
        raise Refused(str(error)) from error


def _move_on_live(operation: Operation, instance: Instance, volumes: Sequence[Volume]) -> set[int]:
    """The keys of those that the instance's domain writes to; they are on their next layers."""
    host = instance.host
    assert host is not None
    driver = drivers.driver_for(host.driver, host.settings())
    power = driver.power(instance.ec2_id)
    if power == Power.UNKNOWN:
        raise TryLater(f"{host} is still busy with starting {instance}", after_s=1)
    on = driver.disks(instance.ec2_id) if power != Power.OFF else {}
    overlays = {v.serial: disk_of(v, v.next_layer, host) for v in volumes if v.next_layer and v.serial in on}
    if overlays:
        _begin(operation)
        _switch(operation, driver, instance.ec2_id, overlays)
    return {volume.pk for volume in volumes if volume.serial in overlays}


def _begin(operation: Operation, *, is_begun: bool = True) -> None:
    """Note that from now on the switch may have happened, whatever becomes of this worker."""
    operation.params = {**operation.params, "begun": is_begun}
    Operation.objects.filter(pk=operation.pk).update(params=operation.params)


def _switch(operation: Operation, driver: Driver, name: str, overlays: dict[str, Disk]) -> None:
    """Raises DriverError if the host refuses, and then none has moved on."""
    try:
        driver.snapshot(name, overlays)
    except HostUnreachable:
        raise
    except DriverError as error:
        now = driver.disks(name)
        if any(serial not in now or now[serial][0] == disk.path for serial, disk in overlays.items()):
            raise TryLater(str(error), after_s=1) from error  # one has gone, or all have moved on: look again
        _begin(operation, is_begun=False)
        raise


def _used_by(layer: Layer) -> int | None:
    try:
        return used_by(layer)
    except StorageError as error:
        logger.warning("layer %s could not be measured: %s", layer, error)
        return None


def take_failed(operation: Operation, why: str) -> None:
    """What certainly has not moved on stays where it is; where that is not certain, it still has to be found out."""
    told = why if why.startswith("Client.") else INTERNAL_ERROR
    fail(Snapshot.objects.filter(ec2_id__in=operation.params["snapshots"]), told)
    moving = _moving(operation)
    if operation.params.get("begun") and moving:
        again = {**operation.params, "snapshots": []}
        ids = [operation.resource_id]
        Operation.objects.owe(TAKE, SNAPSHOT, ids, actor_name=operation.actor_name, params=again, lane=operation.lane)
        ring()
    else:
        stay(moving)


register(SNAPSHOT, TAKE, Performer(take, take_failed, tries=20))
