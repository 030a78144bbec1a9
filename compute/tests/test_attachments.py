"""Volumes come to instances and go, whatever the guest, the host or the worker does meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compute.models import Instance
from compute.services import start_instances, stop_instances, terminate_instances
from compute.snapshots import snapshot_volumes
from compute.tests.disks import driver, due, interrupted, let, now, tops
from compute.volumes import attach_volume, detach_volume
from operations.models import Operation
from operations.tasks import work
from portal import quotas
from portal.errors import CloudError
from storage.models import Snapshot, Volume
from storage.volumes import NewVolume, create_volume, delete_volume


@pytest.fixture
def volume(tenant, actor, settle, image, settings) -> Volume:
    """An empty one that is attached to nothing."""
    from storage.tests.making import make_datastore

    make_datastore()
    made = create_volume(tenant, NewVolume(zone=settings.DEFAULT_ZONE, size_gib=3), actor=actor)
    settle()
    return now(made)


def plugged(volume: Volume, instance: Instance) -> bool:
    return volume.serial in driver().disks(instance.ec2_id)


def facts(volume: Volume) -> tuple[str, str, str]:
    row = now(volume)
    return row.state, row.attachment_state, row.instance_id


def later() -> None:
    """Let operations be an hour old."""
    Operation.objects.open().update(created_at=timezone.now() - timedelta(hours=1), due_at=timezone.now())


def test_a_volume_is_plugged_into_a_running_guest_and_out_again(volume, running, actor, settle):
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    assert facts(volume) == ("in-use", "attaching", running.ec2_id)
    settle()
    assert facts(volume) == ("in-use", "attached", running.ec2_id)
    assert tops([now(volume)]) == [now(volume).layer.name]

    detach_volume(now(volume), actor=actor)
    assert facts(volume) == ("in-use", "detaching", running.ec2_id)
    settle()
    assert facts(volume) == ("available", "", "")
    assert not plugged(volume, running)


def test_a_stopped_instance_has_it_at_its_next_start(volume, running, actor, settle):
    stop_instances([running], actor=actor, force=True)
    settle()
    running.refresh_from_db()
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    assert facts(volume) == ("in-use", "attached", running.ec2_id)

    start_instances([running], actor=actor)
    settle()

    assert plugged(volume, running)


def test_it_stays_through_stop_and_start_and_termination_leaves_it_free(volume, running, actor, settle):
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    settle()
    for ask in (stop_instances, start_instances):
        running.refresh_from_db()
        ask([running], actor=actor)
        settle()
        due()
        settle()
    assert plugged(volume, running)

    running.refresh_from_db()
    terminate_instances([running], actor=actor)
    settle()

    assert facts(volume) == ("available", "", "")
    assert not quotas.recount()


@pytest.mark.parametrize("device", ["/dev/sda1", "/dev/xvda", "sdfg", "/dev/nvme0n1", "", "/dev/sdf/../x"])
def test_a_device_that_is_none_or_the_root_is_refused(volume, running, actor, device):
    with pytest.raises(CloudError, match=r"not a valid|already in use") as refusal:
        attach_volume(volume, running, device, actor=actor)

    assert refusal.value.code == "InvalidParameterValue"
    assert facts(volume) == ("available", "", "")


def test_a_taken_device_is_refused_by_whatever_name(volume, running, actor, tenant, settings, settle):
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    other = create_volume(tenant, NewVolume(zone=settings.DEFAULT_ZONE, size_gib=1), actor=actor)
    settle()

    with pytest.raises(CloudError, match="already in use"):
        attach_volume(other, running, "/dev/xvdf", actor=actor)
    with pytest.raises(CloudError, match="already attached") as refusal:
        attach_volume(volume, running, "/dev/sdg", actor=actor)
    assert refusal.value.code == "VolumeInUse"


def test_a_guest_that_does_not_let_go_is_asked_again_and_called_busy(volume, running, actor, settle):
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    settle()
    let(stubborn=True)
    detach_volume(volume, actor=actor)
    work()
    later()
    work()
    assert facts(volume) == ("in-use", "busy", running.ec2_id)
    assert "unmount it there" in now(volume).state_message

    detach_volume(now(volume), actor=actor, force=True)
    work()
    assert facts(volume)[1] == "busy"
    let(stubborn=False)
    detach_volume(now(volume), actor=actor)
    settle()

    assert facts(volume) == ("available", "", "")
    assert now(volume).state_message == ""


@pytest.mark.parametrize("ask", [stop_instances, terminate_instances])
def test_a_stop_or_a_termination_takes_out_what_the_guest_would_not_let_go(volume, running, actor, settle, ask):
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    settle()
    let(stubborn=True)
    detach_volume(volume, actor=actor)
    work()
    ask([running], actor=actor, **({"force": True} if ask is stop_instances else {}))
    due()
    settle()
    due()
    settle()

    assert facts(volume) == ("available", "", "")
    assert not Operation.objects.open().exists()


def test_a_volume_on_its_way_out_is_not_plugged_in_by_a_start(volume, running, actor, settle):
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    settle()
    let(stubborn=True)
    detach_volume(volume, actor=actor)
    work()
    Operation.objects.filter(verb="detach").update(due_at=timezone.now() + timedelta(minutes=5))
    stop_instances([running], actor=actor, force=True)
    work()
    running.refresh_from_db()
    start_instances([running], actor=actor)
    work()
    assert Instance.objects.get().state == "running"
    assert not plugged(volume, running)

    due()
    settle()

    assert facts(volume) == ("available", "", "")


def test_the_root_disk_of_a_running_instance_stays(running, actor):
    root = Volume.objects.get(instance_id=running.ec2_id)

    with pytest.raises(CloudError, match="Unable to detach root volume") as refusal:
        detach_volume(root, actor=actor)

    assert refusal.value.code == "OperationNotPermitted"


def test_an_instance_without_its_root_disk_cannot_be_started(running, actor, settle):
    stop_instances([running], actor=actor, force=True)
    settle()
    root = Volume.objects.get(instance_id=running.ec2_id)
    detach_volume(root, actor=actor)
    settle()
    running.refresh_from_db()
    with pytest.raises(CloudError, match="attached at root"):
        start_instances([running], actor=actor)

    attach_volume(root, running, "/dev/xvda", actor=actor)
    start_instances([running], actor=actor)
    settle()

    assert Instance.objects.get().state == "running"


def test_a_host_that_refuses_leaves_the_volume_free_with_a_reason(volume, running, actor, settle):
    let(fail=["attach"])
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    settle()

    assert facts(volume) == ("available", "", "")
    assert "could not be attached" in now(volume).state_message


@pytest.mark.parametrize("steps", ["attach", "attach snapshot", "detach"])
def test_a_worker_that_dies_after_the_host_has_done_it_is_followed_by_one_that_sees_so(
    volume, running, actor, settle, steps
):
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    if steps == "detach":
        settle()
        detach_volume(volume, actor=actor)
    interrupted()
    if "snapshot" in steps:
        snapshot_volumes([now(volume)], actor=actor)
    due()
    settle()

    if steps == "detach":
        assert facts(volume) == ("available", "", "")
    else:
        assert facts(volume) == ("in-use", "attached", running.ec2_id)
        assert tops([now(volume)]) == [now(volume).layer.name]
        assert set(Snapshot.objects.values_list("state", flat=True)) == {"completed"}


def test_a_detachment_takes_the_place_of_an_attachment_that_waits(volume, running, actor, settle):
    let(unreachable=True)
    attach_volume(volume, running, "/dev/sdf", actor=actor)
    work()
    detach_volume(now(volume), actor=actor)
    let(unreachable=False)
    due()
    settle()

    assert facts(volume) == ("available", "", "")
    assert not plugged(volume, running)


def test_a_deleted_volume_leaves_nothing_but_its_snapshots(volume, actor, settle):
    [snapshot] = snapshot_volumes([volume], actor=actor)
    delete_volume(volume, actor=actor)
    settle()
    due()
    settle()

    snapshot.refresh_from_db()
    assert snapshot.state == "completed"
    assert snapshot.layer_id is not None
    assert not Volume.objects.filter(pk=volume.pk).exists()
    assert not quotas.recount()


def test_an_attached_volume_is_not_deleted(volume, running, actor):
    attach_volume(volume, running, "/dev/sdf", actor=actor)

    with pytest.raises(CloudError, match="currently attached") as refusal:
        delete_volume(volume, actor=actor)

    assert refusal.value.code == "VolumeInUse"
