"""Volumes, as EC2 clients use them."""

from __future__ import annotations

from typing import Any

import pytest

from ec2api.tests.cloud import settle
from portal import quotas
from storage.models import Image, ImageDevice, Volume
from storage.tests.making import make_datastore, make_snapshot

ZONE = "us-east-1a"


@pytest.fixture
def instance(launch) -> str:
    make_datastore()
    [found] = launch()
    settle()
    return found


@pytest.fixture
def volume(ec2, image) -> str:
    found = ec2.create_volume(AvailabilityZone=ZONE, Size=2, VolumeType="gp3")["VolumeId"]
    settle()
    return found


def described(ec2, volume_id: str) -> dict[str, Any]:
    return ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]


def test_a_volume_is_creating_then_available(ec2, image):
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}]
    made = ec2.create_volume(AvailabilityZone=ZONE, Size=2, VolumeType="gp3", TagSpecifications=tags)
    assert (made["State"], made["Size"], made["Iops"], made["Throughput"]) == ("creating", 2, 3000, 125)
    assert made["Tags"] == tags[0]["Tags"]

    settle()
    ec2.get_waiter("volume_available").wait(VolumeIds=[made["VolumeId"]], WaiterConfig={"MaxAttempts": 1})

    assert described(ec2, made["VolumeId"])["Attachments"] == []
    assert not quotas.recount()


def test_the_same_token_makes_one_volume(ec2, image, refused):
    first = ec2.create_volume(AvailabilityZone=ZONE, Size=2, ClientToken="once")
    again = ec2.create_volume(AvailabilityZone=ZONE, Size=2, ClientToken="once")

    assert again["VolumeId"] == first["VolumeId"]
    code, message = refused(ec2.create_volume, AvailabilityZone=ZONE, Size=3, ClientToken="once")
    assert code == "IdempotentParameterMismatch"
    assert first["VolumeId"] in message


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "MissingParameter"),
        ({"Size": 0}, "InvalidParameterValue"),
        ({"Size": 2, "AvailabilityZone": "us-east-1z"}, "InvalidZone.NotFound"),
        ({"Size": 8, "VolumeType": "io1"}, "MissingParameter"),
        ({"Size": 2, "VolumeType": "gp2", "Iops": 300}, "InvalidParameterCombination"),
        ({"Size": 2, "VolumeType": "st1"}, "InvalidParameterValue"),
        ({"Size": 2, "MultiAttachEnabled": True}, "UnsupportedOperation"),
        ({"Size": 2, "Encrypted": True, "KmsKeyId": "mine"}, "UnsupportedOperation"),
        ({"SnapshotId": "snap-00000000000000000"}, "InvalidSnapshot.NotFound"),
        ({"SnapshotId": "snap-x"}, "InvalidSnapshotID.Malformed"),
    ],
)
def test_what_cannot_be_made_is_refused(ec2, account, image, refused, asked, code):
    assert refused(ec2.create_volume, **{"AvailabilityZone": ZONE, **asked})[0] == code
    assert not Volume.objects.exists()
    assert not quotas.recount()


def test_a_dry_run_makes_nothing(ec2, image, refused):
    assert refused(ec2.create_volume, AvailabilityZone=ZONE, Size=2, DryRun=True)[0] == "DryRunOperation"
    assert not Volume.objects.exists()


def test_an_encrypted_volume_has_a_key_of_its_own(ec2, image):
    made = ec2.create_volume(AvailabilityZone=ZONE, Size=2, Encrypted=True)
    settle()

    assert described(ec2, made["VolumeId"])["Encrypted"]
    assert Volume.objects.get(ec2_id=made["VolumeId"]).key is not None


def test_of_a_plain_snapshot_an_encrypted_volume_is_a_copy(ec2, account, image):
    snapshot = make_snapshot(account.tenant, size_gib=2)
    made = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot.ec2_id, Encrypted=True)
    settle()

    row = Volume.objects.get(ec2_id=made["VolumeId"])
    assert (row.state, row.origin, row.layer.parent, row.layer.key) == ("available", None, None, row.key)


