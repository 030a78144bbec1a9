"""Placement groups from the launch to the host."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from compute.models import GroupMember, Host, Instance
from compute.placement_groups import create_group, delete_group, move_instance
from compute.services import start_instances, stop_instances, terminate_instances
from conftest import make_host
from portal.errors import CloudError
from portal.models import AuditEntry
from scheduling.models import Placement, PlacementGroup

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(tenant, actor):
    """group(strategy, **fields): a placement group of the tenant."""

    def make(strategy: str, name: str = "x", **fields: Any) -> PlacementGroup:
        return create_group(tenant, name, strategy, actor=actor, **fields)

    return make


@pytest.fixture
def three_hosts(host, settings) -> list[str]:
    return [host.name, *(make_host(name, zone=settings.DEFAULT_ZONE).name for name in ("sim2", "sim3"))]


def hosts_of(group: PlacementGroup) -> list[str]:
    rows = Instance.objects.filter(group_member__group=group, host__isnull=False).order_by("pk")
    return [str(instance.host) for instance in rows.select_related("host")]


def test_a_spread_group_takes_a_host_for_each_member_and_says_why_there_is_no_more(group, launch, settle, three_hosts):
    spread = group("spread")
    launch(4, placement_group=spread)

    settle()

    assert sorted(hosts_of(spread)) == three_hosts
    last = Instance.objects.get(state="terminated")
    assert last.reason == ("Server.InsufficientInstanceCapacity: 3 hosts: 3 hold another member of placement group x")
    assert Placement.objects.get(instance_id=last.ec2_id).refusals["spread"]["group"] == "x"


def test_partitions_are_filled_evenly_and_share_no_host(group, launch, settle, three_hosts):
    partitions = group("partition", partition_count=3)

    launch(4, placement_group=partitions)
    launch(2, placement_group=partitions)
    settle()

    members = list(GroupMember.objects.select_related("instance__host"))
    assert Counter(member.partition_number for member in members) == {1: 2, 2: 2, 3: 2}
    where = {(str(member.instance.host), member.partition_number) for member in members}
    assert len(where) == 3


def test_a_partition_can_be_chosen(group, launch, settle, three_hosts):
    partitions = group("partition")

    launch(2, placement_group=partitions, partition_number=2)

    assert list(GroupMember.objects.values_list("partition_number", flat=True)) == [2, 2]
    for number, where in ((3, partitions), (0, partitions), (1, group("spread", "y")), (1, None)):
        with pytest.raises(CloudError):
            launch(placement_group=where, partition_number=number)


def test_a_cluster_stays_together_even_where_packing_would_part_it(group, launch, settle, three_hosts):
    cluster = group("cluster")
    [first] = launch(placement_group=cluster)
    settle()
    home = str(Instance.objects.select_related("host").get(pk=first.pk).host)
    fuller = Host.objects.exclude(name=home).first()
    Host.objects.filter(pk=fuller.pk).update(vcpus_allocated=4, memory_allocated_mib=8192)

    launch(2, placement_group=cluster)
    settle()

    assert hosts_of(cluster) == [home] * 3


def test_a_member_that_is_stopped_leaves_its_host_to_others_and_looks_for_one_again(
    group, launch, settle, three_hosts, actor
):
    spread = group("spread")
    launch(3, placement_group=spread)
    settle()
    stopped = Instance.objects.earliest("pk")
    stop_instances([stopped], actor=actor, force=True)
    settle()

    launch(placement_group=spread)
    settle()
    start_instances([Instance.objects.get(pk=stopped.pk)], actor=actor)
    settle()

    stopped.refresh_from_db()
    assert len(set(hosts_of(spread))) == 3
    assert stopped.state == "stopped"
    assert "hold another member of placement group x" in stopped.reason


def test_a_group_in_use_stays_and_an_empty_one_goes_with_those_that_have_ended(
    group, launch, settle, three_hosts, actor
):
    cluster = group("cluster")
    [instance] = launch(placement_group=cluster)
    settle()

    with pytest.raises(CloudError, match=f"instance {instance} is in it"):
        delete_group(cluster, actor=actor)
    terminate_instances([instance], actor=actor)
    settle()
    delete_group(cluster, actor=actor)

    assert not PlacementGroup.objects.exists()
    assert Instance.objects.get().state == "terminated"
    verbs = AuditEntry.objects.filter(resource_type="placement-group").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["create", "delete"]
    with pytest.raises(CloudError, match="is unknown"):
        delete_group(cluster, actor=actor)


def test_only_a_stopped_instance_is_moved_into_a_group_and_out_of_it(group, running, settle, actor):
    spread, partitions = group("spread"), group("partition", "y")

    with pytest.raises(CloudError, match="not in the 'stopped' state: it is running"):
        move_instance(running, spread, actor=actor)
    stop_instances([running], actor=actor, force=True)
    settle()
    move_instance(running, spread, actor=actor)
    assert GroupMember.objects.get().group == spread
    move_instance(running, partitions, 2, actor=actor)
    assert GroupMember.objects.get().partition_number == 2
    move_instance(running, None, actor=actor)
    assert not GroupMember.objects.exists()


@pytest.mark.parametrize(
    ("name", "strategy", "fields"),
    [
        ("", "spread", {}),
        ("é", "spread", {}),
        ("x" * 256, "spread", {}),
        ("x", "precision-time", {}),
        ("x", "spread", {"partition_count": 2}),
        ("x", "partition", {"partition_count": 8}),
        ("x", "partition", {"partition_count": 0}),
        ("x", "cluster", {"spread_level": "rack"}),
        ("x", "spread", {"spread_level": "planet"}),
        ("x", "spread", {"tags": {"aws:x": ""}}),
    ],
)
def test_what_is_no_placement_group_is_refused(tenant, actor, name, strategy, fields):
    with pytest.raises(CloudError):
        create_group(tenant, name, strategy, actor=actor, **fields)
    assert not PlacementGroup.objects.exists()
