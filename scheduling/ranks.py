"""A score for every host at once; more is better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scheduling.filters import FloatArray, Hosts, Request


def packing(hosts: Hosts, request: Request) -> FloatArray:
    """The fullest host first, so that the others stay free for what is large."""
    return hosts.memory_allocated_mib / hosts.memory_mib + hosts.vcpus_allocated / hosts.vcpus


def striping(hosts: Hosts, request: Request) -> FloatArray:
    """The emptiest host first."""
    return -packing(hosts, request)


def nearness(hosts: Hosts, request: Request) -> FloatArray:
    """How many members of the instance's cluster group each host has: comes before any policy, but refuses no host."""
    if request.group is None or request.group.strategy != "cluster" or not request.group.hosts:
        return np.zeros(len(hosts))
    names, counts = np.unique(np.array(request.group.hosts), return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return np.array([found.get(name, 0) for name in hosts.names], dtype=float)


Rank = Callable[[Hosts, Request], FloatArray]

POLICIES: dict[str, Rank] = {"packing": packing, "striping": striping}
