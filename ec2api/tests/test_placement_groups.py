"""Placement groups, asked for by boto3."""

from __future__ import annotations

from typing import Any

import pytest

from ec2api.tests.cloud import settle
from ec2api.tests.test_query_counts import queries


@pytest.fixture
def group(ec2) -> Any:
    """group(strategy, **options): a new one, named after its strategy."""

    def make(strategy: str, **options: Any) -> dict[str, Any]:
        asked = {"GroupName": strategy, "Strategy": strategy} | options
        return dict(ec2.create_placement_group(**asked)["PlacementGroup"])

    return make


def placements(ec2, **options: Any) -> list[dict[str, Any]]:
    found = ec2.describe_instances(**options)["Reservations"]
    return [i["Placement"] for reservation in found for i in reservation["Instances"]]


def test_a_group_is_described_as_it_was_made(ec2, account, group):
    tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "a", "Value": "b"}]}]
    made = [group("cluster"), group("spread", TagSpecifications=tags), group("partition")]
    three = group("partition", GroupName="three", PartitionCount=3)

    assert ec2.describe_placement_groups()["PlacementGroups"] == [*made, three]
    assert made[1] == {
        "GroupName": "spread",
        "GroupId": made[1]["GroupId"],
        "GroupArn": f"arn:aws:ec2:us-east-1:{account.tenant.account_id}:placement-group/spread",
        "State": "available",
        "Strategy": "spread",
        "SpreadLevel": "rack",
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    assert made[1]["GroupId"].startswith("pg-")
    assert (made[2]["PartitionCount"], three["PartitionCount"]) == (2, 3)


def test_groups_are_found_by_name_by_id_and_by_every_documented_filter(ec2, group, refused):
    spread, _partition = group("spread", SpreadLevel="host"), group("partition")
    ec2.create_tags(Resources=[spread["GroupId"]], Tags=[{"Key": "a", "Value": "b"}])

    def names(**options: Any) -> list[str]:
        return [each["GroupName"] for each in ec2.describe_placement_groups(**options)["PlacementGroups"]]

    for name, value in {
        "group-name": "spr*", "group-arn": "*/spread", "spread-level": "host", "strategy": "spread",
        "tag:a": "b", "tag-key": "a",
    }.items():  # fmt: skip
        assert names(Filters=[{"Name": name, "Values": [value]}]) == ["spread"], name
    assert names(Filters=[{"Name": "state", "Values": ["available"]}]) == ["spread", "partition"]
    assert names(GroupNames=["partition"]) == ["partition"]
    assert names(GroupIds=[spread["GroupId"]]) == ["spread"]
    one = {"GroupNames": ["spread", "nobody"]}
    assert refused(ec2.describe_placement_groups, **one) == (
        "InvalidPlacementGroup.Unknown",
        "The Placement Group 'nobody' is unknown.",
    )
    absent = {"GroupIds": ["pg-0123456789abcdef0"]}
    assert refused(ec2.describe_placement_groups, **absent)[0] == "InvalidPlacementGroup.Unknown"
    assert refused(ec2.describe_placement_groups, GroupIds=["x"])[0] == "InvalidPlacementGroupId.Malformed"
    odd = {"Filters": [{"Name": "colour", "Values": ["red"]}]}
    assert refused(ec2.describe_placement_groups, **odd)[0] == "InvalidParameterValue"


def test_what_is_no_group_is_refused_in_amazons_words(ec2, group, refused):
    group("spread")

    for options, code in (
        ({"GroupName": "spread", "Strategy": "spread"}, "InvalidPlacementGroup.Duplicate"),
        ({"GroupName": "x"}, "MissingParameter"),
        ({"Strategy": "spread"}, "MissingParameter"),
        ({"GroupName": "x", "Strategy": "near"}, "InvalidParameterValue"),
        ({"GroupName": "x", "Strategy": "spread", "PartitionCount": 2}, "InvalidParameterCombination"),
        ({"GroupName": "x", "Strategy": "cluster", "ParentGroupId": "pg-1"}, "UnsupportedOperation"),
    ):
        assert refused(ec2.create_placement_group, **options)[0] == code
    assert refused(ec2.delete_placement_group, GroupName="nobody")[0] == "InvalidPlacementGroup.Unknown"


def test_an_instance_tells_its_group_and_partition_and_is_found_by_them(ec2, launch, group, image):
    named = group("partition")
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 2, "MaxCount": 2}

    made = ec2.run_instances(**asked, Placement={"GroupName": "partition"})["Instances"]
    launch(Placement={"GroupId": named["GroupId"], "PartitionNumber": 1})
    launch()

    by_group = [{"Name": "placement-group-name", "Values": ["part*"]}]
    by_number = [{"Name": "placement-partition-number", "Values": ["1"]}]
    assert [i["Placement"] for i in made] == placements(ec2)[:2]
    assert made[0]["Placement"]["GroupId"] == named["GroupId"]
    assert [each["PartitionNumber"] for each in placements(ec2, Filters=by_group)] == [1, 2, 1]
    assert [each["GroupName"] for each in placements(ec2, Filters=by_number)] == ["partition"] * 2
    assert placements(ec2)[-1]["GroupName"] == ""


