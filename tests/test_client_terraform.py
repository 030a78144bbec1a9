"""Terraform: itself where it and its provider are installed, and everywhere the requests that it sends, in its order.

The requests and what is looked at in the replies are those of the provider's resources; its waiters know a state that
is wanted, some that lead there, and take any other for a failure, and its reads know one error code for "gone".
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import needs, run, snippet
from tests.clients.leftovers import left_in
from tests.clients.signed import Refused, Sender, until
from tests.cloud import Cloud

pytestmark = pytest.mark.live

RESOURCES = Path(__file__).parent / "clients" / "terraform"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl terraform"
PLUGINS = [
    *(Path(each) for each in os.environ.get("TERRAFORM_PLUGINS", "").split(os.pathsep) if each),
    Path.home() / ".terraform.d" / "plugins",
    Path("/usr/local/share/terraform/plugins"),
]
Terraform = Callable[..., str]


@pytest.fixture
def terraform(tidy_cloud: Cloud, tmp_path: Path) -> Terraform:
    """Runs it in a directory with the documented provider block; skips the test where it is not to be had."""
    program = shutil.which("terraform")
    plugins = [each for each in PLUGINS if list(each.glob("*/hashicorp/aws/*"))]
    if program is None or not plugins:
        pytest.skip(f"no terraform in the PATH, or no provider aws in any of {', '.join(map(str, PLUGINS))}")
    url = tidy_cloud.tenant()["AWS_ENDPOINT_URL"]
    (tmp_path / "provider.tf").write_text(snippet("hcl").replace("http://127.0.0.1:8000", url))
    env = {
        "AWS_ENDPOINT_URL": "",  # the block says it
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": os.devnull,
        "TF_IN_AUTOMATION": "1",
        "GOGC": "400",  # the provider's schemas are half a gigabyte: a third of the time went to collecting garbage
    }

    def call(*arguments: str, expect: int = 0) -> str:
        return run(tidy_cloud, program, *arguments, "-no-color", cwd=tmp_path, env=env, expect=expect)

    call("init", f"-plugin-dir={plugins[0]}", "-input=false")
    return call


@pytest.mark.long
def test_terraform_applies_finds_nothing_to_change_and_destroys(tidy_cloud, terraform, tmp_path):
    needs("DescribeInstanceCreditSpecifications")
    shutil.copy(RESOURCES / "launch.tf", tmp_path)
    terraform("apply", "-auto-approve", "-input=false")

    needs("CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume", "CreateSnapshot", "DescribeSnapshots")
    needs("DeleteSnapshot", "CreateImage", "DeregisterImage", "DescribeImageAttribute", "AllocateAddress")
    needs("AssociateAddress", "DescribeAddresses", "DisassociateAddress", "ReleaseAddress", "CreateLaunchTemplate")
    needs("DescribeLaunchTemplates", "DescribeLaunchTemplateVersions", "DeleteLaunchTemplate", "ModifyVolume")
    shutil.copy(RESOURCES / "storage.tf", tmp_path)
    terraform("apply", "-auto-approve", "-input=false")
    terraform("plan", "-detailed-exitcode", "-input=false")  # 2 would mean that something is to be changed
    terraform("destroy", "-auto-approve", "-input=false")

    assert left_in(tidy_cloud) == {}


@pytest.fixture
def aws(tidy_cloud: Cloud) -> Sender:
    """As the SDK for Go signs."""
    return Sender(tidy_cloud, headers={"Amz-Sdk-Request": "attempt=1; max=25", "Accept-Encoding": "gzip"})


def tags(kind: str) -> dict[str, str]:
    first = "TagSpecification.1"
    return {f"{first}.ResourceType": kind, f"{first}.Tag.1.Key": "Name", f"{first}.Tag.1.Value": "terraform"}


def image(aws: Sender) -> str:
    asked = {"Owner.1": "amazon", "Filter.1.Name": "name", "Filter.1.Value.1": "yushan-*", "IncludeDeprecated": "false"}
    return aws.send("DescribeImages", asked).one("imagesSet/item/imageId")


def launch(aws: Sender, **more: str) -> str:
    """As aws_instance does, running."""
    asked = {
        "ClientToken": f"terraform-{os.urandom(8).hex()}",
        "CreditSpecification.CpuCredits": "standard",
        "DisableApiStop": "false",
        "DisableApiTermination": "false",
        "EbsOptimized": "false",
        "ImageId": image(aws),
        "InstanceInitiatedShutdownBehavior": "stop",
        "InstanceType": "t2.nano",
        "MaxCount": "1",
        "MinCount": "1",
        "Monitoring.Enabled": "false",
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
    }
    made = aws.send("RunInstances", {**asked, **tags("instance"), **more})
    instance_id = made.one("instancesSet/item/instanceId")
    until(lambda: state_of(aws, instance_id), "running", ("pending",))
    return instance_id


def state_of(aws: Sender, instance_id: str) -> str:
    found = aws.send("DescribeInstances", {"InstanceId.1": instance_id})
    return found.one("reservationSet/item/instancesSet/item/instanceState/name")


def end(aws: Sender, instance_id: str) -> None:
    for name in ("DisableApiTermination", "DisableApiStop"):
        aws.send("ModifyInstanceAttribute", {"InstanceId": instance_id, f"{name}.Value": "false"})
    aws.send("TerminateInstances", {"InstanceId.1": instance_id})
    until(
        lambda: state_of(aws, instance_id),
        "terminated",
        ("pending", "running", "shutting-down", "stopped", "stopping"),
    )


def test_the_requests_of_aws_key_pair(tidy_cloud, aws):
    material = base64.b64encode(PUBLIC_KEY.encode()).decode()
    aws.send("ImportKeyPair", {"KeyName": "terraform", "PublicKeyMaterial": material, **tags("key-pair")})

    found = aws.send("DescribeKeyPairs", {"KeyName.1": "terraform", "IncludePublicKey": "true"})
    assert found.one("keySet/item/publicKey").strip() == PUBLIC_KEY
    assert found.one("keySet/item/keyFingerprint")
    assert found.one("keySet/item/tagSet/item/value") == "terraform"
    aws.send("DeleteKeyPair", {"KeyName": "terraform"})
    assert aws.code("DescribeKeyPairs", {"KeyName.1": "terraform"}) == "InvalidKeyPair.NotFound"


def test_the_requests_of_aws_security_group(tidy_cloud, aws):
    vpc = aws.send("DescribeVpcs", {"Filter.1.Name": "isDefault", "Filter.1.Value.1": "true"}).one("vpcSet/item/vpcId")
    made = {"GroupName": "terraform", "GroupDescription": "SSH", "VpcId": vpc, **tags("security-group")}
    group = aws.send("CreateSecurityGroup", made).one("groupId")
    which = {"GroupId": group}
    assert aws.send("DescribeSecurityGroups", {"GroupId.1": group}).one("securityGroupInfo/item/vpcId") == vpc

    everything = {**which, "IpPermissions.1.FromPort": "0", "IpPermissions.1.ToPort": "0"}
    everything["IpPermissions.1.IpProtocol"] = "-1"
    aws.send("RevokeSecurityGroupEgress", {**everything, "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0"})
    ipv6 = {**everything, "IpPermissions.1.Ipv6Ranges.1.CidrIpv6": "::/0"}
    assert aws.code("RevokeSecurityGroupEgress", ipv6) == "InvalidPermission.NotFound"
    ssh = {**which, "IpPermissions.1.FromPort": "22", "IpPermissions.1.ToPort": "22"}
    ssh |= {"IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0"}
    aws.send("AuthorizeSecurityGroupIngress", ssh)
    aws.send("AuthorizeSecurityGroupEgress", {**everything, "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0"})
    found = aws.send("DescribeSecurityGroups", {"GroupId.1": group})
    assert found.one("securityGroupInfo/item/ipPermissions/item/ipRanges/item/cidrIp") == "0.0.0.0/0"
    assert found.one("securityGroupInfo/item/ipPermissionsEgress/item/ipProtocol") == "-1"

    interfaces = {"Filter.1.Name": "group-id", "Filter.1.Value.1": group}
    assert aws.send("DescribeNetworkInterfaces", interfaces).all("networkInterfaceSet/item/networkInterfaceId") == []
    aws.send("DeleteSecurityGroup", which)
    assert aws.code("DescribeSecurityGroups", {"GroupId.1": group}) == "InvalidGroup.NotFound"


def test_the_requests_of_aws_instance(tidy_cloud, aws):
    root = {"BlockDeviceMapping.1.DeviceName": "/dev/xvda", "BlockDeviceMapping.1.Ebs.VolumeSize": "2"}
    instance_id = launch(aws, **root, **{"BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true"})

    types = aws.send("DescribeInstanceTypes", {"InstanceType.1": "t2.nano"})
    assert types.one("instanceTypeSet/item/burstablePerformanceSupported") in ("true", "false")
    for attribute in ("disableApiStop", "disableApiTermination", "instanceInitiatedShutdownBehavior", "userData"):
        told = aws.send("DescribeInstanceAttribute", {"InstanceId": instance_id, "Attribute": attribute})
        assert told.one(f"{attribute}/value")
    attached = {"Filter.1.Name": "attachment.instance-id", "Filter.1.Value.1": instance_id}
    assert aws.send("DescribeVolumes", attached).one("volumeSet/item/size") == "2"
    needs("DescribeInstanceCreditSpecifications", "DescribeIamInstanceProfileAssociations")
    aws.send("DescribeInstanceCreditSpecifications", {"InstanceId.1": instance_id})
    profiles = {"Filter.1.Name": "instance-id", "Filter.1.Value.1": instance_id}
    told = aws.send("DescribeIamInstanceProfileAssociations", profiles)
    assert told.all("iamInstanceProfileAssociationSet/item/state") == []
    assert aws.code("DescribeInstances", {"InstanceId.1": "i-0123456789abcdef0"}) == "InvalidInstanceID.NotFound"
    end(aws, instance_id)
    assert left_in(tidy_cloud) == {}


def test_the_requests_of_aws_ebs_volume_and_its_attachment(tidy_cloud, aws):
    needs(
        "CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume", "ModifyVolume", "DescribeVolumesModifications"
    )
    instance_id = launch(aws)
    zone = aws.send("DescribeAvailabilityZones").all("availabilityZoneInfo/item/zoneName")[0]
    made = {"AvailabilityZone": zone, "Size": "1", "VolumeType": "gp3", "ClientToken": os.urandom(8).hex()}
    volume = {"VolumeId": aws.send("CreateVolume", {**made, **tags("volume")}).one("volumeId")}

    def status() -> str:
        return aws.send("DescribeVolumes", {"VolumeId.1": volume["VolumeId"]}).one("volumeSet/item/status")

    until(status, "available", ("creating",))
    where = {"Device": "/dev/sdg", "InstanceId": instance_id}
    on_it = {
        "VolumeId.1": volume["VolumeId"],
        "Filter.1.Name": "attachment.device",
        "Filter.1.Value.1": "/dev/sdg",
        "Filter.2.Name": "attachment.instance-id",
        "Filter.2.Value.1": instance_id,
    }

    def attachment() -> str:
        found = aws.send("DescribeVolumes", on_it).all("volumeSet/item/attachmentSet/item/status")
        return found[0] if found else "detached"

    assert attachment() == "detached"
    aws.send("AttachVolume", {**volume, **where})
    until(attachment, "attached", ("attaching",))
    aws.send("ModifyVolume", {**volume, "Size": "2"})

    def modification() -> str:
        asked = {"VolumeId.1": volume["VolumeId"]}
        return aws.send("DescribeVolumesModifications", asked).one("volumeModificationSet/item/modificationState")

    until(modification, "completed", ("modifying", "optimizing"))
    aws.send("DetachVolume", {**volume, **where, "Force": "false"})
    until(attachment, "detached", ("busy", "detaching"))
    until(status, "available", ("in-use",))
    aws.send("DeleteVolume", volume)

    def whether_it_is_there() -> str:
        try:
            return status()
        except Refused as refused:
            return str(refused)

    until(whether_it_is_there, "InvalidVolume.NotFound", ("deleting",))
    end(aws, instance_id)
    assert left_in(tidy_cloud) == {}


def test_the_requests_of_aws_eip(tidy_cloud, aws):
    needs("AllocateAddress", "AssociateAddress", "DescribeAddresses", "DisassociateAddress", "ReleaseAddress")
    needs("DescribeAddressesAttribute")
    instance_id = launch(aws)
    allocated = aws.send("AllocateAddress", {"Domain": "vpc", **tags("elastic-ip")}).one("allocationId")
    which = {"AllocationId.1": allocated}
    assert aws.send("DescribeAddresses", which).one("addressesSet/item/domain") == "vpc"

    asked = {"AllocationId": allocated, "AllowReassociation": "true", "InstanceId": instance_id}
    association = aws.send("AssociateAddress", asked).one("associationId")
    found = aws.send("DescribeAddresses", which)
    assert found.one("addressesSet/item/associationId") == association
    assert found.one("addressesSet/item/networkInterfaceId").startswith("eni-")
    aws.send("DescribeAddressesAttribute", {**which, "Attribute": "domain-name"})
    aws.send("DisassociateAddress", {"AssociationId": association})
    aws.send("ReleaseAddress", {"AllocationId": allocated})
    assert aws.code("DescribeAddresses", which) == "InvalidAllocationID.NotFound"
    end(aws, instance_id)
    assert left_in(tidy_cloud) == {}


def test_the_requests_of_aws_launch_template(tidy_cloud, aws):
    needs("CreateLaunchTemplate", "DescribeLaunchTemplates", "DescribeLaunchTemplateVersions", "DeleteLaunchTemplate")
    data = {
        "ImageId": image(aws),
        "InstanceType": "t2.nano",
        "BlockDeviceMapping.1.DeviceName": "/dev/xvda",
        "BlockDeviceMapping.1.Ebs.VolumeSize": "2",
        "TagSpecification.1.ResourceType": "instance",
        "TagSpecification.1.Tag.1.Key": "Name",
        "TagSpecification.1.Tag.1.Value": "terraform",
    }
    made = {"LaunchTemplateName": "terraform", "ClientToken": os.urandom(8).hex()}
    made |= {f"LaunchTemplateData.{name}": value for name, value in data.items()}
    template = aws.send("CreateLaunchTemplate", made).one("launchTemplate/launchTemplateId")

    found = aws.send("DescribeLaunchTemplates", {"LaunchTemplateId.1": template})
    assert found.one("launchTemplates/item/latestVersionNumber") == "1"
    version = {"LaunchTemplateId": template, "LaunchTemplateVersion.1": "1"}
    told = aws.send("DescribeLaunchTemplateVersions", version)
    assert told.one("launchTemplateVersionSet/item/launchTemplateData/instanceType") == "t2.nano"
    aws.send("DeleteLaunchTemplate", {"LaunchTemplateId": template})
    gone = aws.code("DescribeLaunchTemplates", {"LaunchTemplateId.1": template})
    assert gone in ("InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.VersionNotFound")
    assert left_in(tidy_cloud) == {}
