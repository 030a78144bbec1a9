"""boto3 unmodified: its resources, waiters and paginators through a whole session."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.clients import ec2_of, needs, session_of, snippet
from tests.clients.leftovers import left_in
from tests.cloud import Cloud

pytestmark = pytest.mark.live

SOON: Any = {"Delay": 1, "MaxAttempts": 60}
NAMED = [{"Key": "Name", "Value": "boto3"}]


@pytest.fixture
def resource(tidy_cloud: Cloud) -> Any:
    url = tidy_cloud.tenant()["AWS_ENDPOINT_URL"]
    return session_of(tidy_cloud).resource("ec2", endpoint_url=url)


@pytest.fixture
def ec2(tidy_cloud: Cloud) -> Any:
    return ec2_of(tidy_cloud)


def tagged(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": NAMED}]


def launch(resource: Any, **options: Any) -> Any:
    """One running instance."""
    images = list(resource.images.filter(Owners=["amazon"], Filters=[{"Name": "state", "Values": ["available"]}]))
    asked = {"ImageId": images[0].id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    (instance,) = resource.create_instances(**asked | options)
    instance.wait_until_running(WaiterConfig=SOON)
    instance.reload()
    return instance


def end(*instances: Any) -> None:
    for instance in instances:
        instance.terminate()
    for instance in instances:
        instance.wait_until_terminated(WaiterConfig=SOON)


def test_boto3_launches_by_resources_and_ends_by_them(tidy_cloud, resource):
    key = resource.create_key_pair(KeyName="boto3", KeyType="ed25519", TagSpecifications=tagged("key-pair"))
    group = resource.create_security_group(GroupName="boto3", Description="SSH")
    group.authorize_ingress(IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")

    instance = launch(
        resource,
        KeyName=key.name,
        SecurityGroupIds=[group.id],
        UserData="#!/bin/sh\n",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": True}}],
        TagSpecifications=tagged("instance"),
    )

    assert instance.tags == NAMED
    assert instance.key_pair.name == "boto3"
    assert [each["GroupId"] for each in instance.security_groups] == [group.id]
    assert [volume.size for volume in instance.volumes.all()] == [2]
    assert socket.inet_aton(instance.private_ip_address)
    assert instance.subnet.vpc.is_default
    assert [each.id for each in resource.instances.filter(Filters=[{"Name": "tag:Name", "Values": ["boto*"]}])] == [
        instance.id
    ]
    instance.create_tags(Tags=[{"Key": "stage", "Value": "試"}])
    instance.delete_tags(Tags=NAMED)
    instance.reload()
    assert instance.tags == [{"Key": "stage", "Value": "試"}]

    instance.stop()
    instance.wait_until_stopped(WaiterConfig=SOON)
    instance.modify_attribute(InstanceType={"Value": "t2.micro"})
    instance.start()
    instance.wait_until_running(WaiterConfig=SOON)
    instance.reload()
    assert instance.instance_type == "t2.micro"

    end(instance)
    group.delete()
    key.delete()
    assert left_in(tidy_cloud) == {}


def test_boto3_keeps_data_in_volumes_snapshots_and_images(tidy_cloud, resource, ec2):
    needs(
        "CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume", "ModifyVolume", "DescribeVolumesModifications"
    )
    needs("CreateSnapshot", "DescribeSnapshots", "DeleteSnapshot", "CreateImage", "DeregisterImage")
    disks = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 2}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}},
    ]
    instance = launch(resource, BlockDeviceMappings=disks, TagSpecifications=[*tagged("instance"), *tagged("volume")])
    assert sorted(volume.size for volume in instance.volumes.all()) == [1, 2]
    assert all(volume.tags == NAMED for volume in instance.volumes.all())

    volume = resource.create_volume(
        AvailabilityZone=instance.placement["AvailabilityZone"], Size=1, TagSpecifications=tagged("volume")
    )
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume.id], WaiterConfig=SOON)
    volume.attach_to_instance(InstanceId=instance.id, Device="/dev/sdg")
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume.id], WaiterConfig=SOON)
    snapshot = volume.create_snapshot(Description="by boto3", TagSpecifications=tagged("snapshot"))
    snapshot.wait_until_completed(WaiterConfig=SOON)
    assert (snapshot.volume_id, snapshot.volume_size) == (volume.id, 1)

    ec2.modify_volume(VolumeId=volume.id, Size=2)
    changes = ec2.describe_volumes_modifications(VolumeIds=[volume.id])["VolumesModifications"]
    assert [change["TargetSize"] for change in changes] == [2]
    volume.detach_from_instance()
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume.id], WaiterConfig=SOON)
    volume.delete()
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[volume.id], WaiterConfig=SOON)

    again = resource.create_volume(
        AvailabilityZone=instance.placement["AvailabilityZone"], SnapshotId=snapshot.id, VolumeType="gp3"
    )
    ec2.get_waiter("volume_available").wait(VolumeIds=[again.id], WaiterConfig=SOON)
    again.delete()
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[again.id], WaiterConfig=SOON)
    snapshot.delete()

    image = instance.create_image(Name="boto3", NoReboot=True, TagSpecifications=tagged("image"))
    ec2.get_waiter("image_available").wait(ImageIds=[image.id], WaiterConfig=SOON)
    image.reload()
    assert sorted(each["Ebs"]["VolumeSize"] for each in image.block_device_mappings) == [1, 2]
    copy = launch(resource, ImageId=image.id)
    data, root = sorted(each.size for each in copy.volumes.all())
    assert data == 1
    assert root >= 2  # here the root disk is at least as large as the instance type's

    end(instance, copy)
    devices = image.block_device_mappings
    image.deregister()
    for each in devices:
        resource.Snapshot(each["Ebs"]["SnapshotId"]).delete()
    assert left_in(tidy_cloud) == {}


def test_boto3_moves_an_address_from_one_instance_to_another(tidy_cloud, resource, ec2):
    needs("AllocateAddress", "AssociateAddress", "DisassociateAddress", "ReleaseAddress", "DescribeAddresses")
    first, second = launch(resource), launch(resource)
    allocated = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))
    address = resource.VpcAddress(allocated["AllocationId"])

    address.associate(InstanceId=first.id)
    first.reload()
    assert first.public_ip_address == allocated["PublicIp"]
    address.associate(InstanceId=second.id, AllowReassociation=True)
    address.reload()
    assert address.instance_id == second.id
    address.association.delete()
    address.release()

    end(first, second)
    assert left_in(tidy_cloud) == {}


def test_the_paginators_of_boto3_see_each_thing_once(tidy_cloud, resource, ec2):
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, InstanceType="t2.nano", MinCount=6, MaxCount=6)
    ids = {instance["InstanceId"] for instance in made["Instances"]}
    ec2.create_tags(Resources=sorted(ids), Tags=NAMED)

    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    living = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    seen = ec2.get_paginator("describe_instances").paginate(Filters=living, PaginationConfig={"PageSize": 5})
    tags = ec2.get_paginator("describe_tags").paginate(
        Filters=[{"Name": "key", "Values": ["Name"]}, {"Name": "resource-id", "Values": sorted(ids)}],
        PaginationConfig={"PageSize": 5},
    )

    assert len(pages) > 1
    assert sorted(seen.search("Reservations[].Instances[].InstanceId")) == sorted(ids)
    assert sorted(tags.search("Tags[].ResourceId")) == sorted(ids)
    for name in ("describe_volumes", "describe_instance_types", "describe_security_groups", "describe_subnets"):
        one = list(ec2.get_paginator(name).paginate(PaginationConfig={"PageSize": 5}))
        assert all(page["ResponseMetadata"]["HTTPStatusCode"] == 200 for page in one)

    ec2.terminate_instances(InstanceIds=sorted(ids))
    ec2.get_waiter("instance_terminated").wait(InstanceIds=sorted(ids), WaiterConfig=SOON)
    assert left_in(tidy_cloud) == {}


def test_the_waiters_of_boto3_are_told_what_they_branch_on(ec2):
    short = {"Delay": 1, "MaxAttempts": 1}

    with pytest.raises(WaiterError, match="Max attempts"):  # it goes on for InvalidInstanceID.NotFound
        ec2.get_waiter("instance_exists").wait(InstanceIds=["i-0123456789abcdef0"], WaiterConfig=short)
    with pytest.raises(WaiterError, match="Max attempts"):  # and for InvalidKeyPair.NotFound
        ec2.get_waiter("key_pair_exists").wait(KeyNames=["absent"], WaiterConfig=short)
    with pytest.raises(WaiterError, match="Max attempts"):  # and for InvalidGroup.NotFound
        ec2.get_waiter("security_group_exists").wait(GroupIds=["sg-0123456789abcdef0"], WaiterConfig=short)
    ec2.get_waiter("volume_deleted").wait(VolumeIds=["vol-0123456789abcdef0"], WaiterConfig=short)
    with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
        ec2.describe_images(ImageIds=["ami-0123456789abcdef0"])


def test_the_documented_lines_for_boto3_print_an_instance_that_runs(tidy_cloud, monkeypatch, capsys):
    for name, value in tidy_cloud.tenant().items():
        monkeypatch.setenv(name, value)

    exec(compile(snippet("python"), "docs/clients.md", "exec"), {})

    assert "running" in capsys.readouterr().out