def test_a_volume_of_a_snapshot_stands_on_its_blocks(ec2, account, image, refused):
    snapshot = make_snapshot(account.tenant, size_gib=4)
    made = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot.ec2_id)
    settle()

    assert (made["Size"], made["SnapshotId"]) == (4, snapshot.ec2_id)
    assert Volume.objects.get(ec2_id=made["VolumeId"]).layer.parent == snapshot.layer
    code, message = refused(ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=snapshot.ec2_id, Size=3)
    assert code == "InvalidParameterValue"
    assert "4 GiB" in message


def test_attached_detached_and_deleted(ec2, instance, volume, refused):
    attached = ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    assert (attached["State"], attached["Device"]) == ("attaching", "/dev/sdf")
    settle()
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig={"MaxAttempts": 1})
    [seen] = described(ec2, volume)["Attachments"]
    assert (seen["State"], seen["InstanceId"], seen["DeleteOnTermination"]) == ("attached", instance, False)
    devices = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    assert [(d["DeviceName"], d["Ebs"]["Status"]) for d in devices] == [
        ("/dev/xvda", "attached"),
        ("/dev/sdf", "attached"),
    ]
    assert refused(ec2.delete_volume, VolumeId=volume)[0] == "VolumeInUse"
    assert refused(ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdg")[0] == "VolumeInUse"

    assert ec2.detach_volume(VolumeId=volume)["State"] == "detaching"
    settle()
    assert described(ec2, volume)["State"] == "available"
    assert refused(ec2.detach_volume, VolumeId=volume)[0] == "IncorrectState"

    ec2.delete_volume(VolumeId=volume)
    assert described(ec2, volume)["State"] == "deleting"
    settle()
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[volume], WaiterConfig={"MaxAttempts": 1})
    assert refused(ec2.describe_volumes, VolumeIds=[volume])[0] == "InvalidVolume.NotFound"
    assert not quotas.recount()


def test_a_detachment_from_where_it_is_not_is_refused(ec2, instance, volume, launch, refused):
    [other] = launch()
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    settle()

    assert refused(ec2.detach_volume, VolumeId=volume, InstanceId=other)[0] == "InvalidAttachment.NotFound"
    assert refused(ec2.detach_volume, VolumeId=volume, Device="/dev/sdg")[0] == "InvalidAttachment.NotFound"


def test_an_instance_that_has_ended_takes_no_volume(ec2, instance, volume, refused):
    ec2.terminate_instances(InstanceIds=[instance])
    settle()

    assert refused(ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdf")[0] == "IncorrectState"


def test_a_change_is_modifying_then_completed(ec2, instance, refused):
    [root] = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])["Volumes"]
    volume = root["VolumeId"]
    assert refused(ec2.describe_volumes_modifications, VolumeIds=[volume])[0] == "InvalidVolumeModification.NotFound"

    change = ec2.modify_volume(VolumeId=volume, Size=30)["VolumeModification"]
    assert (change["ModificationState"], change["OriginalSize"], change["TargetSize"]) == ("modifying", 8, 30)
    assert refused(ec2.modify_volume, VolumeId=volume, Size=31)[0] == "IncorrectModificationState"
    settle()

    [change] = ec2.describe_volumes_modifications(
        Filters=[{"Name": "modification-state", "Values": ["completed"]}, {"Name": "target-size", "Values": ["30"]}]
    )["VolumesModifications"]
    assert (change["VolumeId"], change["Progress"]) == (volume, 100)
    assert described(ec2, volume)["Size"] == 30
    assert refused(ec2.modify_volume, VolumeId=volume, Size=29)[0] == "InvalidParameterValue"


def test_every_volume_is_well_and_its_io_enabled(ec2, volume, refused):
    [status] = ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"]
    assert status["VolumeStatus"]["Status"] == "ok"
    found = ec2.describe_volume_status(Filters=[{"Name": "volume-status.status", "Values": ["impaired"]}])
    assert found["VolumeStatuses"] == []
    attribute = ec2.describe_volume_attribute(VolumeId=volume, Attribute="autoEnableIO")
    assert attribute["AutoEnableIO"] == {"Value": True}
    ec2.modify_volume_attribute(VolumeId=volume, AutoEnableIO={"Value": True})
    ec2.enable_volume_io(VolumeId=volume)
    asked = {"VolumeId": volume, "AutoEnableIO": {"Value": False}}
    assert refused(ec2.modify_volume_attribute, **asked)[0] == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "available"),
        ("size", "2"),
        ("volume-type", "gp3"),
        ("encrypted", "false"),
        ("availability-zone", ZONE),
    ],
)
def test_volumes_are_found_by_filters(ec2, instance, volume, name, value):
    found = ec2.describe_volumes(Filters=[{"Name": name, "Values": [value]}])["Volumes"]

    assert volume in [each["VolumeId"] for each in found]


