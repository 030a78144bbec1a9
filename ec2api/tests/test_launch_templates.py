"""Launch templates and their versions, asked for by boto3."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from compute.models import LaunchTemplate, LaunchTemplateVersion
from portal.models import AuditEntry

DATA = {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t2.nano"}


@pytest.fixture
def template(ec2) -> dict[str, Any]:
    made = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=DATA)
    found: dict[str, Any] = made["LaunchTemplate"]
    return found


def versions_of(ec2, **options) -> list[int]:
    found = ec2.describe_launch_template_versions(LaunchTemplateName="web", **options)["LaunchTemplateVersions"]
    return [version["VersionNumber"] for version in found]


def test_a_template_begins_with_version_one_which_is_its_default(ec2, account, template):
    tagged = ec2.create_launch_template(
        LaunchTemplateName="data",
        VersionDescription="the first",
        LaunchTemplateData={"InstanceType": "t2.nano"},
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "team", "Value": "a"}]}],
    )["LaunchTemplate"]

    [version] = ec2.describe_launch_template_versions(LaunchTemplateId=tagged["LaunchTemplateId"])[
        "LaunchTemplateVersions"
    ]
    assert template["LaunchTemplateId"].startswith("lt-")
    assert (template["DefaultVersionNumber"], template["LatestVersionNumber"]) == (1, 1)
    assert template["CreatedBy"] == f"arn:aws:iam::{account.tenant.account_id}:user/alice"
    assert tagged["Tags"] == [{"Key": "team", "Value": "a"}]
    assert version["DefaultVersion"] is True
    assert version["VersionDescription"] == "the first"
    assert version["LaunchTemplateData"] == {"InstanceType": "t2.nano"}
    assert set(AuditEntry.objects.filter(resource_type="launch-template").values_list("verb", flat=True)) == {"create"}


def test_everything_that_a_version_may_hold_comes_back_as_it_was_sent(ec2):
    data = {
        "EbsOptimized": True,
        "IamInstanceProfile": {"Name": "role"},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "VolumeType": "gp3"}}],
        "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": ["sg-1"]}],
        "UserData": b64encode(b"#!/bin/sh\n").decode(),
        "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}],
        "InstanceMarketOptions": {
            "MarketType": "spot",
            "SpotOptions": {"MaxPrice": "0.1", "ValidUntil": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)},
        },
        "InstanceRequirements": {
            "VCpuCount": {"Min": 1},
            "MemoryMiB": {"Min": 512},
            "MemoryGiBPerVCpu": {"Min": 0.5},
        },
        "MetadataOptions": {"HttpTokens": "required"},
        "SecurityGroups": ["one", "two"],
        "DisableApiStop": False,
    }
    ec2.create_launch_template(LaunchTemplateName="all", LaunchTemplateData=data)
    again = ec2.create_launch_template_version(LaunchTemplateName="all", LaunchTemplateData=data)

    [version] = ec2.describe_launch_template_versions(LaunchTemplateName="all", Versions=["1"])[
        "LaunchTemplateVersions"
    ]

    assert version["LaunchTemplateData"] == again["LaunchTemplateVersion"]["LaunchTemplateData"] == data


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"LaunchTemplateName": "ab"}, "InvalidLaunchTemplateName.MalformedException"),
        ({"LaunchTemplateName": "some illegal name"}, "InvalidLaunchTemplateName.MalformedException"),
        ({"LaunchTemplateName": "x" * 129}, "InvalidLaunchTemplateName.MalformedException"),
        ({"LaunchTemplateName": "web"}, "InvalidLaunchTemplateName.AlreadyExistsException"),
        ({"LaunchTemplateData": {}}, "MissingParameter"),
        ({"LaunchTemplateData": {"UserData": "#!/bin/sh"}}, "InvalidUserData.Malformed"),
        ({"LaunchTemplateData": {"UserData": b64encode(b"x" * 60_000).decode()}}, "InvalidParameterValue"),
        ({"VersionDescription": "x" * 256}, "InvalidParameterValue"),
        (
            {"LaunchTemplateData": {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:a"}]}]}},
            "InvalidParameterValue",
        ),
        (
            {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]},
            "InvalidParameterValue",
        ),
    ],
)
def test_what_amazon_refuses_when_a_template_is_made_is_refused(ec2, template, refused, options, code):
    asked = {"LaunchTemplateName": "other", "LaunchTemplateData": DATA} | options

    assert refused(ec2.create_launch_template, **asked)[0] == code
    assert LaunchTemplate.objects.count() == 1


def test_what_only_a_launch_would_refuse_is_a_warning(ec2, image):
    data = DATA | {"KeyName": "nobodys", "InstanceType": "m5.huge", "IamInstanceProfile": {"Name": "x"}}

    made = ec2.create_launch_template(LaunchTemplateName="odd", LaunchTemplateData=data)
    fine = ec2.create_launch_template(
        LaunchTemplateName="fine", LaunchTemplateData={"ImageId": image.ec2_id, "InstanceType": "t2.nano"}
    )

    codes = [error["Code"] for error in made["Warning"]["Errors"]]
    assert codes == [
        "UnsupportedOperation",
        "InvalidAMIID.NotFound",
        "InvalidParameterValue",
        "InvalidKeyPair.NotFound",
    ]
    assert "Warning" not in fine


def test_the_same_client_token_makes_one_template_and_one_version(ec2, refused):
    asked = {"LaunchTemplateName": "web", "LaunchTemplateData": DATA, "ClientToken": "t"}
    more = {"LaunchTemplateName": "web", "LaunchTemplateData": {"KeyName": "k"}, "ClientToken": "t"}

    one, again = ec2.create_launch_template(**asked), ec2.create_launch_template(**asked)
    first, second = ec2.create_launch_template_version(**more), ec2.create_launch_template_version(**more)

    assert one["LaunchTemplate"] == again["LaunchTemplate"]
    assert first["LaunchTemplateVersion"] == second["LaunchTemplateVersion"]
    assert LaunchTemplateVersion.objects.count() == 2
    other = asked | {"LaunchTemplateName": "other"}
    assert refused(ec2.create_launch_template, **other)[0] == "IdempotentParameterMismatch"
    other = more | {"LaunchTemplateData": {"KeyName": "l"}}
    assert refused(ec2.create_launch_template_version, **other)[0] == "IdempotentParameterMismatch"
    long = asked | {"ClientToken": "x" * 129}
    assert refused(ec2.create_launch_template, **long)[0] == "InvalidParameterValue"


def test_a_version_holds_what_it_is_given_and_the_rest_of_its_source(ec2, template):
    disks = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "SnapshotId": "snap-0123456789abcdef0"}}]

    def make(data: dict[str, Any], **options: Any) -> dict[str, Any]:
        made = ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData=data, **options)
        found: dict[str, Any] = made["LaunchTemplateVersion"]
        return found

    alone = make({"KeyName": "k", "BlockDeviceMappings": disks}, VersionDescription="two")
    over = make({"KeyName": "l"}, SourceVersion="$Latest")
    of_default = make({"KeyName": "m"}, SourceVersion="$Default")

    assert (alone["VersionNumber"], alone["DefaultVersion"], alone["VersionDescription"]) == (2, False, "two")
    assert alone["LaunchTemplateData"] == {"KeyName": "k", "BlockDeviceMappings": disks}
    without = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9}}]
    assert over["LaunchTemplateData"] == {"KeyName": "l", "BlockDeviceMappings": without}
    assert of_default["LaunchTemplateData"] == DATA | {"KeyName": "m"}


def test_versions_are_found_by_number_by_name_and_by_range(ec2, template, refused):
    for key in ("b", "c", "d"):
        ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData={"KeyName": key})
    ec2.modify_launch_template(LaunchTemplateName="web", DefaultVersion="2")

    assert versions_of(ec2) == [1, 2, 3, 4]
    assert versions_of(ec2, Versions=["$Default", "$Latest", "1"]) == [1, 2, 4]
    assert versions_of(ec2, MinVersion="2", MaxVersion="3") == [2, 3]
    assert versions_of(ec2, MinVersion="$Latest") == [4]
    missing = {"LaunchTemplateName": "web", "Versions": ["9"]}
    code, message = refused(ec2.describe_launch_template_versions, **missing)
    assert code == "InvalidLaunchTemplateId.VersionNotFound"
    assert message == (
        f"Could not find the specified version 9 for the launch template with ID {template['LaunchTemplateId']}."
    )
    odd = {"LaunchTemplateName": "web", "Versions": ["first"]}
    assert refused(ec2.describe_launch_template_versions, **odd)[0] == "InvalidParameterValue"


def test_without_a_template_the_latest_or_default_versions_of_all_are_described(ec2, template, refused):
    ec2.create_launch_template(LaunchTemplateName="data", LaunchTemplateData=DATA)
    ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData={"KeyName": "k"})

    def described(*versions: str) -> list[tuple[str, int]]:
        found = ec2.describe_launch_template_versions(Versions=versions)["LaunchTemplateVersions"]
        return [(version["LaunchTemplateName"], version["VersionNumber"]) for version in found]

    assert described("$Latest") == [("data", 1), ("web", 2)]
    assert described("$Default") == [("web", 1), ("data", 1)]
    assert described("$Default", "$Latest") == [("web", 1), ("data", 1), ("web", 2)]
    assert refused(ec2.describe_launch_template_versions)[0] == "MissingParameter"
    assert refused(ec2.describe_launch_template_versions, Versions=["1"])[0] == "InvalidParameterValue"


def test_a_number_is_not_given_twice_and_the_latest_is_what_is_left(ec2, template):
    for key in ("b", "c"):
        ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData={"KeyName": key})

    reply = ec2.delete_launch_template_versions(LaunchTemplateName="web", Versions=["3", "1", "7"])
    [after] = ec2.describe_launch_templates(LaunchTemplateNames=["web"])["LaunchTemplates"]
    new = ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData={"KeyName": "d"})

    gone = [each["VersionNumber"] for each in reply["SuccessfullyDeletedLaunchTemplateVersions"]]
    kept = {
        each["VersionNumber"]: each["ResponseError"]["Code"]
        for each in reply["UnsuccessfullyDeletedLaunchTemplateVersions"]
    }
    assert gone == [3]
    assert kept == {1: "unexpectedError", 7: "launchTemplateVersionDoesNotExist"}
    assert after["LatestVersionNumber"] == 2
    assert new["LaunchTemplateVersion"]["VersionNumber"] == 4


def test_the_default_version_is_the_one_that_was_set(ec2, template, refused):
    ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData={"KeyName": "k"})

    changed = ec2.modify_launch_template(LaunchTemplateName="web", DefaultVersion="2")["LaunchTemplate"]

    assert (changed["DefaultVersionNumber"], changed["LatestVersionNumber"]) == (2, 2)
    wrong = {"LaunchTemplateName": "web", "DefaultVersion": "666"}
    assert refused(ec2.modify_launch_template, **wrong)[0] == "InvalidLaunchTemplateId.VersionNotFound"
    assert refused(ec2.modify_launch_template, LaunchTemplateName="web")[0] == "MissingParameter"


def test_a_deleted_template_is_gone_with_its_versions_and_tags_and_its_name_is_free(ec2, template, account):
    ec2.create_tags(Resources=[template["LaunchTemplateId"]], Tags=[{"Key": "a", "Value": "b"}])

    deleted = ec2.delete_launch_template(LaunchTemplateId=template["LaunchTemplateId"])["LaunchTemplate"]

    assert deleted["LaunchTemplateName"] == "web"
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert not account.tenant.tags.exists()
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=DATA)


def test_one_that_is_not_there_is_told_in_amazons_words(ec2, template, refused):
    absent = "lt-0123456789abcdef0"

    for options, code in (
        ({"LaunchTemplateId": absent}, "InvalidLaunchTemplateId.NotFound"),
        ({"LaunchTemplateId": "lt-x"}, "InvalidLaunchTemplateId.Malformed"),
        ({"LaunchTemplateName": "nobody"}, "InvalidLaunchTemplateName.NotFoundException"),
        ({}, "MissingParameter"),
        ({"LaunchTemplateId": absent, "LaunchTemplateName": "web"}, "InvalidParameterCombination"),
    ):
        assert refused(ec2.delete_launch_template, **options)[0] == code
        assert refused(ec2.modify_launch_template, DefaultVersion="1", **options)[0] == code
        assert refused(ec2.delete_launch_template_versions, Versions=["1"], **options)[0] == code
        assert refused(ec2.create_launch_template_version, LaunchTemplateData=DATA, **options)[0] == code
    code, message = refused(ec2.describe_launch_templates, LaunchTemplateNames=["web", "nobody"])
    assert code == "InvalidLaunchTemplateName.NotFoundException"
    assert message == "At least one of the launch templates specified in the request does not exist."
    assert refused(ec2.describe_launch_templates, LaunchTemplateIds=[absent])[0] == "InvalidLaunchTemplateId.NotFound"
    assert refused(ec2.describe_launch_templates, LaunchTemplateIds=["x"])[0] == "InvalidLaunchTemplateId.Malformed"


def test_every_documented_filter_finds_what_it_should(ec2, template, refused):
    arn = "arn:aws:iam::1:instance-profile/a"
    ec2.create_tags(Resources=[template["LaunchTemplateId"]], Tags=[{"Key": "team", "Value": "a"}])
    ec2.create_launch_template(LaunchTemplateName="data", LaunchTemplateData=DATA)
    ec2.create_launch_template_version(
        LaunchTemplateName="web",
        LaunchTemplateData={
            "EbsOptimized": True,
            "IamInstanceProfile": {"Arn": arn},
            "MetadataOptions": {"HttpEndpoint": "disabled", "HttpTokens": "required"},
            "ImageId": "ami-2",
            "InstanceType": "t2.micro",
            "KernelId": "aki-1",
            "RamDiskId": "ari-1",
            "LicenseSpecifications": [{"LicenseConfigurationArn": "arn:1"}, {"LicenseConfigurationArn": "arn:2"}],
            "NetworkInterfaces": [{"DeviceIndex": 0, "NetworkCardIndex": 0}, {"DeviceIndex": 1, "NetworkCardIndex": 1}],
            "Placement": {"HostResourceGroupArn": "arn:3"},
        },
    )

    def found(name: str, *values: str) -> list[int]:
        return versions_of(ec2, Filters=[{"Name": name, "Values": values}])

    two = {
        "ebs-optimized": "true", "http-endpoint": "disabled", "http-tokens": "required", "image-id": "ami-?",
        "iam-instance-profile": "*/a", "instance-type": "t2.micro", "kernel-id": "aki-*", "ram-disk-id": "ari-1",
        "license-configuration-arn": "arn:2", "network-card-index": "1", "host-resource-group-arn": "arn:*",
        "is-default-version": "false",
    }  # fmt: skip
    assert {name: found(name, value) for name, value in two.items()} == {name: [2] for name in two}
    assert found("is-default-version", "true") == [1]
    assert found("http-protocol-ipv4", "enabled") == [1, 2]
    assert found("create-time", f"{datetime.now(UTC):%Y-%m}*") == [1, 2]
    assert refused(versions_of, ec2=ec2, Filters=[{"Name": "colour", "Values": ["x"]}])[0] == "InvalidParameterValue"
    for name, values, names in (
        ("launch-template-name", ["w*"], ["web"]),
        ("tag:team", ["a"], ["web"]),
        ("tag-key", ["team"], ["web"]),
        ("create-time", ["1999*"], []),
    ):
        rows = ec2.describe_launch_templates(Filters=[{"Name": name, "Values": values}])["LaunchTemplates"]
        assert [row["LaunchTemplateName"] for row in rows] == names, name


def test_both_listings_come_in_pages(ec2, template):
    for number in range(4):
        ec2.create_launch_template(LaunchTemplateName=f"more-{number}", LaunchTemplateData=DATA)
        ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData={"KeyName": str(number)})

    pages = list(ec2.get_paginator("describe_launch_templates").paginate(PaginationConfig={"PageSize": 2}))
    versions = list(
        ec2.get_paginator("describe_launch_template_versions").paginate(
            LaunchTemplateName="web", PaginationConfig={"PageSize": 2}
        )
    )

    assert [len(page["LaunchTemplates"]) for page in pages] == [2, 2, 1]
    assert [v["VersionNumber"] for page in versions for v in page["LaunchTemplateVersions"]] == [1, 2, 3, 4, 5]


def test_a_dry_run_makes_nothing(ec2, refused):
    asked = {"LaunchTemplateName": "web", "LaunchTemplateData": DATA, "DryRun": True}

    assert refused(ec2.create_launch_template, **asked)[0] == "DryRunOperation"
    assert not LaunchTemplate.objects.exists()
