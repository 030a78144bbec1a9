"""A tenant with another's ids gets the same answer from every action as with ids that do not exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2api.actions.nothing import NOTHING
from ec2api.registry import ACTIONS
from ec2api.tests.cloud import settle

IP = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
RULE = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIpv4": "0.0.0.0/0"}
TAGGABLE = ("i", "vol", "ami", "key", "vpc", "subnet", "eni", "sg", "sgr", "eipalloc", "rtb", "igw", "acl", "dopt")

# What each action takes besides ids of things; actions without ids are named in NO_IDS.
CASES: dict[str, list[dict[str, Any]]] = {
    "RunInstances": [
        {"SubnetId": "subnet"},
        {"SecurityGroupIds": ["sg"]},
        {"KeyName": "KEY"},
        {"ImageId": "ami"},
        {"NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": "eni"}]},
    ],
    "DescribeInstances": [{"InstanceIds": ["i"]}],
    "DescribeInstanceStatus": [{"InstanceIds": ["i"]}],
    "StartInstances": [{"InstanceIds": ["i"]}],
    "StopInstances": [{"InstanceIds": ["i"]}],
    "RebootInstances": [{"InstanceIds": ["i"]}],
    "TerminateInstances": [{"InstanceIds": ["i"]}],
    "MonitorInstances": [{"InstanceIds": ["i"]}],
    "UnmonitorInstances": [{"InstanceIds": ["i"]}],
    "GetConsoleOutput": [{"InstanceId": "i"}],
    "DescribeInstanceAttribute": [{"InstanceId": "i", "Attribute": "userData"}],
    "ModifyInstanceAttribute": [{"InstanceId": "i", "SourceDestCheck": {"Value": False}}],
    "DescribeVolumes": [{"VolumeIds": ["vol"]}],
    "DescribeImages": [{"ImageIds": ["ami"]}],
    "DescribeKeyPairs": [{"KeyPairIds": ["key"]}, {"KeyNames": ["KEY"]}],
    "DescribeVpcs": [{"VpcIds": ["vpc"]}],
    "DescribeSubnets": [{"SubnetIds": ["subnet"]}],
    "DescribeVpcAttribute": [{"VpcId": "vpc", "Attribute": "enableDnsSupport"}],
    "DescribeVpcClassicLink": [{"VpcIds": ["vpc"]}],
    "DescribeVpcClassicLinkDnsSupport": [{"VpcIds": ["vpc"]}],
    "DescribeRouteTables": [{"RouteTableIds": ["rtb"]}],
    "DescribeInternetGateways": [{"InternetGatewayIds": ["igw"]}],
    "DescribeNetworkAcls": [{"NetworkAclIds": ["acl"]}],
    "DescribeDhcpOptions": [{"DhcpOptionsIds": ["dopt"]}],
    "DescribeNetworkInterfaces": [{"NetworkInterfaceIds": ["eni"]}],
    "CreateNetworkInterface": [{"SubnetId": "subnet"}, {"SubnetId": "MYSUBNET", "Groups": ["sg"]}],
    "AttachNetworkInterface": [
        {"NetworkInterfaceId": "eni", "InstanceId": "i-0123456789abcdef1", "DeviceIndex": 1},
        {"NetworkInterfaceId": "MYINTERFACE", "InstanceId": "i", "DeviceIndex": 1},
    ],
    "DetachNetworkInterface": [{"AttachmentId": "eni-attach"}],
    "DeleteNetworkInterface": [{"NetworkInterfaceId": "eni"}],
    "DescribeNetworkInterfaceAttribute": [{"NetworkInterfaceId": "eni", "Attribute": "description"}],
    "ModifyNetworkInterfaceAttribute": [
        {"NetworkInterfaceId": "eni", "Description": {"Value": "x"}},
        {"NetworkInterfaceId": "MYINTERFACE", "Groups": ["sg"]},
    ],
    "ResetNetworkInterfaceAttribute": [{"NetworkInterfaceId": "eni", "SourceDestCheck": "sourceDestCheck"}],
    "DescribeAddresses": [{"AllocationIds": ["eipalloc"]}, {"PublicIps": ["ADDRESS"]}],
    "DescribeAddressesAttribute": [{"AllocationIds": ["eipalloc"], "Attribute": "domain-name"}],
    "AssociateAddress": [
        {"AllocationId": "eipalloc", "InstanceId": "i-0123456789abcdef1"},
        {"PublicIp": "ADDRESS", "InstanceId": "i-0123456789abcdef1"},
        {"AllocationId": "MINE", "InstanceId": "i"},
        {"AllocationId": "MINE", "NetworkInterfaceId": "eni"},
    ],
    "DisassociateAddress": [{"AssociationId": "eipassoc"}, {"PublicIp": "ADDRESS"}],
    "ReleaseAddress": [{"AllocationId": "eipalloc"}, {"PublicIp": "ADDRESS"}],
    "DescribeSecurityGroups": [{"GroupIds": ["sg"]}, {"GroupNames": ["GROUP"]}],
    "DescribeSecurityGroupRules": [{"SecurityGroupRuleIds": ["sgr"]}],
    "CreateSecurityGroup": [{"GroupName": "x", "Description": "x", "VpcId": "vpc"}],
    "DeleteSecurityGroup": [{"GroupId": "sg"}, {"GroupName": "GROUP"}],
    "AuthorizeSecurityGroupIngress": [
        {"GroupId": "sg", "IpPermissions": [IP]},
        {"GroupName": "default", "IpPermissions": [{**IP, "UserIdGroupPairs": [{"GroupId": "sg"}]}]},
    ],
    "AuthorizeSecurityGroupEgress": [{"GroupId": "sg", "IpPermissions": [IP]}],
    "RevokeSecurityGroupIngress": [
        {"GroupId": "sg", "IpPermissions": [IP]},
        {"GroupName": "default", "SecurityGroupRuleIds": ["sgr"]},
    ],
    "RevokeSecurityGroupEgress": [{"GroupId": "sg", "IpPermissions": [IP]}],
    "ModifySecurityGroupRules": [
        {"GroupId": "sg", "SecurityGroupRules": [{"SecurityGroupRuleId": "sgr", "SecurityGroupRule": RULE}]},
        {"GroupId": "MYGROUP", "SecurityGroupRules": [{"SecurityGroupRuleId": "sgr", "SecurityGroupRule": RULE}]},
    ],
    "UpdateSecurityGroupRuleDescriptionsIngress": [
        {"GroupId": "sg", "IpPermissions": [IP]},
        {"GroupName": "default", "SecurityGroupRuleDescriptions": [{"SecurityGroupRuleId": "sgr"}]},
    ],
    "UpdateSecurityGroupRuleDescriptionsEgress": [{"GroupId": "sg", "IpPermissions": [IP]}],
    "DescribeStaleSecurityGroups": [{"VpcId": "vpc"}],
    "CreateTags": [
        {"Resources": [kind], "Tags": [{"Key": "x", "Value": "y"}]}
        for kind in (
            "i",
            "vol",
            "ami",
            "key",
            "vpc",
            "subnet",
            "eni",
            "sg",
            "sgr",
            "eipalloc",
            "rtb",
            "igw",
            "acl",
            "dopt",
        )
    ],
    "DeleteTags": [
        {"Resources": [kind]}
        for kind in (
            "i",
            "vol",
            "ami",
            "key",
            "vpc",
            "subnet",
            "eni",
            "sg",
            "sgr",
            "eipalloc",
            "rtb",
            "igw",
            "acl",
            "dopt",
        )
    ],
}
SILENT = {"DeleteKeyPair": [{"KeyPairId": "key"}, {"KeyName": "KEY"}]}
NO_IDS = {
    "CreateKeyPair", "ImportKeyPair", "DescribeTags", "DescribeRegions", "DescribeAvailabilityZones",
    "DescribeAccountAttributes", "DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "AllocateAddress",
    "CreateDefaultVpc", "CreateDefaultSubnet", *(action for action, *_rest in NOTHING),
}  # fmt: skip
ABSENT = "0123456789abcdef0"


def test_every_action_is_looked_at():
    assert {name for service, name in ACTIONS if service == "ec2"} == {*CASES, *SILENT, *NO_IDS}


@pytest.fixture
def theirs(ec2, launch, account, image) -> dict[str, str]:
    """Ids of another tenant's things, by prefix."""
    from storage.models import Image, ImageState

    key = ec2.create_key_pair(KeyName="theirkey", KeyType="ed25519")["KeyPairId"]
    group = ec2.create_security_group(GroupName="theirgroup", Description="d")["GroupId"]
    rules = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[IP])["SecurityGroupRules"]
    (instance,) = launch(KeyName="theirkey", SecurityGroupIds=[group])
    settle()
    ec2.create_tags(Resources=[instance], Tags=[{"Key": "secret", "Value": "x"}])
    address = ec2.allocate_address()
    association = ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance)
    private = Image.objects.create(
        datastore=image.datastore, tenant=account.tenant, name="private", state=ImageState.AVAILABLE, path="x"
    )
    return {
        "i": instance,
        "vol": account.tenant.volumes.get().ec2_id,
        "ami": private.ec2_id,
        "key": key,
        "vpc": account.tenant.vpcs.get().ec2_id,
        "subnet": account.tenant.subnets.get().ec2_id,
        "eni": account.tenant.network_interfaces.get().ec2_id,
        "eni-attach": account.tenant.network_interfaces.get().attachment_id,
        "rtb": account.tenant.route_tables.get().ec2_id,
        "igw": account.tenant.internet_gateways.get().ec2_id,
        "acl": account.tenant.network_acls.get().ec2_id,
        "dopt": account.tenant.dhcp_options.get().ec2_id,
        "sg": group,
        "sgr": rules[0]["SecurityGroupRuleId"],
        "eipalloc": address["AllocationId"],
        "eipassoc": association["AssociationId"],
        "ADDRESS": address["PublicIp"],
        "KEY": "theirkey",
        "GROUP": "theirgroup",
    }