def devices_of(ec2, instance: str) -> dict[str, dict[str, Any]]:
    volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])["Volumes"]
    return {each["Attachments"][0]["Device"]: each for each in volumes}


def test_an_instance_is_launched_with_many_disks(ec2, launch, image):
    snapshot = make_snapshot(None, is_public=True, size_gib=3)
    mappings = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 10, "VolumeType": "gp3", "Iops": 4000}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": False}},
        {"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshot.ec2_id}},
        {"DeviceName": "/dev/sdh", "Ebs": {"VolumeSize": 1, "Encrypted": True}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ]
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]
    [instance] = launch(BlockDeviceMappings=mappings, TagSpecifications=tags)
    settle()

    found = devices_of(ec2, instance)
    assert {device: each["Size"] for device, each in found.items()} == {
        "/dev/xvda": 10,
        "/dev/sdf": 2,
        "/dev/sdg": 3,
        "/dev/sdh": 1,
    }
    assert found["/dev/xvda"]["Iops"] == 4000
    assert found["/dev/sdg"]["SnapshotId"] == snapshot.ec2_id
    assert found["/dev/sdh"]["Encrypted"]
    assert all(each["Tags"] for each in found.values())
    assert not quotas.recount()

    ec2.terminate_instances(InstanceIds=[instance])
    settle()
    [left] = ec2.describe_volumes()["Volumes"]
    assert (left["VolumeId"], left["State"]) == (found["/dev/sdf"]["VolumeId"], "available")
    assert not quotas.recount()


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"DeviceName": "/dev/sdf"}, "MissingParameter"),
        ({"DeviceName": "data", "Ebs": {"VolumeSize": 1}}, "InvalidParameterValue"),
        ({"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "KmsKeyId": "mine"}}, "UnsupportedOperation"),
        ({"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "VolumeType": "st1"}}, "InvalidParameterValue"),
        ({"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-00000000000000000"}}, "InvalidSnapshot.NotFound"),
        ({"DeviceName": "/dev/xvda", "NoDevice": ""}, "InvalidBlockDeviceMapping"),
        ({"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-00000000000000000"}}, "InvalidBlockDeviceMapping"),
    ],
)
def test_a_disk_that_cannot_be_is_refused(ec2, image, refused, mapping, code):
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}

    assert refused(ec2.run_instances, **asked, BlockDeviceMappings=[mapping])[0] == code
    assert not Volume.objects.exists()


@pytest.fixture
def wide(image) -> Image:
    """An image with a data disk beside its root disk."""
    snapshot = make_snapshot(None, size_gib=5)
    ImageDevice.objects.create(image=image, device_name="/dev/sdb", snapshot=snapshot, size_gib=5)
    Image.objects.filter(pk=image.pk).update(more_devices=1)
    return image


def test_the_disks_of_an_image_come_with_it(ec2, launch, wide):
    [plain] = launch()
    [larger] = launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 9}}])
    [without] = launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "NoDevice": ""}])
    settle()

    sizes = [{d: v["Size"] for d, v in devices_of(ec2, each).items()} for each in (plain, larger, without)]
    assert sizes == [{"/dev/xvda": 8, "/dev/sdb": 5}, {"/dev/xvda": 8, "/dev/sdb": 9}, {"/dev/xvda": 8}]


def test_what_becomes_of_a_disk_at_the_end_can_be_changed(ec2, instance):
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]
    ec2.modify_instance_attribute(InstanceId=instance, BlockDeviceMappings=mapping)
    seen = ec2.describe_instance_attribute(InstanceId=instance, Attribute="blockDeviceMapping")["BlockDeviceMappings"]
    assert not seen[0]["Ebs"]["DeleteOnTermination"]

    ec2.terminate_instances(InstanceIds=[instance])
    settle()

    assert ec2.describe_volumes()["Volumes"][0]["State"] == "available"
