"""Chains of layers stay short, and nothing that somebody needs is touched."""

from __future__ import annotations

import pytest

from compute.compacting import compact_long_chains
from compute.snapshots import snapshot_volumes
from compute.tests.disks import driver, due, let, now
from compute.volumes import detach_volume
from operations.models import Operation
from operations.tasks import work
from storage.collecting import collect
from storage.models import Layer, Snapshot, Volume
from storage.services import NewDisk
from storage.snapshots import delete_snapshot
from storage.tests.making import make_datastore


@pytest.fixture
def volume(launch, settle, settings) -> Volume:
    settings.LAYERS_AT_MOST, settings.LAYER_GRACE_S = 3, 0
    launch(more_disks=[NewDisk(device="/dev/sdf", size_gib=2, datastore=make_datastore())])
    settle()
    return Volume.objects.get(device="/dev/sdf")


@pytest.fixture
def take(volume, actor, settle):
    def some(count: int) -> list[Snapshot]:
        taken = []
        for _ in range(count):
            taken += snapshot_volumes([now(volume)], actor=actor)
            settle()
        return taken

    return some


def depth(volume: Volume) -> int:
    layer = now(volume).layer
    assert layer is not None
    if now(volume).instance_id:
        assert len(driver().disks(now(volume).instance_id)[volume.serial]) == len(layer.chain())
    return len(layer.chain())


def test_layers_that_only_the_top_needs_are_taken_in(volume, take, actor, settle):
    snapshots = take(4)
    assert depth(volume) == 5
    for snapshot in snapshots[1:]:
        snapshot.refresh_from_db()
        delete_snapshot(snapshot, actor=actor)
    compact_long_chains()
    due()
    settle()
    due()
    settle()

    assert depth(volume) == 2
    assert now(volume).layer.parent == Layer.objects.get(snapshots=snapshots[0])
    collect()
    collect()
    settle()
    assert Layer.objects.filter(volume=volume).count() + Layer.objects.filter(snapshots=snapshots[0]).count() == 2


def test_snapshots_that_are_kept_keep_their_layers(volume, take, actor, settle):
    take(3)
    assert depth(volume) == 4

    assert compact_long_chains() == 0


def test_a_chain_twice_as_long_is_cut_all_the_same(volume, take, actor, settle):
    snapshots = take(7)
    compact_long_chains()
    due()
    settle()
    due()
    settle()

    assert depth(volume) == 2
    assert Snapshot.objects.filter(pk__in=[s.pk for s in snapshots], state="completed").count() == 7
    assert Layer.objects.filter(snapshots__in=snapshots).count() == 7


def test_a_detached_volume_is_rebased(volume, take, actor, settle):
    snapshots = take(4)
    for snapshot in snapshots:
        snapshot.refresh_from_db()
        delete_snapshot(snapshot, actor=actor)
    detach_volume(volume, actor=actor)
    settle()
    compact_long_chains()
    due()
    settle()

    assert depth(volume) == 2


def test_a_snapshot_goes_first(volume, take, actor, settle):
    for snapshot in take(4):
        snapshot.refresh_from_db()
        delete_snapshot(snapshot, actor=actor)
    compact_long_chains()
    let(fail=["pull"])
    [snapshot] = snapshot_volumes([now(volume)], actor=actor)
    work()
    due()
    settle()
    due()
    settle()

    snapshot.refresh_from_db()
    assert snapshot.state == "completed"
    assert not Operation.objects.open().exists()
    assert depth(volume) == 6