def test_a_launch_into_what_is_no_group_is_refused(launch, group, refused):
    spread = group("spread")

    for placement, code in (
        ({"GroupName": "nobody"}, "InvalidPlacementGroup.Unknown"),
        ({"GroupId": "pg-0123456789abcdef0"}, "InvalidPlacementGroup.Unknown"),
        ({"GroupId": "x"}, "InvalidPlacementGroupId.Malformed"),
        ({"GroupName": "spread", "GroupId": spread["GroupId"]}, "InvalidParameterCombination"),
        ({"GroupName": "spread", "PartitionNumber": 1}, "InvalidParameterCombination"),
        ({"PartitionNumber": 1}, "InvalidParameterCombination"),
        ({"HostId": "h-1"}, "UnsupportedOperation"),
        ({"Affinity": "host"}, "UnsupportedOperation"),
        ({"Tenancy": "dedicated"}, "UnsupportedOperation"),
    ):
        assert refused(launch, Placement=placement)[0] == code, placement


def test_a_launch_into_a_group_asks_little_more_and_one_without_it_nothing(launch, group):
    group("spread")
    launch()

    plain = queries(launch)
    grouped = queries(lambda: launch(Placement={"GroupName": "spread"}))

    assert plain <= 20
    assert grouped <= plain + 4  # the group, a hold on it, its members; and inserts that can be joined no more


def test_a_template_launches_into_its_group(ec2, group, image):
    group("spread")
    data = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "Placement": {"GroupName": "spread"}}
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
    named = {"LaunchTemplateName": "web"}

    [made] = ec2.run_instances(LaunchTemplate=named, MinCount=1, MaxCount=1)["Instances"]

    assert made["Placement"]["GroupName"] == "spread"
    again = ec2.get_launch_template_data(InstanceId=made["InstanceId"])["LaunchTemplateData"]
    assert again["Placement"]["GroupName"] == "spread"


def test_a_stopped_instance_moves_into_a_group_and_out_of_it(ec2, launch, group, refused):
    group("partition")
    [instance] = launch()
    settle()
    asked = {"InstanceId": instance, "GroupName": "partition"}

    assert refused(ec2.modify_instance_placement, **asked)[0] == "InvalidInstanceState"
    ec2.stop_instances(InstanceIds=[instance])
    settle()
    assert ec2.modify_instance_placement(**asked)["Return"] is True
    ec2.modify_instance_placement(InstanceId=instance, PartitionNumber=2)
    assert placements(ec2)[0]["PartitionNumber"] == 2
    ec2.modify_instance_placement(InstanceId=instance, GroupName="")
    assert placements(ec2)[0]["GroupName"] == ""
    assert refused(ec2.modify_instance_placement, InstanceId=instance)[0] == "InvalidParameterCombination"
    number = {"InstanceId": instance, "PartitionNumber": 1}
    assert refused(ec2.modify_instance_placement, **number)[0] == "InvalidParameterCombination"
    tenancy = {"InstanceId": instance, "Tenancy": "host"}
    assert refused(ec2.modify_instance_placement, **tenancy)[0] == "UnsupportedOperation"
    host = {"InstanceId": instance, "HostId": "h-1"}
    assert refused(ec2.modify_instance_placement, **host)[0] == "UnsupportedOperation"


def test_a_group_in_use_is_not_deleted(ec2, launch, group, refused):
    group("cluster")
    [instance] = launch(Placement={"GroupName": "cluster"})
    settle()

    assert refused(ec2.delete_placement_group, GroupName="cluster")[0] == "InvalidPlacementGroup.InUse"
    ec2.terminate_instances(InstanceIds=[instance])
    settle()
    ec2.delete_placement_group(GroupName="cluster")
    assert ec2.describe_placement_groups()["PlacementGroups"] == []


def test_the_topology_of_instances_is_not_known(ec2, launch, group, refused):
    group("cluster")
    [instance] = launch(Placement={"GroupName": "cluster"})

    assert ec2.describe_instance_topology(InstanceIds=[instance])["Instances"] == []
    assert ec2.describe_instance_topology(GroupNames=["cluster"], MaxResults=20)["Instances"] == []
    absent = {"InstanceIds": ["i-0123456789abcdef0"]}
    assert refused(ec2.describe_instance_topology, **absent)[0] == "InvalidInstanceID.NotFound"
    assert refused(ec2.describe_instance_topology, GroupNames=["x"])[0] == "InvalidPlacementGroup.Unknown"
    odd = {"Filters": [{"Name": "colour", "Values": ["red"]}]}
    assert refused(ec2.describe_instance_topology, **odd)[0] == "InvalidParameterValue"
