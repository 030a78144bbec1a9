"""A constant number of queries, however many rows there are; and few."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from ec2api.tests.cloud import settle


def queries(ask: Callable[[], Any]) -> int:
    ask()  # the first use of a key in a minute is written
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)


DESCRIBES = {
    "describe_instances": 5,
    "describe_instance_status": 2,
    "describe_volumes": 3,
    "describe_volume_status": 2,
    "describe_volumes_modifications": 2,
    "describe_snapshots": 3,
    "describe_network_interfaces": 4,
    "describe_subnets": 4,
    "describe_vpcs": 3,
    "describe_security_groups": 4,
    "describe_security_group_rules": 3,
    "describe_addresses": 3,
    "describe_route_tables": 3,
    "describe_internet_gateways": 3,
    "describe_network_acls": 4,
    "describe_dhcp_options": 3,
    "describe_vpc_endpoints": 1,
    "describe_key_pairs": 3,
    "describe_images": 4,
    "describe_instance_types": 2,
    "describe_tags": 2,
    "describe_launch_templates": 3,
    "describe_launch_template_versions": 2,
    "describe_placement_groups": 3,
}


ASKED: dict[str, dict[str, Any]] = {"describe_launch_template_versions": {"Versions": ["$Latest", "$Default"]}}


def test_a_describe_takes_as_many_queries_for_thirty_as_for_one(ec2, launch):
    def ask(name: str) -> None:
        getattr(ec2, name)(**ASKED.get(name, {}))

    def more(n: int) -> None:
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": str(n)}]}]
        (instance,) = launch(TagSpecifications=tags)
        settle()
        ec2.associate_address(AllocationId=ec2.allocate_address()["AllocationId"], InstanceId=instance)
        ec2.create_key_pair(KeyName=f"k{n}", KeyType="ed25519")
        ec2.create_launch_template(LaunchTemplateName=f"lt-{n}", LaunchTemplateData={"KeyName": "k"})
        ec2.create_placement_group(GroupName=f"pg{n}", Strategy="spread")
        group = ec2.create_security_group(GroupName=f"g{n}", Description="d")["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": n, "ToPort": n, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])

    def change_disks() -> None:
        for each in ec2.describe_volumes()["Volumes"]:
            ec2.modify_volume(VolumeId=each["VolumeId"], Size=each["Size"] + 1)
            ec2.create_snapshot(VolumeId=each["VolumeId"])
        settle()

    more(0)
    settle()
    change_disks()
    of_one = {name: queries(partial(ask, name)) for name in DESCRIBES}
    for n in range(1, 30):
        more(n)
    settle()
    change_disks()

    of_many = {name: queries(partial(ask, name)) for name in DESCRIBES}

    assert of_many == of_one
    assert [name for name, most in DESCRIBES.items() if of_one[name] > most] == []


def test_a_launch_takes_as_many_queries_for_thirty_as_for_one(launch):
    launch()
    of_one = queries(launch)

    assert queries(lambda: launch(30)) <= of_one + 1  # one ring of the bell for each worker
    assert of_one <= 23


def test_changes_take_as_many_queries_for_thirty_as_for_one(ec2, launch):
    one, many = launch(1), launch(30)
    tags = [{"Key": "a", "Value": "b"}]

    def tag(ids: list[str]) -> int:
        return queries(lambda: ec2.create_tags(Resources=ids, Tags=tags))

    assert tag(one) == tag(many)
    settle()
    with CaptureQueriesContext(connection) as of_one:
        ec2.stop_instances(InstanceIds=one)
    with CaptureQueriesContext(connection) as of_many:
        ec2.stop_instances(InstanceIds=many)
    assert len(of_many) <= len(of_one) + 1
