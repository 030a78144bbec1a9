"""A score for every host at once; more is better."""

from __future__ import annotations

from collections.abc import Callable

from scheduling.filters import FloatArray, Hosts, Request


def packing(hosts: Hosts, request: Request) -> FloatArray:
    """The fullest host first, so that the others stay free for what is large."""
    return hosts.memory_allocated_mib / hosts.memory_mib + hosts.vcpus_allocated / hosts.vcpus


def striping(hosts: Hosts, request: Request) -> FloatArray:
    """The emptiest host first."""
    return -packing(hosts, request)


Rank = Callable[[Hosts, Request], FloatArray]

POLICIES: dict[str, Rank] = {"packing": packing, "striping": striping}
