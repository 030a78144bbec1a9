"""Snapshots of volumes: one instant, nothing copied, and right whatever dies meanwhile."""

from __future__ import annotations

import pytest
from django.utils import timezone

from compute import drivers
from compute.drivers.base import Driver
from compute.models import Host, Instance
from compute.services import stop_instances, terminate_instances
from compute.snapshots import snapshot_instance, snapshot_volumes
from operations.models import Operation
from operations.tasks import run, work
from portal import quotas
from portal.models import Tag
from storage.collecting import collect
from storage.models import Datastore, Layer, Snapshot, Volume
from storage.services import NewDisk
from storage.tests.making import make_datastore


@pytest.fixture
def volumes(launch, settle) -> list[Volume]:
    """Of a running instance with two disks."""
    disk = NewDisk(device="/dev/sdf", size_gib=2, datastore=make_datastore())
    launch(more_disks=[disk])
    settle()
    return list(Volume.objects.order_by("pk"))


def instance_of(volumes: list[Volume]) -> Instance:
    return Instance.objects.get(ec2_id=volumes[0].instance_id)


def driver() -> Driver:
    host = Host.objects.get()
    return drivers.driver_for(host.driver, host.settings())


def let(**options: object) -> None:
    """Give the simulated host other options."""
    host = Host.objects.get()
    Host.objects.update(options={**host.options, **options})


def tops(volumes: list[Volume]) -> list[str]:
    """The files that the domain writes to, by the names of their layers."""
    disks = driver().disks(volumes[0].instance_id)
    return [disks[volume.serial][0].rsplit("/", 1)[1].removesuffix(".qcow2") for volume in volumes]


def due() -> None:
    Operation.objects.open().update(due_at=timezone.now())


def interrupted() -> None:
    """Do all of what is next, but for writing down its result."""
    operation = Operation.objects.claim_next()
    assert operation is not None
    Operation.objects.filter(pk=operation.pk).update(claim="another")
    run(operation)


def now(volume: Volume) -> Volume:
    return Volume.objects.select_related("layer", "next_layer").get(pk=volume.pk)


def test_a_snapshot_is_pending_and_counted_at_once(volumes, actor):
    before = Datastore.objects.get().promised_gib

    [snapshot] = snapshot_volumes(volumes[:1], actor=actor, description="before", tags={"a": "b"})

    assert (snapshot.state, snapshot.layer_id, snapshot.size_gib) == ("pending", volumes[0].layer_id, 8)
    assert now(volumes[0]).next_layer.parent_id == volumes[0].layer_id
    assert Datastore.objects.get().promised_gib == before + volumes[0].size_gib
    assert Tag.objects.get(resource_id=snapshot.ec2_id).value == "b"
    assert not quotas.recount()


def test_the_disks_of_a_running_guest_go_on_in_new_layers(volumes, actor, settle):
    before = Datastore.objects.get().promised_gib
    snapshots = snapshot_instance(instance_of(volumes), volumes, actor=actor)
    settle()

    assert set(Snapshot.objects.filter(pk__in=[s.pk for s in snapshots]).values_list("state")) == {("completed",)}
    assert tops(volumes) == [now(v).layer.name for v in volumes]
    assert [now(v).layer.parent_id for v in volumes] == [s.layer_id for s in snapshots]
    assert Datastore.objects.get().promised_gib == before  # what froze has taken nothing here
    assert instance_of(volumes).state == "running"


def test_of_a_stopped_instance_rows_alone_move_on(volumes, actor, settle):
    stop_instances([instance_of(volumes)], actor=actor, force=True)
    settle()
    [snapshot, _other] = snapshot_instance(instance_of(volumes), volumes, actor=actor, reboot=True)
    settle()

    snapshot.refresh_from_db()
    assert snapshot.state == "completed"
    assert now(volumes[0]).layer.parent_id == snapshot.layer_id


def test_a_second_snapshot_waits_for_the_first(volumes, actor, settle):
    [first] = snapshot_volumes(volumes[:1], actor=actor)
    [second] = snapshot_volumes(volumes[:1], actor=actor)
    assert second.layer_id is None

    settle()
    due()
    settle()

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("completed", "completed")
    assert second.layer.parent_id == first.layer_id
    assert now(volumes[0]).layer.parent_id == second.layer_id
    assert tops(volumes[:1]) == [now(volumes[0]).layer.name]


