"""Placement groups in the scheduler: pure, over plain values."""

from __future__ import annotations

import numpy as np
import pytest

from scheduling.filters import Group, Hosts, Request
from scheduling.placement import decide


def hosts(*names: str) -> Hosts:
    """Alike, and emptier from the first to the last, so that packing prefers the first."""
    count = len(names)
    return Hosts(
        names=names,
        zones=np.full(count, "a"),
        architectures=np.full(count, "x86_64"),
        is_up=np.full(count, True),
        is_enabled=np.full(count, True),
        vcpus=np.full(count, 8.0),
        vcpus_allocated=np.arange(count, 0, -1, dtype=float),
        memory_mib=np.full(count, 8192.0),
        memory_allocated_mib=np.zeros(count),
    )


def order(group: Group | None) -> tuple[str, ...]:
    return decide(hosts("h1", "h2", "h3"), Request(1, 512, group=group)).order


def test_members_of_a_spread_group_share_no_host():
    assert order(Group("g", "spread", hosts=("h1", "h3"), partitions=(0, 0))) == ("h2",)


def test_where_no_host_is_left_the_reason_names_the_group():
    full = Group("x", "spread", hosts=("h1", "h2", "h3"), partitions=(0, 0, 0))

    decision = decide(hosts("h1", "h2", "h3"), Request(1, 512, group=full))

    assert decision.order == ()
    assert decision.summary == "3 hosts: 3 hold another member of placement group x"
    assert (decision.refusals, decision.group) == ({"spread": ["h1", "h2", "h3"]}, "x")


def test_partitions_share_no_host_but_members_of_one_do():
    group = Group("g", "partition", hosts=("h1", "h2", "h2"), partitions=(1, 2, 2), partition=2)

    assert order(group) == ("h2", "h3")


def test_a_cluster_prefers_hosts_with_members_and_takes_any_other():
    group = Group("g", "cluster", hosts=("h3", "h2", "h3"), partitions=(0, 0, 0))

    assert order(group) == ("h3", "h2", "h1")


@pytest.mark.parametrize("group", [None, *(Group("g", strategy) for strategy in ("cluster", "spread", "partition"))])
def test_without_members_a_group_changes_nothing(group):
    assert order(group) == ("h1", "h2", "h3")


def test_a_host_that_is_no_more_does_no_harm():
    assert order(Group("g", "spread", hosts=("gone",), partitions=(0,))) == ("h1", "h2", "h3")
