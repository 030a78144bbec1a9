"""Tags on anything that has an id."""

from __future__ import annotations

import pytest

from ec2api.tests.cloud import signed
from portal.models import AuditEntry


def tags_of(ec2, resource_id: str) -> dict[str, str]:
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource_id]}])["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


def test_tags_are_set_replaced_and_deleted(ec2, launch):
    one, two = launch(2)
    ec2.create_tags(Resources=[one, two], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    ec2.create_tags(Resources=[one], Tags=[{"Key": "a", "Value": "2"}])

    assert tags_of(ec2, one) == {"a": "2", "b": ""}
    assert tags_of(ec2, two) == {"a": "1", "b": ""}
    ec2.delete_tags(Resources=[one], Tags=[{"Key": "a", "Value": "other"}, {"Key": "b"}])
    assert tags_of(ec2, one) == {"a": "2"}
    ec2.delete_tags(Resources=[one, two])
    assert (tags_of(ec2, one), tags_of(ec2, two)) == ({}, {})
    assert AuditEntry.objects.filter(verb="untag", resource_id=one).count() == 2


def test_everything_with_an_id_of_ones_own_can_be_tagged(ec2, launch, account):
    (instance,) = launch()
    volume = ec2.describe_volumes()["Volumes"][0]["VolumeId"]
    interface = ec2.describe_network_interfaces()["NetworkInterfaces"][0]["NetworkInterfaceId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    rule = ec2.describe_security_group_rules()["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    vpc, subnet = account.tenant.vpcs.get().ec2_id, account.tenant.subnets.get().ec2_id
    key = ec2.create_key_pair(KeyName="k", KeyType="ed25519")["KeyPairId"]
    everything = [instance, volume, interface, group, rule, vpc, subnet, key]

    ec2.create_tags(Resources=everything, Tags=[{"Key": "k", "Value": "v"}])

    found = {tag["ResourceId"]: tag["ResourceType"] for tag in ec2.describe_tags()["Tags"]}
    assert found == {
        instance: "instance",
        volume: "volume",
        interface: "network-interface",
        group: "security-group",
        rule: "security-group-rule",
        vpc: "vpc",
        subnet: "subnet",
        key: "key-pair",
    }
    k = [{"Key": "k", "Value": "v"}]
    assert ec2.describe_volumes()["Volumes"][0]["Tags"] == k
    assert ec2.describe_network_interfaces()["NetworkInterfaces"][0]["TagSet"] == k
    assert ec2.describe_security_groups(Filters=[{"Name": "tag:k", "Values": ["v"]}])["SecurityGroups"][0]["Tags"] == k
    assert ec2.describe_vpcs()["Vpcs"][0]["Tags"] == k
    assert ec2.describe_subnets()["Subnets"][0]["Tags"] == k
    assert ec2.describe_key_pairs()["KeyPairs"][0]["Tags"] == k
    assert [t["ResourceId"] for t in ec2.describe_tags(Filters=[{"Name": "tag:k", "Values": ["v"]}])["Tags"]] == list(
        found
    )


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
        ("vol-0123456789abcdef0", "InvalidVolume.NotFound"),
        ("sg-0123456789abcdef0", "InvalidGroup.NotFound"),
        ("nonsense", "InvalidID"),
        ("xyz-0123456789abcdef0", "InvalidID"),
    ],
)
def test_what_is_not_there_cannot_be_tagged(ec2, launch, refused, resource, code):
    (instance,) = launch()

    assert refused(ec2.create_tags, Resources=[instance, resource], Tags=[{"Key": "a", "Value": "b"}])[0] == code

    assert tags_of(ec2, instance) == {}


def test_a_public_image_is_not_the_tenants_to_tag(ec2, image, refused):
    assert refused(ec2.create_tags, Resources=[image.ec2_id], Tags=[{"Key": "a", "Value": "b"}])[0] == (
        "InvalidAMIID.NotFound"
    )


def test_tags_that_are_not_allowed(ec2, launch, refused):
    (instance,) = launch()

    def refuse(*tags: tuple[str, str]) -> str:
        return str(refused(ec2.create_tags, Resources=[instance], Tags=[{"Key": k, "Value": v} for k, v in tags])[0])

    assert refuse(("aws:x", "")) == "InvalidParameterValue"
    assert refuse(("k" * 128, "")) == "InvalidParameterValue"
    assert refuse(("k", "v" * 257)) == "InvalidParameterValue"
    assert refuse(("k", "1"), ("k", "2")) == "InvalidParameterValue"
    ec2.create_tags(Resources=[instance], Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    assert refuse(("one more", "")) == "TagLimitExceeded"
    assert len(tags_of(ec2, instance)) == 50


def test_a_key_may_be_deleted_once_in_a_request(ec2, launch, refused):
    (instance_id,) = launch()
    twice = [{"Key": "a"}, {"Key": "a", "Value": "b"}]

    assert refused(ec2.delete_tags, Resources=[instance_id], Tags=twice)[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("AWS:x", "y", "InvalidParameterValue"),
        ("", "y", "InvalidParameterValue"),
        ("x" * 128, "y", "InvalidParameterValue"),
        ("x", "y" * 257, "InvalidParameterValue"),
        ("x\x00", "y", "InvalidParameterValue"),
        ("x", "\x1b[31m", "InvalidParameterValue"),
        ("\ufffe", "y", "InvalidParameterValue"),
        ("\ud83d", "y", "MalformedQueryString"),
    ],
)
def test_tags_that_amazon_does_not_take(account, launch, key, value, code):
    fields = [("Action", "CreateTags"), ("ResourceId.1", launch()[0]), ("Tag.1.Key", key), ("Tag.1.Value", value)]

    response = signed(account, fields)

    assert f"<Code>{code}</Code>".encode() in response.content


def test_tags_are_counted_in_characters_and_come_back_as_they_were_sent(ec2, launch):
    (instance,) = launch()
    tags = [
        {"Key": "\U0001f600" * 127, "Value": "\U0001f600" * 256},
        {"Key": "a\tb\n <&>\"'\r", "Value": "e\u0301 \u202e"},
    ]

    ec2.create_tags(Resources=[instance], Tags=tags)

    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
    assert sorted((tag["Key"], tag["Value"]) for tag in found) == sorted((tag["Key"], tag["Value"]) for tag in tags)
