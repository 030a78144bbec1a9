"""Volumes become larger, also while their guest runs, and never smaller."""

from __future__ import annotations

import sqlite3

import pytest

from compute.services import stop_instances, terminate_instances
from compute.snapshots import snapshot_volumes
from compute.tests.disks import due, interrupted, let, now
from compute.volume_changes import modify_volume
from operations.models import Operation
from operations.tasks import work
from portal import quotas
from portal.errors import CloudError
from portal.models import Quota
from storage.models import Datastore, Layer, Volume, VolumeModification


@pytest.fixture
def volume(running) -> Volume:
    return now(Volume.objects.get(instance_id=running.ec2_id))


def size_seen(data_dir) -> int:
    """By the guest, in bytes; zero if nobody told it."""
    with sqlite3.connect(data_dir / "simulated.sqlite3") as db:
        return int(db.execute("SELECT max(size_bytes) FROM disk").fetchone()[0])


def test_a_volume_grows_under_a_running_guest(volume, actor, settle, settings):
    promised = Datastore.objects.get().promised_gib
    change = modify_volume(volume, actor=actor, size_gib=20, volume_type="gp3", iops=4000)
    assert (change.state, now(volume).size_gib) == ("modifying", 8)
    assert Datastore.objects.get().promised_gib == promised + 12
    assert not quotas.recount()

    settle()

    change.refresh_from_db()
    assert (change.state, change.progress, change.original["size_gib"]) == ("completed", 100, 8)
    assert (now(volume).size_gib, now(volume).iops, now(volume).layer.size_gib) == (20, 4000, 20)
    assert size_seen(settings.DATA_DIR) == 20 * 2**30
    assert not quotas.recount()


def test_of_a_stopped_instance_the_file_grows(volume, running, actor, settle):
    stop_instances([running], actor=actor, force=True)
    settle()
    modify_volume(volume, actor=actor, size_gib=9)
    settle()

    assert now(volume).size_gib == 9


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"size_gib": 7}, "InvalidParameterValue", "cannot be smaller"),
        ({"size_gib": 70000}, "InvalidParameterValue", "too large; maximum is 65536GiB"),
        ({"volume_type": "fast"}, "InvalidParameterValue", "Invalid volume type"),
        ({"volume_type": "io1"}, "MissingParameter", "iops must be specified"),
        ({"volume_type": "gp2", "throughput": 125}, "InvalidParameterCombination", "not supported for gp2"),
        ({"iops": 100}, "InvalidParameterValue", "too small; minimum is 3000"),
        ({"volume_type": "io1", "iops": 1000}, "InvalidParameterValue", "ratio of 125.0"),
        ({"volume_type": "st1"}, "InvalidParameterValue", "too small; minimum is 125GiB"),
        ({}, "MissingParameter", "must be given"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(volume, actor, asked, code, words):
    with pytest.raises(CloudError, match=words) as refusal:
        modify_volume(volume, actor=actor, **asked)

    assert refusal.value.code == code
    assert not VolumeModification.objects.exists()
    assert not quotas.recount()


def test_one_change_at_a_time(volume, actor):
    modify_volume(volume, actor=actor, size_gib=9)

    with pytest.raises(CloudError) as refusal:
        modify_volume(volume, actor=actor, size_gib=10)

    assert refusal.value.code == "IncorrectModificationState"


def test_quota_and_datastore_are_asked_first(volume, actor, tenant):
    Quota.objects.filter(tenant=tenant, resource="volume_gib").update(limit=10)
    with pytest.raises(CloudError) as refusal:
        modify_volume(volume, actor=actor, size_gib=100)
    assert refusal.value.code == "VolumeLimitExceeded"

    Quota.objects.filter(tenant=tenant, resource="volume_gib").update(limit=10**6)
    Datastore.objects.update(total_gib=50)
    with pytest.raises(CloudError) as refusal:
        modify_volume(volume, actor=actor, size_gib=100)
    assert refusal.value.code == "InsufficientVolumeCapacity"
    assert not quotas.recount()


def test_a_host_that_refuses_gives_everything_back(volume, actor, settle):
    promised = Datastore.objects.get().promised_gib
    let(fail=["resize"])
    change = modify_volume(volume, actor=actor, size_gib=20)
    settle()

    change.refresh_from_db()
    assert change.state == "failed"
    assert "could not be changed" in change.message
    assert (now(volume).size_gib, Datastore.objects.get().promised_gib) == (8, promised)
    assert not quotas.recount()


def test_a_worker_that_dies_after_the_host_has_done_it_is_followed_by_one_that_finishes(volume, actor, settle):
    modify_volume(volume, actor=actor, size_gib=20)
    interrupted()
    settle()

    assert now(volume).size_gib == 20
    assert not quotas.recount()


def test_it_grows_after_a_snapshot_that_is_being_taken(volume, actor, settle):
    [snapshot] = snapshot_volumes([volume], actor=actor)
    modify_volume(now(volume), actor=actor, size_gib=20)
    settle()
    due()
    settle()

    snapshot.refresh_from_db()
    assert (snapshot.state, snapshot.size_gib) == ("completed", 8)
    assert Layer.objects.get(snapshots=snapshot).size_gib == 8
    assert now(volume).layer.size_gib == 20


def test_a_termination_ends_a_change_that_waits(volume, running, actor, settle):
    let(unreachable=True)
    modify_volume(volume, actor=actor, size_gib=20)
    work()
    let(unreachable=False)
    terminate_instances([running], actor=actor)
    due()
    settle()
    due()
    settle()

    assert not Volume.objects.exists()
    assert not Operation.objects.open().exists()
    assert Datastore.objects.get().promised_gib == 0
    assert not quotas.recount()
