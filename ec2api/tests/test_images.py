"""Images made, described, changed, shared, copied and ended by boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ec2api.tests.cloud import Account, settle
from operations.models import Operation
from portal import quotas
from portal.models import Quota, Tag
from storage.collecting import collect
from storage.images import NewImage
from storage.importing import Source, begin_import
from storage.models import Image, Layer, Snapshot, SnapshotState, Volume
from storage.tests.making import make_image, make_snapshot

HVM = {"Architecture": "x86_64", "VirtualizationType": "hvm", "RootDeviceName": "/dev/xvda"}


@pytest.fixture
def snapshot(account: Account) -> str:
    return make_snapshot(account.tenant, size_gib=2).ec2_id


@pytest.fixture
def mine(account: Account) -> str:
    return make_image("mine", account.tenant).ec2_id


@pytest.fixture
def instance(launch) -> str:
    (instance_id,) = launch()
    settle()
    return str(instance_id)


def root(snapshot: str, **ebs: Any) -> list[dict[str, Any]]:
    return [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, **ebs}}]


def described(ec2, image_id: str) -> Any:
    (found,) = ec2.describe_images(ImageIds=[image_id])["Images"]
    return found


def test_an_image_is_registered_from_a_snapshot_and_launched(ec2, snapshot, launch):
    extra = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "VolumeType": "gp2", "DeleteOnTermination": False}}
    tags = [
        {"ResourceType": "image", "Tags": [{"Key": "Name", "Value": "x"}, {"Key": "login-user", "Value": "debian"}]}
    ]

    image_id = ec2.register_image(
        Name="registered",
        Description="by hand",
        BlockDeviceMappings=[*root(snapshot, VolumeSize=4), extra],
        EnaSupport=True,
        BootMode="legacy-bios",
        TagSpecifications=tags,
        **HVM,
    )["ImageId"]

    image = described(ec2, image_id)
    assert image["State"] == "available"
    assert image["BlockDeviceMappings"] == [
        {
            "DeviceName": "/dev/xvda",
            "Ebs": {
                "DeleteOnTermination": True, "Encrypted": False, "SnapshotId": snapshot, "VolumeSize": 4,
                "VolumeType": "gp3",
            },
        },
        {
            "DeviceName": "/dev/sdf",
            "Ebs": {"DeleteOnTermination": False, "Encrypted": False, "VolumeSize": 5, "VolumeType": "gp2"},
        },
    ]  # fmt: skip
    assert {tag["Key"] for tag in image["Tags"]} == {"Name", "login-user"}
    assert Image.objects.get(ec2_id=image_id).login_user == "debian"
    ec2.get_waiter("image_available").wait(ImageIds=[image_id])
    launch(ImageId=image_id)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Name": "ab"}, "InvalidAMIName.Malformed"),
        ({"Name": "mine"}, "InvalidAMIName.Duplicate"),
        ({"BlockDeviceMappings": []}, "MissingParameter"),
        ({"BlockDeviceMappings": root("snap-0123456789abcdef0")}, "InvalidSnapshot.NotFound"),
        ({"BlockDeviceMappings": root("nonsense")}, "InvalidSnapshotID.Malformed"),
        ({"RootDeviceName": "/dev/sdz"}, "InvalidBlockDeviceMapping"),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 3}}]}, "InvalidBlockDeviceMapping"),
        ({"Architecture": "arm64"}, "UnsupportedOperation"),
        ({"VirtualizationType": "paravirtual"}, "UnsupportedOperation"),
        ({"BootMode": "uefi"}, "UnsupportedOperation"),
        ({"ImageLocation": "bucket/image"}, "UnsupportedOperation"),
        ({"Description": "x" * 256}, "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_registered(ec2, mine, snapshot, refused, change, code):
    asked = {"Name": "registered", "BlockDeviceMappings": root(snapshot), **HVM} | change

    assert refused(ec2.register_image, **asked)[0] == code
    assert quotas.recount() == []


def test_a_disk_smaller_than_its_snapshot_is_refused(ec2, snapshot, refused):
    code, message = refused(ec2.register_image, Name="small", BlockDeviceMappings=root(snapshot, VolumeSize=1), **HVM)

    assert (code, "expect size >= 2GB" in message) == ("InvalidBlockDeviceMapping", True)


def test_a_snapshot_that_is_not_completed_makes_no_image(ec2, snapshot, refused):
    Snapshot.objects.update(state=SnapshotState.PENDING)

    assert refused(ec2.register_image, Name="early", BlockDeviceMappings=root(snapshot), **HVM)[0] == "IncorrectState"


def test_registering_by_way_of_a_dry_run_writes_nothing(ec2, snapshot, refused):
    code, _message = refused(ec2.register_image, Name="dry", BlockDeviceMappings=root(snapshot), DryRun=True, **HVM)

    assert code == "DryRunOperation"
    assert not Image.objects.filter(name="dry").exists()


@pytest.mark.parametrize("no_reboot", [True, False])
def test_an_image_is_made_of_a_running_instance(ec2, instance, no_reboot, launch):
    tags = [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": kind}]} for kind in ("image", "snapshot")]

    image_id = ec2.create_image(InstanceId=instance, Name="golden", NoReboot=no_reboot, TagSpecifications=tags)[
        "ImageId"
    ]

    image = described(ec2, image_id)
    assert (image["State"], image["SourceInstanceId"]) == ("pending", instance)
    assert Operation.objects.open().filter(verb="restart").exists() is not no_reboot
    settle()
    image = described(ec2, image_id)
    assert image["State"] == "available"
    (device,) = image["BlockDeviceMappings"]
    snapshot = Snapshot.objects.get(ec2_id=device["Ebs"]["SnapshotId"])
    assert Tag.objects.get(resource_id=snapshot.ec2_id).value == "snapshot"
    assert snapshot.volume_id == Volume.objects.get(instance_id=instance).ec2_id
    (copy,) = launch(ImageId=image_id)
    settle()
    assert ec2.describe_instances(InstanceIds=[copy])["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
    assert quotas.recount() == []


def test_an_image_of_an_instance_has_the_disks_that_are_asked_for(ec2, instance, refused):
    mappings = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "DeleteOnTermination": False}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 7}},
    ]

    image_id = ec2.create_image(InstanceId=instance, Name="golden", BlockDeviceMappings=mappings)["ImageId"]

    devices = {each["DeviceName"]: each["Ebs"] for each in described(ec2, image_id)["BlockDeviceMappings"]}
    assert (devices["/dev/xvda"]["VolumeSize"], devices["/dev/xvda"]["DeleteOnTermination"]) == (20, False)
    assert (devices["/dev/sdf"]["VolumeSize"], "SnapshotId" in devices["/dev/sdf"]) == (7, False)


@pytest.mark.parametrize(
    "mapping",
    [
        {"DeviceName": "/dev/xvda", "NoDevice": ""},
        {"DeviceName": "/dev/sdz", "NoDevice": ""},
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}},
    ],
)
def test_disks_that_make_no_image(ec2, instance, refused, mapping):
    code, _message = refused(ec2.create_image, InstanceId=instance, Name="golden", BlockDeviceMappings=[mapping])

    assert code == "InvalidBlockDeviceMapping"
    assert not Snapshot.objects.exclude(tenant=None).exists()


def test_an_image_fails_with_its_snapshot_and_says_why(ec2, instance, account):
    image_id = ec2.create_image(InstanceId=instance, Name="golden", NoReboot=True)["ImageId"]
    Operation.objects.filter(resource_type="snapshot").delete()
    Snapshot.objects.filter(tenant=account.tenant).update(state=SnapshotState.ERROR, state_message="the disk broke")

    settle()

    image = described(ec2, image_id)
    assert image["State"] == "failed"
    assert "the disk broke" in image["StateReason"]["Message"]
    assert Quota.objects.get(tenant=account.tenant, resource="images").used == 0


def test_an_image_of_an_instance_that_has_ended_is_refused(ec2, instance, refused):
    ec2.terminate_instances(InstanceIds=[instance])

    assert refused(ec2.create_image, InstanceId=instance, Name="late")[0] == "IncorrectInstanceState"


def test_a_copy_shares_the_blocks(ec2, image, account):
    copy_id = ec2.copy_image(Name="copied", SourceImageId=image.ec2_id, SourceRegion="us-east-1")["ImageId"]

    copy = described(ec2, copy_id)
    assert (copy["State"], copy["OwnerId"]) == ("available", account.tenant.account_id)
    assert (copy["SourceImageId"], copy["SourceImageRegion"]) == (image.ec2_id, "us-east-1")
    assert Layer.objects.count() == 1
    assert described(ec2, image.ec2_id)["ImageOwnerAlias"] == "amazon"


def test_an_encrypted_copy_is_made_slowly_and_has_a_key_of_its_own(ec2, image, account):
    asked = {"Name": "sealed", "SourceImageId": image.ec2_id, "SourceRegion": "us-east-1", "Encrypted": True}
    copy_id = ec2.copy_image(**asked)["ImageId"]
    assert described(ec2, copy_id)["State"] == "pending"
    assert Operation.objects.get(verb="copy").is_slow

    settle()

    copy = described(ec2, copy_id)
    assert (copy["State"], copy["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]) == ("available", True)
    snapshot = Snapshot.objects.get(tenant=account.tenant)
    assert snapshot.layer.key is not None
    assert snapshot.layer.parent is None


def test_copies_from_elsewhere_are_refused(ec2, image, refused):
    asked = {"Name": "copied", "SourceImageId": image.ec2_id, "SourceRegion": "eu-west-1"}

    assert refused(ec2.copy_image, **asked)[0] == "InvalidParameterValue"


def test_a_deregistered_image_is_gone_and_what_was_launched_goes_on(ec2, mine, launch, refused):
    (instance_id,) = launch(ImageId=mine)
    settle()

    assert ec2.deregister_image(ImageId=mine)["Return"] is True

    assert refused(ec2.describe_images, ImageIds=[mine])[0] == "InvalidAMIID.NotFound"
    ec2.stop_instances(InstanceIds=[instance_id])
    settle()
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    assert (found["State"]["Name"], found["ImageId"]) == ("running", mine)
    assert quotas.recount() == []


def test_the_blocks_of_an_image_stay_as_long_as_an_instance_stands_on_them(ec2, mine, launch, settings):
    settings.LAYER_GRACE_S = 0
    layer = Image.objects.get(ec2_id=mine).root_snapshot.layer
    (instance_id,) = launch(ImageId=mine)
    settle()

    results = ec2.deregister_image(ImageId=mine, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
    collect()
    settle()

    assert [each["ReturnCode"] for each in results] == ["success"]
    assert not Snapshot.objects.filter(layer=layer).exists()
    assert Layer.objects.filter(pk=layer.pk).exists()
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()
    collect()
    settle()
    assert not Layer.objects.filter(pk=layer.pk).exists()


def test_a_snapshot_that_another_image_needs_is_not_deleted_with_one(ec2, mine):
    snapshot = Image.objects.get(ec2_id=mine).root_snapshot.ec2_id
    ec2.register_image(Name="second", BlockDeviceMappings=root(snapshot), **HVM)

    results = ec2.deregister_image(ImageId=mine, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]

    assert results == [{"SnapshotId": snapshot, "ReturnCode": "skipped"}]


def test_an_image_is_shared_launched_by_others_and_taken_back(ec2, mine, neighbour, refused):
    theirs, account_id = neighbour.client(), neighbour.tenant.account_id
    assert refused(theirs.describe_images, ImageIds=[mine])[0] == "InvalidAMIID.NotFound"

    ec2.modify_image_attribute(ImageId=mine, LaunchPermission={"Add": [{"UserId": account_id}]})

    assert [each["ImageId"] for each in theirs.describe_images(ExecutableUsers=["self"])["Images"]] == [mine]
    assert [each["ImageId"] for each in ec2.describe_images(ExecutableUsers=[account_id])["Images"]] == [mine]
    permissions = ec2.describe_image_attribute(ImageId=mine, Attribute="launchPermission")["LaunchPermissions"]
    assert permissions == [{"UserId": account_id}]
    asked = {"ImageId": mine, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    instance_id = theirs.run_instances(**asked)["Instances"][0]["InstanceId"]
    settle()

    ec2.modify_image_attribute(ImageId=mine, OperationType="remove", UserIds=[account_id])

    assert refused(theirs.run_instances, **asked)[0] == "InvalidAMIID.NotFound"
    theirs.stop_instances(InstanceIds=[instance_id])
    settle()
    theirs.start_instances(InstanceIds=[instance_id])
    settle()
    (found,) = theirs.describe_instances()["Reservations"][0]["Instances"]
    assert found["State"]["Name"] == "running"


@pytest.mark.parametrize(
    "change",
    [
        {"LaunchPermission": {"Add": [{"Group": "all"}]}},
        {"Attribute": "launchPermission", "OperationType": "add", "UserGroups": ["all"]},
        {"LaunchPermission": {"Add": [{"Group": "all"}]}, "UserGroups": ["all"]},  # as packer does
    ],
)
def test_an_image_is_made_public_and_reset(ec2, mine, neighbour, change, refused):
    ec2.modify_image_attribute(ImageId=mine, **change)

    assert described(neighbour.client(), mine)["Public"] is True
    ec2.reset_image_attribute(ImageId=mine, Attribute="launchPermission")
    assert refused(neighbour.client().describe_images, ImageIds=[mine])[0] == "InvalidAMIID.NotFound"


def test_only_the_owner_changes_a_shared_image_and_sees_with_whom(ec2, mine, neighbour, refused):
    ec2.modify_image_attribute(ImageId=mine, LaunchPermission={"Add": [{"Group": "all"}]})
    theirs = neighbour.client()

    assert refused(theirs.deregister_image, ImageId=mine)[0] == "AuthFailure"
    assert refused(theirs.describe_image_attribute, ImageId=mine, Attribute="launchPermission")[0] == "AuthFailure"
    assert refused(theirs.modify_image_attribute, ImageId=mine, Description={"Value": "x"})[0] == "AuthFailure"
    assert (
        refused(theirs.enable_image_deprecation, ImageId=mine, DeprecateAt="2030-01-01T00:00:00Z")[0] == "AuthFailure"
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"LaunchPermission": {"Add": [{"UserId": "123456789012"}]}}, "InvalidAMIAttributeItemValue"),
        ({"LaunchPermission": {"Add": [{"UserId": "x"}]}}, "InvalidAMIAttributeItemValue"),
        ({"LaunchPermission": {"Add": [{"Group": "some"}]}}, "InvalidAMIAttributeItemValue"),
        ({"LaunchPermission": {}}, "InvalidParameterCombination"),
        ({"LaunchPermission": {"Add": [{"OrganizationArn": "arn"}]}}, "UnsupportedOperation"),
        ({"OperationType": "replace", "UserIds": ["123456789012"]}, "InvalidParameterValue"),
        ({}, "InvalidParameterCombination"),
        ({"Attribute": "nonsense", "Value": "x"}, "InvalidParameterValue"),
        ({"Attribute": "description"}, "MissingParameter"),
        (
            {"Description": {"Value": "x"}, "LaunchPermission": {"Add": [{"Group": "all"}]}},
            "InvalidParameterCombination",
        ),
    ],
)
def test_changes_that_make_no_sense(ec2, mine, refused, change, code):
    assert refused(ec2.modify_image_attribute, ImageId=mine, **change)[0] == code


def test_an_encrypted_image_is_shared_with_accounts_but_not_with_everybody(ec2, mine, neighbour, refused):
    Snapshot.objects.update(is_encrypted=True)

    ec2.modify_image_attribute(ImageId=mine, LaunchPermission={"Add": [{"UserId": neighbour.tenant.account_id}]})

    code, message = refused(ec2.modify_image_attribute, ImageId=mine, LaunchPermission={"Add": [{"Group": "all"}]})
    assert (code, "encrypted" in message) == ("InvalidParameter", True)


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("description", "Description"),
        ("launchPermission", "LaunchPermissions"),
        ("blockDeviceMapping", "BlockDeviceMappings"),
        ("bootMode", "BootMode"),
        ("productCodes", "ProductCodes"),
    ],
)
def test_attributes_are_read(ec2, mine, name, member):
    assert member in ec2.describe_image_attribute(ImageId=mine, Attribute=name)


@pytest.mark.parametrize("change", [{"Description": {"Value": "new"}}, {"Attribute": "description", "Value": "new"}])
def test_the_description_is_changed(ec2, mine, change):
    ec2.modify_image_attribute(ImageId=mine, **change)

    assert described(ec2, mine)["Description"] == "new"


def test_others_do_not_find_a_deprecated_image_unless_they_ask(ec2, mine, neighbour, refused):
    ec2.modify_image_attribute(ImageId=mine, LaunchPermission={"Add": [{"Group": "all"}]})
    soon = datetime.now(UTC) + timedelta(days=1)
    ec2.enable_image_deprecation(ImageId=mine, DeprecateAt=soon)
    assert described(ec2, mine)["DeprecationTime"].startswith(f"{soon:%Y-%m-%d}")
    Image.objects.filter(ec2_id=mine).update(deprecation_at=datetime.now(UTC) - timedelta(days=1))

    def seen(client: Any, **options: Any) -> bool:
        return mine in [each["ImageId"] for each in client.describe_images(**options)["Images"]]

    theirs = neighbour.client()
    assert not seen(theirs)
    assert seen(theirs, IncludeDeprecated=True)
    assert seen(theirs, ImageIds=[mine])
    assert seen(ec2)
    ec2.disable_image_deprecation(ImageId=mine)
    assert seen(theirs)
    past = datetime.now(UTC) - timedelta(days=1)
    assert refused(ec2.enable_image_deprecation, ImageId=mine, DeprecateAt=past)[0] == "InvalidParameterValue"


def test_a_disabled_image_is_hidden_and_not_launched(ec2, mine, launch, refused, neighbour):
    ec2.modify_image_attribute(ImageId=mine, LaunchPermission={"Add": [{"UserId": neighbour.tenant.account_id}]})

    ec2.disable_image(ImageId=mine)

    assert mine not in [each["ImageId"] for each in ec2.describe_images(Owners=["self"])["Images"]]
    (found,) = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
    assert found["State"] == "disabled"
    asked = {"ImageId": mine, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    assert refused(ec2.run_instances, **asked)[0] == "InvalidAMIID.Unavailable"
    assert refused(neighbour.client().describe_images, ImageIds=[mine])[0] == "InvalidAMIID.NotFound"
    ec2.enable_image(ImageId=mine)
    launch(ImageId=mine)


@pytest.mark.parametrize(
    ("name", "value", "finds"),
    [
        ("block-device-mapping.snapshot-id", "SNAPSHOT", True),
        ("block-device-mapping.volume-size", "1", True),
        ("block-device-mapping.volume-size", "2", False),
        ("block-device-mapping.device-name", "/dev/xvda", True),
        ("block-device-mapping.device-name", "/dev/sdf", False),
        ("block-device-mapping.delete-on-termination", "true", True),
        ("block-device-mapping.delete-on-termination", "false", False),
        ("block-device-mapping.encrypted", "false", True),
        ("block-device-mapping.encrypted", "true", False),
        ("block-device-mapping.volume-type", "gp3", True),
        ("state", "available", True),
        ("is-public", "false", True),
        ("name", "mi*", True),
        ("owner-id", "*", True),
    ],
)
def test_images_are_found_by_filters(ec2, mine, name, value, finds):
    value = value.replace("SNAPSHOT", Image.objects.get(ec2_id=mine).root_snapshot.ec2_id)

    found = ec2.describe_images(Owners=["self"], Filters=[{"Name": name, "Values": [value]}])["Images"]

    assert [each["ImageId"] for each in found] == ([mine] if finds else [])


def test_owners_that_cannot_be(ec2, mine, refused):
    assert refused(ec2.describe_images, Owners=["nonsense"])[0] == "InvalidUserID.Malformed"
    assert refused(ec2.describe_images, ExecutableUsers=["x"])[0] == "InvalidUserID.Malformed"
    assert ec2.describe_images(Owners=["aws-marketplace"])["Images"] == []
    assert ec2.describe_images(Owners=["999999999999"])["Images"] == []


def test_an_image_that_is_imported_is_pending(ec2, account):
    upload = begin_import(account.tenant, NewImage(name="coming"), Source(size_bytes=10), actor=_actor(account))
    assert upload.image is not None

    found = described(ec2, upload.image.ec2_id)

    assert found["State"] == "pending"
    assert found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"].startswith("snap-")


def _actor(account: Account) -> Any:
    from portal.audit import Actor, Door

    return Actor(account.user, Door.API)


def test_a_snapshot_is_copied_shared_and_taken_back(ec2, snapshot, neighbour, refused):
    theirs, account_id = neighbour.client(), neighbour.tenant.account_id
    asked = {"SourceSnapshotId": snapshot, "SourceRegion": "us-east-1"}
    assert refused(theirs.copy_snapshot, **asked)[0] == "InvalidSnapshot.NotFound"

    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", UserIds=[account_id]
    )

    found = ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert found["CreateVolumePermissions"] == [{"UserId": account_id}]
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
    copy = theirs.copy_snapshot(Description="ours", TagSpecifications=tags, **asked)
    assert copy["Tags"] == [{"Key": "a", "Value": "b"}]
    row = Snapshot.objects.get(ec2_id=copy["SnapshotId"])
    assert (row.tenant, row.description, row.state) == (neighbour.tenant, "ours", "completed")
    assert refused(theirs.modify_snapshot_attribute, SnapshotId=snapshot, OperationType="add", GroupNames=["all"])[
        0
    ] == ("UnauthorizedOperation")

    ec2.reset_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert refused(theirs.copy_snapshot, **asked)[0] == "InvalidSnapshot.NotFound"
    assert quotas.recount() == []


def test_an_encrypted_snapshot_is_not_made_public(ec2, snapshot, refused):
    Snapshot.objects.update(is_encrypted=True)
    change = {"CreateVolumePermission": {"Add": [{"Group": "all"}]}}

    assert refused(ec2.modify_snapshot_attribute, SnapshotId=snapshot, **change)[0] == "OperationNotPermitted"


def test_sharing_a_snapshot_with_an_unknown_account_is_refused(ec2, snapshot, refused):
    change = {"CreateVolumePermission": {"Add": [{"UserId": "123456789012"}]}}

    assert refused(ec2.modify_snapshot_attribute, SnapshotId=snapshot, **change)[0] == "InvalidUserID.Malformed"


def test_the_quota_of_images_holds(ec2, snapshot, account, refused):
    Quota.objects.filter(tenant=account.tenant, resource="images").update(limit=1)
    ec2.register_image(Name="first", BlockDeviceMappings=root(snapshot), **HVM)

    code, _message = refused(ec2.register_image, Name="second", BlockDeviceMappings=root(snapshot), **HVM)

    assert code == "ImageLimitExceeded"
    assert quotas.recount() == []
