"""Snapshots, as EC2 clients use them."""

from __future__ import annotations

from typing import Any

import pytest

from ec2api.tests.cloud import settle
from portal import quotas
from storage.models import Snapshot, Volume
from storage.tests.making import make_datastore, make_image, make_snapshot


@pytest.fixture
def instance(launch) -> str:
    make_datastore()
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "disk", "Value": "yes"}]}]
    mappings = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2}}]
    [found] = launch(BlockDeviceMappings=mappings, TagSpecifications=tags)
    settle()
    return found


def volume_at(device: str) -> str:
    return Volume.objects.get(device=device).ec2_id


def test_a_snapshot_is_pending_then_completed(ec2, account, instance):
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
    made = ec2.create_snapshot(VolumeId=volume_at("/dev/sdf"), Description="before", TagSpecifications=tags)
    assert (made["State"], made["Progress"], made["VolumeSize"]) == ("pending", "0%", 2)
    assert made["OwnerId"] == account.tenant.account_id
    settle()
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made["SnapshotId"]], WaiterConfig={"MaxAttempts": 1})

    [seen] = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert (seen["Progress"], seen["Tags"], seen["Description"]) == ("100%", tags[0]["Tags"], "before")
    assert not quotas.recount()


def test_all_volumes_of_an_instance_at_one_instant(ec2, instance):
    made = ec2.create_snapshots(InstanceSpecification={"InstanceId": instance}, CopyTagsFromSource="volume")
    assert [each["VolumeId"] for each in made["Snapshots"]] == [volume_at("/dev/xvda"), volume_at("/dev/sdf")]
    assert made["Snapshots"][0]["Tags"] == [{"Key": "disk", "Value": "yes"}]
    [data] = ec2.create_snapshots(InstanceSpecification={"InstanceId": instance, "ExcludeBootVolume": True})[
        "Snapshots"
    ]
    assert data["VolumeId"] == volume_at("/dev/sdf")
    settle()

    assert {each["State"] for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]} == {"completed"}


def test_a_volume_outlives_its_snapshot_and_a_snapshot_its_volume(ec2, instance, refused):
    made = ec2.create_snapshot(VolumeId=volume_at("/dev/sdf"))["SnapshotId"]
    settle()
    ec2.terminate_instances(InstanceIds=[instance])
    settle()
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", SnapshotId=made)["VolumeId"]
    settle()
    ec2.delete_snapshot(SnapshotId=made)
    settle()

    assert refused(ec2.describe_snapshots, SnapshotIds=[made])[0] == "InvalidSnapshot.NotFound"
    assert refused(ec2.delete_snapshot, SnapshotId=made)[0] == "InvalidSnapshot.NotFound"
    row = Volume.objects.get(ec2_id=volume)
    assert row.layer.parent is not None
    assert not quotas.recount()


def test_a_snapshot_of_an_image_is_in_use(ec2, account, image, refused):
    made = make_image("mine", account.tenant)

    code, message = refused(ec2.delete_snapshot, SnapshotId=made.root_snapshot.ec2_id)

    assert code == "InvalidSnapshot.InUse"
    assert made.ec2_id in message


def test_whose_snapshots_are_seen(ec2, account, neighbour, image, refused):
    mine = make_snapshot(account.tenant).ec2_id
    theirs = make_snapshot(neighbour.tenant)
    shared = make_snapshot(neighbour.tenant)
    shared.shared_with.add(account.tenant)
    public = make_snapshot(neighbour.tenant, is_public=True).ec2_id
    amazon = make_snapshot(None, is_public=True).ec2_id

    def seen(**asked: Any) -> set[str]:
        return {each["SnapshotId"] for each in ec2.describe_snapshots(**asked)["Snapshots"]}

    assert seen() == {mine, shared.ec2_id, public, amazon}
    assert seen(OwnerIds=["self"]) == {mine}
    assert seen(OwnerIds=["amazon"]) == {amazon}
    assert seen(OwnerIds=[neighbour.tenant.account_id]) == {shared.ec2_id, public}
    assert seen(RestorableByUserIds=["self"]) == {mine, shared.ec2_id}
    assert seen(RestorableByUserIds=["all"]) == {public, amazon}
    assert refused(ec2.describe_snapshots, SnapshotIds=[theirs.ec2_id])[0] == "InvalidSnapshot.NotFound"
    assert refused(ec2.delete_snapshot, SnapshotId=theirs.ec2_id)[0] == "InvalidSnapshot.NotFound"
    assert refused(ec2.delete_snapshot, SnapshotId=public)[0] == "UnauthorizedOperation"


@pytest.mark.parametrize(
    ("name", "value"), [("status", "completed"), ("progress", "100%"), ("volume-size", "7"), ("encrypted", "false")]
)
def test_snapshots_are_found_by_filters(ec2, account, image, name, value):
    made = make_snapshot(account.tenant, size_gib=7).ec2_id

    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": name, "Values": [value]}])["Snapshots"]

    assert [each["SnapshotId"] for each in found] == [made]


def test_snapshots_come_in_pages(ec2, account, image):
    made = {make_snapshot(account.tenant).ec2_id for _ in range(12)}
    pages = ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], PaginationConfig={"PageSize": 5})

    found = [each["SnapshotId"] for page in pages for each in page["Snapshots"]]

    assert len(found) == 12
    assert set(found) == made


def test_a_volume_that_is_being_created_has_nothing_to_take(ec2, image, refused):
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]

    assert refused(ec2.create_snapshot, VolumeId=volume)[0] == "IncorrectState"
    assert not Snapshot.objects.filter(volume_id=volume).exists()
    assert not quotas.recount()
