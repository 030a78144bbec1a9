"""One attribute of an instance at a time."""

from __future__ import annotations

import base64

import pytest

from compute.models import Instance
from ec2api.tests.cloud import settle, signed
from portal.models import Quota


@pytest.fixture
def stopped(ec2, launch) -> str:
    (instance_id,) = launch(UserData="#!/bin/sh\n")
    settle()
    ec2.stop_instances(InstanceIds=[instance_id], Force=True)
    settle()
    return str(instance_id)


def attribute(ec2, instance_id: str, name: str):
    reply = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute=name)
    (member,) = reply.keys() - {"InstanceId", "ResponseMetadata"}
    return reply[member]


@pytest.mark.parametrize(
    ("name", "before", "change", "after"),
    [
        ("instanceType", "t2.nano", {"InstanceType": {"Value": "t2.medium"}}, "t2.medium"),
        ("instanceType", "t2.nano", {"Attribute": "instanceType", "Value": "t2.micro"}, "t2.micro"),
        ("disableApiTermination", False, {"DisableApiTermination": {"Value": True}}, True),
        ("disableApiTermination", False, {"Attribute": "disableApiTermination", "Value": "true"}, True),
        ("disableApiStop", False, {"DisableApiStop": {"Value": True}}, True),
        (
            "instanceInitiatedShutdownBehavior",
            "stop",
            {"InstanceInitiatedShutdownBehavior": {"Value": "terminate"}},
            "terminate",
        ),
        ("sourceDestCheck", True, {"SourceDestCheck": {"Value": False}}, False),
        ("ebsOptimized", False, {"EbsOptimized": {"Value": True}}, True),
    ],
)
def test_attributes_are_read_and_changed(ec2, stopped, name, before, change, after):
    assert attribute(ec2, stopped, name) == {"Value": before}

    ec2.modify_instance_attribute(InstanceId=stopped, **change)

    assert attribute(ec2, stopped, name) == {"Value": after}


def test_user_data_is_read_and_changed(ec2, stopped):
    assert base64.b64decode(attribute(ec2, stopped, "userData")["Value"]) == b"#!/bin/sh\n"

    ec2.modify_instance_attribute(InstanceId=stopped, UserData={"Value": b"other"})

    assert base64.b64decode(attribute(ec2, stopped, "userData")["Value"]) == b"other"
    ec2.modify_instance_attribute(InstanceId=stopped, UserData={"Value": b""})
    assert attribute(ec2, stopped, "userData") == {}


def test_whether_the_root_disk_goes_with_the_instance(ec2, stopped, refused):
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}

    ec2.modify_instance_attribute(InstanceId=stopped, BlockDeviceMappings=[mapping])

    assert attribute(ec2, stopped, "blockDeviceMapping")[0]["Ebs"]["DeleteOnTermination"] is False
    mapping["DeviceName"] = "/dev/sdz"
    code, _message = refused(ec2.modify_instance_attribute, InstanceId=stopped, BlockDeviceMappings=[mapping])
    assert code == "InvalidInstanceAttributeValue"


def test_groups_are_read_and_changed(ec2, stopped):
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]

    ec2.modify_instance_attribute(InstanceId=stopped, Groups=[group])

    assert attribute(ec2, stopped, "groupSet") == [{"GroupId": group, "GroupName": "web"}]


def test_the_quota_follows_the_type(ec2, stopped, account, refused):
    Quota.objects.filter(tenant=account.tenant, resource="vcpus").update(limit=2)
    ec2.modify_instance_attribute(InstanceId=stopped, InstanceType={"Value": "t2.medium"})
    assert Quota.objects.get(tenant=account.tenant, resource="vcpus").used == 2
    assert Quota.objects.get(tenant=account.tenant, resource="memory_mib").used == 4096

    ec2.modify_instance_attribute(InstanceId=stopped, InstanceType={"Value": "t2.nano"})
    Quota.objects.filter(tenant=account.tenant, resource="vcpus").update(limit=1)
    code, _message = refused(ec2.modify_instance_attribute, InstanceId=stopped, InstanceType={"Value": "t2.medium"})

    assert code == "VcpuLimitExceeded"
    assert Quota.objects.get(tenant=account.tenant, resource="vcpus").used == 1
    assert Quota.objects.get(tenant=account.tenant, resource="memory_mib").used == 512
    assert Instance.objects.get().instance_type.name == "t2.nano"


