"""Keeping chains of layers short: what only the top of a volume needs is taken into it, live or not.

Nothing that a snapshot or another volume stands on is touched.  Whatever somebody asked for goes first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Q

from compute.domains import on_host
from compute.drivers.base import Driver, Power
from compute.models import Host, Instance
from compute.snapshots import lane_of_volume
from compute.states import InstanceState
from compute.tasks import driver_of, or_fail
from operations.models import Operation
from operations.performers import Again, Performer, Refused, register
from operations.tasks import ring
from portal import audit
from storage.files import backend_of
from storage.models import Layer, Volume, VolumeState
from storage.verbs import CHAIN, VolumeVerb

logger = logging.getLogger(__name__)

POLL_S = 2.0
PULLS = 3  # that end without success
AT_ONCE = 20  # begun with each look


def compact_long_chains() -> int:
    """Owe a shorter chain to volumes on more layers than LAYERS_AT_MOST where that gains something; how many."""
    parents = dict(Layer.objects.order_by().values_list("pk", "parent"))
    rows = Volume.objects.filter(next_layer=None, layer__isnull=False)
    rows = rows.filter(state__in=(VolumeState.AVAILABLE, VolumeState.IN_USE))
    busy = set(Operation.objects.open().filter(resource_type=CHAIN).values_list("resource_id", flat=True))
    running = set(Instance.objects.filter(state=InstanceState.RUNNING).values_list("ec2_id", flat=True))
    begun = 0
    for volume in rows.select_related("layer").iterator():
        assert volume.layer_id is not None
        if _depth(parents, volume.layer_id) <= settings.LAYERS_AT_MOST or volume.ec2_id in busy:
            continue
        is_usable = not volume.instance_id or volume.instance_id in running
        if is_usable and base_of(volume) is not None and begun < AT_ONCE:
            begun += _owe(volume)
    return begun


def _depth(parents: dict[int, int | None], layer: int) -> int:
    depth, at = 1, parents.get(layer)
    while at is not None and depth < len(parents):
        depth, at = depth + 1, parents.get(at)
    return depth


def _owe(volume: Volume) -> int:
    slow = not volume.instance_id  # a file that no domain uses is copied into by a worker
    try:
        with transaction.atomic():
            Operation.objects.owe(
                VolumeVerb.COMPACT,
                CHAIN,
                [volume.ec2_id],
                actor_name=audit.CLOUD.name,
                lane=lane_of_volume(volume),
                slow=slow,
            )
            ring(slow=slow)
    except IntegrityError:  # another watcher was faster
        return 0
    return 1


def base_of(volume: Volume) -> Layer | None:
    """What the top of the volume is to stand on; None if nothing would be gained.

    The layers right below it that nothing else needs go.  Where there are none, and the chain is twice as long as it
    may be, all go that are not its end: they are freed when their snapshots are.
    """
    assert volume.layer is not None
    below = volume.layer.chain()[1:]
    needed = _needed(below)
    private = next((n for n, layer in enumerate(below) if layer.pk in needed), len(below) - 1)
    if private > 0:
        return below[private]
    return below[-1] if len(below) >= 2 * settings.LAYERS_AT_MOST else None


def _needed(layers: Iterable[Layer]) -> set[int]:
    """The keys of those that a snapshot, another volume or a second layer refers to."""
    rows = Layer.objects.filter(pk__in=[layer.pk for layer in layers]).order_by()
    taken = Q(snapshots__isnull=False) | Q(volumes_begun__isnull=False)
    shared = rows.annotate(stand=Count("children")).filter(stand__gt=1)
    return {*rows.filter(taken).values_list("pk", flat=True), *shared.values_list("pk", flat=True)}


def compact(operation: Operation) -> Again | None:
    """Pull through the hypervisor, where a domain writes to it; or rebase the file, where none does."""
    rows = Volume.objects.select_related("datastore", "layer__key", "layer__datastore")
    volume = rows.filter(ec2_id=operation.resource_id, layer__isnull=False).first()
    if volume is None or lane_of_volume(volume) != operation.lane or (base := _base(operation, volume)) is None:
        return _close(operation)
    if not volume.instance_id:
        return _rebase(operation, volume, base)
    instance = Instance.objects.select_related("host").get(ec2_id=volume.instance_id)
    if instance.host is None:
        return _close(operation)
    with or_fail():
        driver = driver_of(instance.host)
        if driver.power(instance.ec2_id) != Power.RUNNING:
            return _close(operation)
        return _pull(operation, volume, base, instance.host, driver)


def _close(operation: Operation) -> Again | None:
    with operation.closing():
        pass
    return None


def _base(operation: Operation, volume: Volume) -> Layer | None:
    """Chosen once, as long as the volume is still on the same top."""
    assert volume.layer is not None
    if "base" in operation.params:
        is_same = operation.params["top"] == volume.layer.name
        return Layer.objects.filter(name=operation.params["base"]).first() if is_same else None
    if volume.next_layer_id is not None or (base := base_of(volume)) is None:
        return None
    operation.params = {**operation.params, "top": volume.layer.name, "base": base.name}
    Operation.objects.filter(pk=operation.pk).update(params=operation.params)
    return base


def _rebase(operation: Operation, volume: Volume, base: Layer) -> Again | None:
    assert volume.layer is not None
    chain = volume.layer.chain()
    depth = [layer.pk for layer in chain].index(base.pk)
    with or_fail():
        backend_of(volume.datastore).rebase([layer.file for layer in chain], depth, operation.advance)
    with operation.closing():
        Layer.objects.filter(pk=volume.layer.pk).update(parent=base)
    return None


def _pull(operation: Operation, volume: Volume, base: Layer, host: Host, driver: Driver) -> Again | None:
    """The rows follow once the domain says that its chain is shorter."""
    assert volume.layer is not None
    backend, name = backend_of(volume.datastore), volume.instance_id
    layers = driver.disks(name).get(volume.serial, ())
    path, top = (on_host(host, volume.datastore, backend.path(each.file_name)) for each in (base, volume.layer))
    if not layers or layers[0] != top:
        return _close(operation)
    if len(layers) > 1 and layers[1] == path:
        with operation.closing():
            Layer.objects.filter(pk=volume.layer.pk).update(parent=base)
        return None
    if operation.params.get("stop"):
        driver.stop_pulling(name, volume.serial)
        return _close(operation)
    now = driver.pulling(name, volume.serial)
    if now is None:
        begun = operation.params.get("begun", 0)
        if begun >= PULLS:
            raise Refused(f"{name} does not take in the layers of {volume}")
        operation.params = {**operation.params, "begun": begun + 1}
        Operation.objects.filter(pk=operation.pk).update(params=operation.params)
        driver.pull(name, volume.serial, path)
    else:
        operation.advance(now.done_bytes, now.total_bytes)
    return Again(POLL_S, "layers are taken in")


def leave_as_it_is(operation: Operation, why: str) -> None:
    """The next look finds it again."""
    logger.warning("%s: %s", operation, why)


register(CHAIN, VolumeVerb.COMPACT, Performer(compact, leave_as_it_is))
