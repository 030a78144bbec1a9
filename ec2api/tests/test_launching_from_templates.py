"""RunInstances with a launch template: its data under the request's own."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from compute.models import Instance
from ec2api.template_data import over
from ec2api.tests.cloud import settle
from ec2api.tests.test_query_counts import queries


@pytest.fixture
def make(ec2, image) -> Any:
    """make(**data): a template "web" that holds what a launch needs, and this."""

    def run(**data: Any) -> str:
        whole = {"ImageId": image.ec2_id, "InstanceType": "t2.nano"} | data
        made = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=whole)
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    return run


@pytest.fixture
def start(ec2) -> Any:
    """start(**options of RunInstances): the one instance that was launched from "web"."""

    def run(**options: Any) -> dict[str, Any]:
        named = {"LaunchTemplate": {"LaunchTemplateName": "web"}, "MinCount": 1, "MaxCount": 1}
        (found,) = ec2.run_instances(**(named | options))["Instances"]
        return dict(found)

    return run


def tags_of(instance: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance["Tags"]}


def test_an_instance_is_launched_as_its_template_says_and_tells_from_which(ec2, make, start, account):
    ec2.create_key_pair(KeyName="k", KeyType="ed25519")
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    template = make(
        KeyName="k",
        SecurityGroupIds=[group],
        UserData=b64encode(b"#!/bin/sh\n").decode(),
        DisableApiTermination=True,
        InstanceInitiatedShutdownBehavior="terminate",
        Monitoring={"Enabled": True},
        EbsOptimized=True,
        MetadataOptions={"HttpTokens": "required"},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 11, "DeleteOnTermination": False}}],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "w"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "disk", "Value": "root"}]},
        ],
    )

    made = start()
    settle()
    [found] = ec2.describe_instances()["Reservations"][0]["Instances"]

    row, volume = Instance.objects.get(), account.tenant.volumes.get()
    system = {"aws:ec2launchtemplate:id": template, "aws:ec2launchtemplate:version": "1"}
    assert tags_of(made) == tags_of(found) == {"Name": "w", **system}
    assert (found["KeyName"], found["InstanceType"]) == ("k", "t2.nano")
    assert [each["GroupId"] for each in found["SecurityGroups"]] == [group]
    assert (bytes(row.user_data), row.disable_api_termination, row.shutdown_behavior) == (
        b"#!/bin/sh\n",
        True,
        "terminate",
    )
    assert (found["Monitoring"]["State"], found["EbsOptimized"]) == ("enabled", True)
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert (volume.size_gib, volume.delete_on_termination) == (11, False)
    assert ec2.describe_volumes()["Volumes"][0]["Tags"] == [{"Key": "disk", "Value": "root"}]


def test_what_the_request_says_comes_before_what_the_template_says(ec2, make, start, account):
    ec2.create_key_pair(KeyName="k", KeyType="ed25519")
    ec2.create_key_pair(KeyName="l", KeyType="ed25519")
    make(
        KeyName="k",
        SecurityGroups=["default"],
        DisableApiTermination=True,
        MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "disabled"},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 11, "VolumeType": "gp2"}}],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}]}
        ],
    )
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]

    found = start(
        KeyName="l",
        InstanceType="t2.micro",
        SecurityGroupIds=[group],
        DisableApiTermination=False,
        MetadataOptions={"HttpTokens": "optional"},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 12}}],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "b", "Value": "2"}]}],
    )

    volume = account.tenant.volumes.get()
    assert (found["KeyName"], found["InstanceType"]) == ("l", "t2.micro")
    assert [each["GroupId"] for each in found["SecurityGroups"]] == [group]
    assert Instance.objects.get().disable_api_termination is False
    assert (found["MetadataOptions"]["HttpTokens"], found["MetadataOptions"]["HttpEndpoint"]) == (
        "optional",
        "disabled",
    )
    assert (volume.size_gib, volume.volume_type) == (12, "gp2")
    assert tags_of(found).items() >= {"a": "1", "b": "2"}.items()


def test_a_version_can_be_named_by_number_or_as_the_default_or_the_latest(ec2, make, start, refused):
    template = make()
    ec2.create_launch_template_version(
        LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"InstanceType": "t2.micro"}
    )

    def launched(**named: str) -> tuple[str, str]:
        found = start(LaunchTemplate=named)
        return found["InstanceType"], tags_of(found)["aws:ec2launchtemplate:version"]

    assert launched(LaunchTemplateId=template) == ("t2.nano", "1")
    assert launched(LaunchTemplateId=template, Version="$Default") == ("t2.nano", "1")
    assert launched(LaunchTemplateName="web", Version="$Latest") == ("t2.micro", "2")
    assert launched(LaunchTemplateName="web", Version="2") == ("t2.micro", "2")
    for named, code in (
        ({"LaunchTemplateName": "web", "Version": "3"}, "InvalidLaunchTemplateId.VersionNotFound"),
        ({"LaunchTemplateName": "nobody"}, "InvalidLaunchTemplateName.NotFoundException"),
        ({"LaunchTemplateId": "lt-0123456789abcdef0"}, "InvalidLaunchTemplateId.NotFound"),
        ({"LaunchTemplateName": "web", "LaunchTemplateId": template}, "InvalidParameterCombination"),
        ({"Version": "1"}, "MissingParameter"),
    ):
        assert refused(start, LaunchTemplate=named)[0] == code


def test_a_template_that_lacks_something_needs_it_from_the_request(ec2, start, image, refused):
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": image.ec2_id})

    assert refused(start) == ("MissingParameter", "The request must contain the parameter InstanceType")
    assert start(InstanceType="t2.nano")["InstanceType"] == "t2.nano"


def test_what_cannot_be_done_here_is_refused_at_launch_by_name(make, start, refused):
    template = make(
        IamInstanceProfile={"Name": "role"}, HibernationOptions={"Configured": False}, LicenseSpecifications=[]
    )

    code, message = refused(start)

    assert code == "UnsupportedOperation"
    assert message.startswith(f"The parameter IamInstanceProfile of version 1 of launch template {template}")
    assert not Instance.objects.exists()


def test_interfaces_of_the_template_and_groups_of_the_request_do_not_go_together(ec2, make, start, refused):
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    make(NetworkInterfaces=[{"DeviceIndex": 0, "Groups": [group], "AssociatePublicIpAddress": False}])

    assert refused(start, SecurityGroupIds=[group])[0] == "InvalidParameterCombination"
    found = start(NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": True}])
    assert [each["GroupId"] for each in found["SecurityGroups"]] == [group]
    assert found["PublicIpAddress"]


def test_the_same_client_token_launches_once_from_a_template(make, start):
    make()

    one, again = start(ClientToken="t"), start(ClientToken="t")

    assert one["InstanceId"] == again["InstanceId"]


def test_tenants_neither_make_nor_change_nor_delete_what_the_cloud_says_of_the_template(ec2, make, start, refused):
    make()
    instance = start()["InstanceId"]
    key = "aws:ec2launchtemplate:id"
    ec2.create_tags(Resources=[instance], Tags=[{"Key": str(n), "Value": ""} for n in range(50)])

    assert (
        refused(ec2.create_tags, Resources=[instance], Tags=[{"Key": key, "Value": "x"}])[0] == "InvalidParameterValue"
    )
    assert refused(ec2.delete_tags, Resources=[instance], Tags=[{"Key": key}])[0] == "InvalidParameterValue"
    ec2.delete_tags(Resources=[instance])
    kept = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
    assert [tag["Key"] for tag in kept] == [key, "aws:ec2launchtemplate:version"]
    found = ec2.describe_instances(Filters=[{"Name": f"tag:{key}", "Values": ["lt-*"]}])["Reservations"]
    assert [i["InstanceId"] for i in found[0]["Instances"]] == [instance]


def test_the_data_of_an_instance_launches_another_like_it(ec2, launch, image):
    ec2.create_key_pair(KeyName="k", KeyType="ed25519")
    launch(
        KeyName="k",
        UserData="hello",
        DisableApiStop=True,
        MetadataOptions={"HttpTokens": "required"},
        CreditSpecification={"CpuCredits": "unlimited"},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 12, "VolumeType": "gp2"}}],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "w"}]}],
    )
    settle()
    [one] = ec2.describe_instances()["Reservations"][0]["Instances"]

    data = ec2.get_launch_template_data(InstanceId=one["InstanceId"])["LaunchTemplateData"]
    ec2.create_launch_template(LaunchTemplateName="copy", LaunchTemplateData=data)
    named = {"LaunchTemplateName": "copy"}
    [other] = ec2.run_instances(LaunchTemplate=named, MinCount=1, MaxCount=1)["Instances"]
    again = ec2.get_launch_template_data(InstanceId=other["InstanceId"])["LaunchTemplateData"]

    assert data["ImageId"] == image.ec2_id
    assert b64encode(b"hello").decode() == data["UserData"]
    assert data["TagSpecifications"] == [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "w"}]}]
    assert again == data


def test_a_launch_without_a_template_asks_nothing_more(launch, make, start):
    make()
    launch()
    plain, from_template = queries(launch), queries(start)

    assert plain <= 23
    assert from_template <= plain + 3  # the template, its version, and the tags


@pytest.mark.parametrize(
    ("template", "asked", "found"),
    [
        ({"key_name": "a"}, {}, {"key_name": "a"}),
        ({"key_name": "a"}, {"key_name": "b"}, {"key_name": "b"}),
        ({"security_groups": ["a"]}, {"security_group_ids": ["b"]}, {"security_group_ids": ["b"]}),
        (
            {"placement": {"GroupName": "a", "Tenancy": "default"}},
            {"placement": {"GroupId": "b"}},
            {"placement": {"GroupId": "b", "Tenancy": "default"}},
        ),
        (
            {"block_device_mappings": [{"DeviceName": "a", "Ebs": {"VolumeSize": 1}}, {"DeviceName": "b"}]},
            {"block_device_mappings": [{"DeviceName": "a", "NoDevice": ""}, {"DeviceName": "c"}]},
            {"block_device_mappings": [{"DeviceName": "a", "NoDevice": ""}, {"DeviceName": "b"}, {"DeviceName": "c"}]},
        ),
        (
            {"block_device_mappings": [{"DeviceName": "a", "Ebs": {"VolumeSize": 1}}]},
            {"block_device_mappings": [{"DeviceName": "a"}, {"DeviceName": "a"}]},
            {"block_device_mappings": [{"DeviceName": "a"}, {"DeviceName": "a"}]},
        ),
    ],
)
def test_each_parameter_goes_over_its_own_kind(template, asked, found):
    assert over(template, asked) == found
