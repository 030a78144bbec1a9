"""Status, types, images, networks, zones and limits."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from compute.models import Host, InstanceType
from ec2api.tests.cloud import settle
from storage.models import ImageState
from storage.tests.making import make_image


def statuses(ec2, **options) -> dict[str, str]:
    reply = ec2.describe_instance_status(**options)
    return {each["InstanceId"]: each["InstanceStatus"]["Status"] for each in reply["InstanceStatuses"]}


def test_the_status_of_instances_follows_their_host(ec2, launch):
    (running,) = launch()
    settle()
    (pending,) = launch()

    assert statuses(ec2) == {running: "ok"}
    assert statuses(ec2, IncludeAllInstances=True) == {running: "ok", pending: "not-applicable"}
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=[running])
    Host.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    (status,) = ec2.describe_instance_status(InstanceIds=[running])["InstanceStatuses"]
    assert status["SystemStatus"]["Status"] == status["InstanceStatus"]["Status"] == "impaired"
    assert status["SystemStatus"]["Details"][0]["Status"] == "failed"


def test_filters_of_the_status(ec2, launch, refused):
    (running,) = launch()
    settle()

    def found(name: str, value: str) -> list[str]:
        return list(statuses(ec2, Filters=[{"Name": name, "Values": [value]}]))

    assert found("instance-status.status", "ok") == [running]
    assert found("system-status.reachability", "pass*") == [running]
    assert found("instance-status.status", "impaired") == []
    assert found("instance-state-name", "run*") == [running]
    assert found("availability-zone", "us-east-1?") == [running]
    assert found("event.code", "instance-reboot") == []
    assert refused(ec2.describe_instance_status, Filters=[{"Name": "tag:a", "Values": ["b"]}])[0] == (
        "InvalidParameterValue"
    )
    assert refused(ec2.describe_instance_status, InstanceIds=["i-0123456789abcdef0"])[0] == "InvalidInstanceID.NotFound"


def test_instance_types_have_what_terraform_and_packer_read(ec2, refused, image):
    (nano,) = ec2.describe_instance_types(InstanceTypes=["t2.nano"])["InstanceTypes"]

    assert nano["VCpuInfo"]["DefaultVCpus"] == 1
    assert nano["MemoryInfo"]["SizeInMiB"] == 512
    assert nano["ProcessorInfo"]["SupportedArchitectures"] == ["x86_64"]
    assert nano["CurrentGeneration"] is True
    assert nano["BurstablePerformanceSupported"] is True

    def found(name: str, value: str) -> list[str]:
        reply = ec2.describe_instance_types(Filters=[{"Name": name, "Values": [value]}])
        return [each["InstanceType"] for each in reply["InstanceTypes"]]

    assert found("instance-type", "t2.m*") == ["t2.micro", "t2.medium"]
    assert found("vcpu-info.default-vcpus", "2") == ["t2.medium"]
    assert found("memory-info.size-in-mib", "512") == ["t2.nano"]
    assert found("processor-info.supported-architecture", "x86_64") == ["t2.nano", "t2.micro", "t2.medium"]
    assert found("processor-info.supported-architecture", "arm64") == []
    assert found("bare-metal", "false") == ["t2.nano", "t2.micro", "t2.medium"]
    assert refused(ec2.describe_instance_types, InstanceTypes=["m9.huge"])[0] == "InvalidInstanceType"


def test_instance_types_and_offerings_come_in_pages(ec2, image):
    InstanceType.objects.bulk_create(
        InstanceType(name=f"x.{n}", vcpus=9, memory_mib=9000, disk_gib=8) for n in range(9)
    )

    pages = list(ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 5}))
    offered = list(ec2.get_paginator("describe_instance_type_offerings").paginate(PaginationConfig={"PageSize": 5}))

    assert [len(page["InstanceTypes"]) for page in pages] == [5, 5, 2]
    assert [len(page["InstanceTypeOfferings"]) for page in offered] == [5, 5, 2]
    zones = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "location", "Values": ["us-east-1a"]}]
    )
    assert len(zones["InstanceTypeOfferings"]) == 12


def test_images_are_the_public_ones_and_ones_own(ec2, image, account, neighbour):
    mine = make_image("mine", account.tenant)
    make_image("theirs", neighbour.tenant)
    make_image("old", is_public=True, state=ImageState.DEREGISTERED)

    def found(**options) -> list[str]:
        return [each["Name"] for each in ec2.describe_images(**options)["Images"]]

    assert found() == ["tiny", "mine"]
    assert found(Owners=["self"]) == ["mine"]
    assert found(Owners=["amazon"]) == ["tiny"]
    assert found(Owners=[account.tenant.account_id]) == ["mine"]
    assert found(Owners=[neighbour.tenant.account_id]) == []
    assert found(ExecutableUsers=["all"]) == ["tiny"]
    assert found(ImageIds=[mine.ec2_id]) == ["mine"]
    for name, value in {
        "name": "ti*",
        "is-public": "true",
        "owner-alias": "amazon",
        "root-device-name": "/dev/xvda",
        "block-device-mapping.snapshot-id": image.root_snapshot.ec2_id,
    }.items():
        assert "tiny" in found(Filters=[{"Name": name, "Values": [value]}]), name
    assert found(Filters=[{"Name": "state", "Values": ["available"]}, {"Name": "is-public", "Values": ["false"]}]) == [
        "mine"
    ]
    described = ec2.describe_images(ImageIds=[image.ec2_id])["Images"][0]
    assert described["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"] == image.root_snapshot.ec2_id
    assert described["CreationDate"].endswith("Z")
    assert described["Public"] is True


def test_an_image_that_is_not_there(ec2, refused, image):
    assert refused(ec2.describe_images, ImageIds=["ami-0123456789abcdef0"])[0] == "InvalidAMIID.NotFound"
    assert refused(ec2.describe_images, ImageIds=["nonsense"])[0] == "InvalidAMIID.Malformed"


def test_the_default_network_is_described(ec2, launch, account):
    launch(3)

    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"]
    (subnet,) = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]

    assert vpc["CidrBlock"] == "172.31.0.0/16"
    assert subnet["DefaultForAz"] is True
    assert subnet["AvailableIpAddressCount"] == 2**15 - 5 - 3
    interfaces = ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])
    assert len(interfaces["NetworkInterfaces"]) == 3
    assert interfaces["NetworkInterfaces"][0]["Attachment"]["InstanceOwnerId"] == account.tenant.account_id


def test_volumes_are_described_and_forgotten_with_their_tags(ec2, launch):
    (instance_id,) = launch()
    settle()
    (volume,) = ec2.describe_volumes(Filters=[{"Name": "status", "Values": ["in-use"]}])["Volumes"]
    ec2.create_tags(Resources=[volume["VolumeId"]], Tags=[{"Key": "a", "Value": "b"}])
    assert volume["Attachments"][0]["InstanceId"] == instance_id
    assert volume["SnapshotId"].startswith("snap-")
    assert volume["MultiAttachEnabled"] is False

    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()

    ec2.get_waiter("volume_deleted").wait(VolumeIds=[volume["VolumeId"]])
    assert ec2.describe_tags()["Tags"] == []


def test_regions_zones_and_limits(ec2, account, refused):
    (region,) = ec2.describe_regions(RegionNames=["us-east-1"])["Regions"]
    (zone,) = ec2.describe_availability_zones(Filters=[{"Name": "state", "Values": ["available"]}])["AvailabilityZones"]
    limits = {
        each["AttributeName"]: each["AttributeValues"][0]["AttributeValue"]
        for each in ec2.describe_account_attributes()["AccountAttributes"]
    }

    assert "amazonaws" not in region["Endpoint"]
    assert (zone["ZoneName"], zone["ZoneId"]) == ("us-east-1a", "use1-az1")
    assert limits["max-instances"] == "100"
    assert limits["default-vpc"] == account.tenant.vpcs.get().ec2_id
    assert limits["supported-platforms"] == "VPC"
    assert refused(ec2.describe_regions, RegionNames=["mars-1"])[0] == "InvalidParameterValue"
    assert refused(ec2.describe_availability_zones, ZoneNames=["x"])[0] == "InvalidParameterValue"


def test_types_are_offered_in_every_zone(ec2, image):
    Host.objects.filter(name="sim1").update(zone="us-east-1b")

    found = ec2.describe_instance_type_offerings(LocationType="availability-zone")["InstanceTypeOfferings"]

    assert {each["Location"] for each in found} == {"us-east-1a", "us-east-1b"}
    one = [{"Name": "location", "Values": ["us-east-1b"]}, {"Name": "instance-type", "Values": ["t2.na*"]}]
    found = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=one)
    assert [each["InstanceType"] for each in found["InstanceTypeOfferings"]] == ["t2.nano"]


def test_subnets_are_found_by_their_free_addresses(ec2, launch):
    launch()
    (subnet,) = ec2.describe_subnets()["Subnets"]

    def found(count: int) -> int:
        filters = [{"Name": "available-ip-address-count", "Values": [str(count)]}]
        return len(ec2.describe_subnets(Filters=filters)["Subnets"])

    assert (found(subnet["AvailableIpAddressCount"]), found(subnet["AvailableIpAddressCount"] + 1)) == (1, 0)


def test_types_are_found_by_what_is_in_lists_of_theirs(ec2, image):
    def found(name: str, value: str) -> int:
        return len(ec2.describe_instance_types(Filters=[{"Name": name, "Values": [value]}])["InstanceTypes"])

    assert found("processor-info.supported-architecture", "x86_64") == 3
    assert found("vcpu-info.valid-cores", "2") == 1
    assert found("instance-storage-info.disk.size-in-gb", "*") == 0
