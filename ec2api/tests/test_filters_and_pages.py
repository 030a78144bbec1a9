"""Finding instances: filters with wildcards, pages, and tokens that are of no use elsewhere."""

from __future__ import annotations

import pytest

from ec2api.tests.cloud import settle


def ids(reply) -> list[str]:
    return [i["InstanceId"] for r in reply["Reservations"] for i in r["Instances"]]


def named(ec2, launch, *names: str) -> dict[str, str]:
    found = {}
    for name in names:
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]
        found[name] = launch(TagSpecifications=tags)[0]
    return found


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("web-1", ["web-1"]),
        ("web-?", ["web-1"]),
        ("web*", ["web-1", "web*", "web-22"]),
        ("WEB*", ["WEB-1"]),
        (r"web\*", ["web*"]),
        ("*", ["web-1", "WEB-1", "web*", "web-22", "a.b"]),
        ("*2*", ["web-22"]),
        ("a.b", ["a.b"]),
        ("a?b", ["a.b"]),
        ("web-", []),
        ("web%", []),
        ("w_b-1", []),
        ("*-*1", ["web-1", "WEB-1"]),
    ],
)
def test_wildcards_in_tags(ec2, launch, pattern, expected):
    instances = named(ec2, launch, "web-1", "WEB-1", "web*", "web-22", "a.b")

    found = ids(ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": [pattern]}]))

    assert found == [instances[name] for name in instances if name in expected]


def test_a_pattern_made_to_take_long_does_not(ec2, launch):
    named(ec2, launch, "a" * 255)

    found = ids(ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["*a" * 100 + "*b"]}]))

    assert found == []


def test_every_filter_of_an_instance_finds_it_by_what_its_description_says(ec2, launch, account):
    (other,) = launch(InstanceType="t2.micro", ClientToken="other")
    key = ec2.create_key_pair(KeyName="mine", KeyType="ed25519")["KeyName"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Role", "Value": "db"}]}]
    (instance_id,) = launch(KeyName=key, ClientToken="token", TagSpecifications=tags, EbsOptimized=True)
    settle()
    reservation = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]
    instance = reservation["Instances"][0]
    interface = instance["NetworkInterfaces"][0]
    device = instance["BlockDeviceMappings"][0]
    distinct = {
        "instance-id": instance_id,
        "key-name": "mine",
        "client-token": "token",
        "instance-type": "t2.nano",
        "reservation-id": reservation["ReservationId"],
        "private-ip-address": instance["PrivateIpAddress"],
        "private-dns-name": instance["PrivateDnsName"],
        "ip-address": instance["PublicIpAddress"],
        "ebs-optimized": "true",
        "tag:Role": "db",
        "tag-key": "Role",
        "network-interface.network-interface-id": interface["NetworkInterfaceId"],
        "network-interface.mac-address": interface["MacAddress"],
        "network-interface.attachment.instance-id": instance_id,
        "network-interface.private-dns-name": interface["PrivateDnsName"],
        "network-interface.addresses.private-ip-address": interface["PrivateIpAddress"],
        "block-device-mapping.volume-id": device["Ebs"]["VolumeId"],
    }
    common = {
        "architecture": "x86_64",
        "availability-zone": "us-east-1a",
        "availability-zone-id": "use1-az1",
        "image-id": instance["ImageId"],
        "instance-state-name": "running",
        "instance-state-code": "16",
        "subnet-id": instance["SubnetId"],
        "vpc-id": instance["VpcId"],
        "instance.group-id": instance["SecurityGroups"][0]["GroupId"],
        "instance.group-name": "default",
        "owner-id": account.tenant.account_id,
        "root-device-type": "ebs",
        "hypervisor": "xen",
        "launch-time": f"{instance['LaunchTime']:%Y-%m-%dT}*",
        "monitoring-state": "disabled",
        "source-dest-check": "true",
        "tenancy": "default",
        "block-device-mapping.status": "attached",
        "block-device-mapping.delete-on-termination": "true",
    }
    for name, value in distinct.items():
        assert ids(ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])) == [instance_id], name
    for name, value in common.items():
        found = ids(ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}]))
        assert found == [other, instance_id], name
        assert ids(ec2.describe_instances(Filters=[{"Name": name, "Values": ["nonsense"]}])) == [], name


def test_filters_are_joined_by_and_their_values_by_or(ec2, launch):
    instances = named(ec2, launch, "a", "b", "c")

    found = ec2.describe_instances(
        Filters=[
            {"Name": "tag:Name", "Values": ["a", "b", "x*"]},
            {"Name": "instance-id", "Values": [instances["b"], instances["c"]]},
        ]
    )

    assert ids(found) == [instances["b"]]


