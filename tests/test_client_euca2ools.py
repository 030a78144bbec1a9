"""The requests of euca2ools 3.4, which needs a Python of old: its version, its fields, the headers it signs."""

from __future__ import annotations

import base64

import pytest

from tests.clients import needs
from tests.clients.leftovers import left_in
from tests.clients.signed import Reply, Sender, until
from tests.cloud import Cloud

pytestmark = pytest.mark.live

# It signs these beside Host, Content-Type, Content-Length and X-Amz-Date.
HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "euca2ools/3.4.1"}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl euca2ools"


@pytest.fixture
def euca(tidy_cloud: Cloud) -> Sender:
    return Sender(tidy_cloud, version="2015-10-01", headers=HEADERS)


def launch(euca: Sender, **more: str) -> str:
    image = euca.send("DescribeImages", {"Owner.1": "amazon"}).all("imagesSet/item/imageId")[0]
    asked = {"ImageId": image, "InstanceType": "t2.nano", "MinCount": "1", "MaxCount": "1"}
    instance_id = euca.send("RunInstances", {**asked, **more}).one("instancesSet/item/instanceId")
    until(lambda: state_of(describe(euca, instance_id)), "running", ("pending",))
    return instance_id


def describe(euca: Sender, instance_id: str) -> Reply:
    return euca.send("DescribeInstances", {"InstanceId.1": instance_id})


def state_of(reply: Reply) -> str:
    return reply.one("reservationSet/item/instancesSet/item/instanceState/name")


def end(euca: Sender, instance_id: str) -> None:
    euca.send("TerminateInstances", {"InstanceId.1": instance_id})
    until(lambda: state_of(describe(euca, instance_id)), "terminated", ("running", "stopped", "shutting-down"))


def test_euca2ools_makes_keys_groups_and_instances(tidy_cloud, euca):
    assert euca.send("DescribeRegions").all("regionInfo/item/regionName")
    assert euca.send("DescribeAvailabilityZones").all("availabilityZoneInfo/item/zoneState") == ["available"]
    assert euca.send("CreateKeyPair", KeyName="euca").one("keyMaterial").startswith("-----BEGIN")
    material = base64.b64encode(PUBLIC_KEY.encode()).decode()
    euca.send("ImportKeyPair", KeyName="euca-mine", PublicKeyMaterial=material)
    euca.send("DescribeKeyPairs", {"KeyName.1": "euca", "KeyName.2": "euca-mine"})
    group = euca.send("CreateSecurityGroup", GroupName="euca", GroupDescription="SSH").one("groupId")
    rule = {"IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.FromPort": "22", "IpPermissions.1.ToPort": "22"}
    rule["IpPermissions.1.IpRanges.1.CidrIp"] = "0.0.0.0/0"
    euca.send("AuthorizeSecurityGroupIngress", {"GroupName": "euca", **rule})

    instance_id = launch(euca, **{"KeyName": "euca", "SecurityGroup.1": "euca"})
    euca.send("CreateTags", {"ResourceId.1": instance_id, "Tag.1.Key": "stage", "Tag.1.Value": "試 é"})
    tags = euca.send("DescribeTags", {"Filter.1.Name": "resource-id", "Filter.1.Value.1": instance_id})
    assert tags.all("tagSet/item/value") == ["試 é"]
    euca.send("GetConsoleOutput", InstanceId=instance_id)
    euca.send("StopInstances", {"InstanceId.1": instance_id})
    until(lambda: state_of(describe(euca, instance_id)), "stopped", ("running", "stopping"))
    euca.send("StartInstances", {"InstanceId.1": instance_id})
    until(lambda: state_of(describe(euca, instance_id)), "running", ("stopped", "pending"))
    euca.send("RebootInstances", {"InstanceId.1": instance_id})

    end(euca, instance_id)
    euca.send("RevokeSecurityGroupIngress", {"GroupName": "euca", **rule})
    euca.send("DeleteSecurityGroup", GroupId=group)
    for name in ("euca", "euca-mine"):
        euca.send("DeleteKeyPair", KeyName=name)
    assert left_in(tidy_cloud) == {}


def test_euca2ools_keeps_data_in_volumes_snapshots_and_images(tidy_cloud, euca):
    needs("CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume", "CreateSnapshot", "DescribeSnapshots")
    needs("DeleteSnapshot", "CreateImage", "DeregisterImage")
    disks = {"BlockDeviceMapping.1.DeviceName": "/dev/sdf", "BlockDeviceMapping.1.Ebs.VolumeSize": "1"}
    instance_id = launch(euca, **disks, **{"BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true"})
    zone = euca.send("DescribeAvailabilityZones").all("availabilityZoneInfo/item/zoneName")[0]

    volume = euca.send("CreateVolume", AvailabilityZone=zone, Size="1").one("volumeId")

    def status() -> str:
        return euca.send("DescribeVolumes", {"VolumeId.1": volume}).one("volumeSet/item/status")

    until(status, "available", ("creating",))
    euca.send("AttachVolume", VolumeId=volume, InstanceId=instance_id, Device="/dev/sdg")
    until(status, "in-use", ("available",))
    snapshot = euca.send("CreateSnapshot", VolumeId=volume, Description="by euca2ools").one("snapshotId")

    def progress() -> str:
        return euca.send("DescribeSnapshots", {"SnapshotId.1": snapshot}).one("snapshotSet/item/status")

    until(progress, "completed", ("pending",))
    euca.send("DetachVolume", VolumeId=volume)
    until(status, "available", ("in-use",))
    euca.send("DeleteVolume", VolumeId=volume)
    volume = euca.send("CreateVolume", AvailabilityZone=zone, SnapshotId=snapshot).one("volumeId")
    until(status, "available", ("creating",))
    euca.send("DeleteVolume", VolumeId=volume)
    euca.send("DeleteSnapshot", SnapshotId=snapshot)

    image = euca.send("CreateImage", InstanceId=instance_id, Name="euca", NoReboot="true").one("imageId")

    def made() -> Reply:
        return euca.send("DescribeImages", {"ImageId.1": image})

    until(lambda: made().one("imagesSet/item/imageState"), "available", ("pending",))
    snapshots = made().all("imagesSet/item/blockDeviceMapping/item/ebs/snapshotId")
    assert len(snapshots) == 2
    euca.send("DeregisterImage", ImageId=image)
    for each in snapshots:
        euca.send("DeleteSnapshot", SnapshotId=each)
    end(euca, instance_id)
    assert left_in(tidy_cloud) == {}


def test_euca2ools_gives_an_instance_an_address(tidy_cloud, euca):
    needs("AllocateAddress", "AssociateAddress", "DescribeAddresses", "DisassociateAddress", "ReleaseAddress")
    instance_id = launch(euca)
    allocated = euca.send("AllocateAddress", Domain="vpc")
    address = {"AllocationId": allocated.one("allocationId")}

    association = euca.send("AssociateAddress", {**address, "InstanceId": instance_id}).one("associationId")
    found = euca.send("DescribeAddresses", {"PublicIp.1": allocated.one("publicIp")})
    assert found.one("addressesSet/item/instanceId") == instance_id
    euca.send("DisassociateAddress", AssociationId=association)
    euca.send("ReleaseAddress", address)

    end(euca, instance_id)
    assert left_in(tidy_cloud) == {}