def fill(case: Any, ids: dict[str, str]) -> Any:
    if isinstance(case, dict):
        return {name: value if name in ("Attribute", "Key") else fill(value, ids) for name, value in case.items()}
    if isinstance(case, list):
        return [fill(each, ids) for each in case]
    return ids.get(case, case) if isinstance(case, str) else case


def answer(client: Any, action: str, options: dict[str, Any]) -> tuple[str, str]:
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
    try:
        return "", json.dumps(getattr(client, method)(**options), default=str)
    except ClientError as error:
        found = error.response["Error"]
        return found["Code"], found["Message"]


def test_a_foreign_id_and_an_absent_one_are_told_the_same(theirs, neighbour, image):
    client = neighbour.client()
    launch = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    subnet = neighbour.tenant.subnets.get().ec2_id
    mine = {
        "MINE": client.allocate_address()["AllocationId"],
        "MYSUBNET": subnet,
        "MYGROUP": neighbour.tenant.security_groups.get().ec2_id,
        "MYINTERFACE": client.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"],
    }
    theirs |= mine
    absent = {kind: "nobodys" if kind.isupper() else f"{kind}-{ABSENT}" for kind in theirs} | mine

    for action, cases in CASES.items():
        for case in cases:
            options = launch | case if action == "RunInstances" else case
            code, message = answer(client, action, fill(options, theirs))
            expected_code, expected = answer(client, action, fill(options, absent))
            assert code.endswith("NotFound"), (action, case, code, message)
            assert code == expected_code, (action, case)
            for kind, each in theirs.items():
                expected = re.sub(rf"\b{absent[kind]}", each, expected) if not kind.isupper() else expected
            if "nobodys" not in expected:
                assert message == expected, (action, case)


def test_a_neighbour_sees_and_changes_nothing(theirs, neighbour, ec2):
    client = neighbour.client()
    before = answer(ec2, "DescribeInstances", {})[1].split('"ResponseMetadata"')[0]

    for action, cases in SILENT.items():
        for case in cases:
            assert answer(client, action, fill(case, theirs))[0] == ""

    assert ec2.describe_key_pairs()["KeyPairs"][0]["KeyName"] == "theirkey"
    assert answer(ec2, "DescribeInstances", {})[1].split('"ResponseMetadata"')[0] == before
    for action in (name for service, name in ACTIONS if service == "ec2" and name.startswith("Describe")):
        if action.endswith("Attribute") or action == "DescribeStaleSecurityGroups":
            continue
        _code, reply = answer(client, action, {})
        assert not [each for each in theirs.values() if each in reply], action
    filters = [{"Name": "tag:secret", "Values": ["*"]}]
    assert client.describe_instances(Filters=filters)["Reservations"] == []