def test_with_the_guest_off_the_instance_goes_on_being_called_running(volumes, actor, settle):
    boots = driver().report().domains[0].boot_mark
    snapshots = snapshot_instance(instance_of(volumes), volumes, actor=actor, reboot=True)
    work()
    assert instance_of(volumes).state == "running"
    due()
    settle()

    assert {s.state for s in Snapshot.objects.filter(pk__in=[s.pk for s in snapshots])} == {"completed"}
    assert "going down" in driver().console_output(volumes[0].instance_id, "").decode()
    assert tops(volumes) == [now(v).layer.name for v in volumes]
    assert boots
    assert not Operation.objects.open().exists()


def test_a_stop_takes_the_place_of_the_shutdown_for_snapshots(volumes, actor, settle):
    let(stubborn=True)
    snapshot_instance(instance_of(volumes), volumes, actor=actor, reboot=True)
    work()
    stop_instances([instance_of(volumes)], actor=actor, force=True)
    due()
    settle()
    due()
    settle()

    assert instance_of(volumes).state == "stopped"
    assert set(Snapshot.objects.exclude(volume_id="").values_list("state", flat=True)) == {"completed"}


@pytest.mark.parametrize("reboot", [False, True])
def test_a_termination_completes_pending_snapshots(volumes, actor, settle, reboot):
    let(stubborn=True)
    first = snapshot_instance(instance_of(volumes), volumes, actor=actor, reboot=reboot)
    second = snapshot_volumes(volumes, actor=actor)
    terminate_instances([instance_of(volumes)], actor=actor)
    due()
    settle()
    due()
    settle()

    found = Snapshot.objects.filter(pk__in=[s.pk for s in first + second])
    assert set(found.values_list("state", flat=True)) == {"completed"}
    assert not found.filter(layer=None).exists()
    assert not Volume.objects.exists()
    assert not Operation.objects.open().exists()
    assert not quotas.recount()


def test_a_host_that_refuses_leaves_the_volume_where_it_is(volumes, actor, settle, settings):
    settings.LAYER_GRACE_S = 0
    promised, layers = Datastore.objects.get().promised_gib, Layer.objects.count()
    let(fail=["snapshot"])
    [snapshot] = snapshot_volumes(volumes[:1], actor=actor)
    settle()
    collect()
    settle()

    snapshot.refresh_from_db()
    assert (snapshot.state, snapshot.layer_id) == ("error", None)
    assert snapshot.state_message.startswith("Server.InternalError")
    assert now(volumes[0]).next_layer is None
    assert tops(volumes[:1]) == [now(volumes[0]).layer.name]
    assert (Datastore.objects.get().promised_gib, Layer.objects.count()) == (promised, layers)


def test_a_worker_that_dies_after_the_switch_is_followed_by_one_that_finds_it(volumes, actor, settle):
    [snapshot] = snapshot_volumes(volumes[:1], actor=actor)
    following = now(volumes[0]).next_layer
    interrupted()
    assert now(volumes[0]).next_layer == following
    assert tops(volumes[:1]) == [following.name]

    Operation.objects.update(claim="", held_until=None)
    settle()

    snapshot.refresh_from_db()
    assert snapshot.state == "completed"
    assert now(volumes[0]).layer == following


def test_a_guest_that_goes_off_after_the_switch_starts_on_the_new_layer(volumes, actor, settle):
    snapshot_volumes(volumes[:1], actor=actor)
    following = now(volumes[0]).next_layer
    interrupted()
    driver().destroy(volumes[0].instance_id)
    Operation.objects.update(claim="", held_until=None)
    settle()

    assert instance_of(volumes).state == "stopped"
    assert now(volumes[0]).layer == following


def test_a_host_that_does_not_answer_is_waited_for(volumes, actor, settle):
    let(unreachable=True)
    [snapshot] = snapshot_volumes(volumes[:1], actor=actor)
    work()
    snapshot.refresh_from_db()
    assert snapshot.state == "pending"

    let(unreachable=False)
    due()
    settle()
    snapshot.refresh_from_db()
    assert snapshot.state == "completed"