def test_filters_that_make_no_sense(ec2, refused):
    code, message = refused(ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["red"]}])
    assert (code, message) == ("InvalidParameterValue", "The filter 'colour' is invalid")
    many = [{"Name": "instance-id", "Values": [f"i-{n:017x}" for n in range(201)]}]
    assert refused(ec2.describe_instances, Filters=many)[0] == "FilterLimitExceeded"


def test_pages_hold_everything_once(ec2, launch):
    expected = launch(7) + launch(6)

    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))

    assert [len(ids(page)) for page in pages] == [5, 5, 3]
    assert [each for page in pages for each in ids(page)] == expected


def test_pages_that_make_no_sense(ec2, launch, refused, neighbour):
    (first, *_) = launch(6)
    token = ec2.describe_instances(MaxResults=5)["NextToken"]

    assert refused(ec2.describe_instances, MaxResults=4)[0] == "InvalidParameterValue"
    assert refused(ec2.describe_instances, MaxResults=1001)[0] == "InvalidParameterValue"
    assert refused(ec2.describe_instances, MaxResults=5, InstanceIds=[first])[0] == "InvalidParameterCombination"
    assert refused(ec2.describe_instances, MaxResults=5, NextToken="nonsense")[0] == "InvalidNextToken"
    assert refused(ec2.describe_instance_status, MaxResults=5, NextToken=token)[0] == "InvalidNextToken"
    assert refused(neighbour.client().describe_instances, NextToken=token)[0] == "InvalidNextToken"


def test_filters_of_what_is_kept_only_where_it_was_asked_for(ec2, launch):
    (plain,) = launch()
    (asked,) = launch(
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        EbsOptimized=True,
        MaintenanceOptions={"AutoRecovery": "disabled"},
        PrivateDnsNameOptions={"EnableResourceNameDnsARecord": True},
    )

    for name, usual, other in (
        ("metadata-options.http-tokens", "optional", "required"),
        ("metadata-options.http-put-response-hop-limit", "1", "2"),
        ("ebs-optimized", "false", "true"),
        ("maintenance-options.auto-recovery", "default", "disabled"),
        ("private-dns-name-options.enable-resource-name-dns-a-record", "false", "true"),
    ):
        assert ids(ec2.describe_instances(Filters=[{"Name": name, "Values": [usual]}])) == [plain], name
        assert ids(ec2.describe_instances(Filters=[{"Name": name, "Values": [other]}])) == [asked], name
        assert ids(ec2.describe_instances(Filters=[{"Name": name, "Values": ["*"]}])) == [plain, asked], name
        assert ids(ec2.describe_instances(Filters=[{"Name": name, "Values": ["nonsense"]}])) == [], name


def test_filters_by_interface(ec2, launch, account):
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "Net", "Value": "blue"}]}]
    launch(NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": False}])
    (tagged,) = launch(TagSpecifications=tags)
    (interface,) = ec2.describe_instances(InstanceIds=[tagged])["Reservations"][0]["Instances"][0]["NetworkInterfaces"]

    for name, value in {
        "network-interface.tag-key": "Net",
        "network-interface.tag-value": "b*",
        "network-interface.attachment.attachment-id": interface["Attachment"]["AttachmentId"],
        "network-interface.association.ip-owner-id": "amazon",
    }.items():
        assert ids(ec2.describe_instances(Filters=[{"Name": name, "Values": [value]}])) == [tagged], name
    found = ec2.describe_network_interfaces(
        Filters=[{"Name": "private-dns-name", "Values": [interface["PrivateDnsName"]]}]
    )
    assert [each["NetworkInterfaceId"] for each in found["NetworkInterfaces"]] == [interface["NetworkInterfaceId"]]
    subnet = ec2.describe_subnets()["Subnets"][0]
    assert ec2.describe_subnets(Filters=[{"Name": "subnet-arn", "Values": [subnet["SubnetArn"]]}])["Subnets"]


def test_times_take_a_star_at_their_end_only(ec2, launch, refused):
    (instance_id,) = launch()

    assert ids(ec2.describe_instances(Filters=[{"Name": "launch-time", "Values": ["*"]}])) == [instance_id]
    code, message = refused(ec2.describe_instances, Filters=[{"Name": "launch-time", "Values": ["202*"]}])
    assert (code, "202*" in message) == ("InvalidParameterValue", True)


def test_interfaces_are_found_by_their_status(ec2, launch):
    launch()

    def found(status: str) -> int:
        return len(
            ec2.describe_network_interfaces(Filters=[{"Name": "status", "Values": [status]}])["NetworkInterfaces"]
        )

    assert (found("in-use"), found("available"), found("*"), found("")) == (1, 0, 1, 0)