def test_what_a_running_domain_could_not_be_given_is_refused(ec2, launch, refused):
    (instance_id,) = launch()
    settle()

    for change in ({"InstanceType": {"Value": "t2.micro"}}, {"UserData": {"Value": b"x"}}):
        code, message = refused(ec2.modify_instance_attribute, InstanceId=instance_id, **change)
        assert (code, "running" in message) == ("IncorrectInstanceState", True)


def test_changes_that_make_no_sense(ec2, stopped, refused, account):
    def refuse(**change) -> str:
        return str(refused(ec2.modify_instance_attribute, InstanceId=stopped, **change)[0])

    assert refuse() == "InvalidParameterCombination"
    both = {"DisableApiStop": {"Value": True}, "SourceDestCheck": {"Value": True}}
    assert refuse(**both) == "InvalidParameterCombination"
    assert refuse(InstanceType={"Value": "m9.huge"}) == "InvalidParameterValue"
    assert refuse(Attribute="nonsense", Value="x") == "InvalidParameterValue"
    assert refuse(Attribute="sourceDestCheck", Value="maybe") == "InvalidParameterValue"
    assert refuse(Attribute="sourceDestCheck") == "MissingParameter"
    assert refuse(Kernel={"Value": "x"}) == "UnsupportedOperation"
    assert refuse(InstanceInitiatedShutdownBehavior={"Value": "x"}) == "InvalidParameterValue"
    assert refused(ec2.describe_instance_attribute, InstanceId=stopped, Attribute="x")[0] == "InvalidParameterValue"
    fields = {"Action": "ModifyInstanceAttribute", "InstanceId": stopped, "UserData.Value": "!"}
    assert b"InvalidParameterValue" in signed(account, fields).content


@pytest.mark.parametrize(
    "name",
    ["enaSupport", "enclaveOptions", "kernel", "productCodes", "ramdisk", "rootDeviceName", "sriovNetSupport"],
)
def test_attributes_that_never_change_can_be_read(ec2, stopped, name):
    ec2.describe_instance_attribute(InstanceId=stopped, Attribute=name)


def test_an_instance_that_has_ended_is_not_changed_any_more(ec2, stopped, refused):
    ec2.terminate_instances(InstanceIds=[stopped])
    settle()

    for change in (
        {"DisableApiTermination": {"Value": True}},
        {"DisableApiStop": {"Value": True}},
        {"SourceDestCheck": {"Value": False}},
        {"InstanceInitiatedShutdownBehavior": {"Value": "terminate"}},
        {"EbsOptimized": {"Value": True}},
        {"InstanceType": {"Value": "t2.micro"}},
    ):
        code, message = refused(ec2.modify_instance_attribute, InstanceId=stopped, **change)
        assert (code, "terminated" in message) == ("IncorrectInstanceState", True)


def test_no_part_of_a_change_is_passed_over(ec2, stopped, refused):
    def refuse(**change) -> str:
        return str(refused(ec2.modify_instance_attribute, InstanceId=stopped, **change)[0])

    twice = {"Attribute": "instanceType", "Value": "t2.micro", "InstanceType": {"Value": "t2.medium"}}
    assert refuse(**twice) == "InvalidParameterCombination"
    assert refuse(Value="t2.micro", InstanceType={"Value": "t2.medium"}) == "InvalidParameterCombination"
    other_volume = {"DeleteOnTermination": False, "VolumeId": "vol-0123456789abcdef0"}
    mapping = {"DeviceName": "/dev/xvda", "Ebs": other_volume}
    assert refuse(BlockDeviceMappings=[mapping]) == "UnsupportedOperation"
    assert attribute(ec2, stopped, "instanceType") == {"Value": "t2.nano"}
