"""Yes or no for every host at once: pure functions over arrays, one element a host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hosts:
    """A snapshot of the hosts as a struct of arrays.  Capacities include what may be overcommitted."""

    names: tuple[str, ...]
    zones: NDArray[np.str_]
    architectures: NDArray[np.str_]
    is_up: BoolArray
    is_enabled: BoolArray
    vcpus: FloatArray
    vcpus_allocated: FloatArray
    memory_mib: FloatArray
    memory_allocated_mib: FloatArray

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Group:
    """A placement group as it stands: where its other members are, one entry each, and in which partition."""

    name: str
    strategy: str  # "cluster", "spread" or "partition"
    hosts: tuple[str, ...] = ()
    partitions: tuple[int, ...] = ()
    partition: int = 0  # of the instance that is to be placed

    @property
    def closed(self) -> frozenset[str]:
        """The hosts where the group does not let this instance go."""
        if self.strategy == "spread":
            return frozenset(self.hosts)
        if self.strategy == "partition":
            beside = zip(self.hosts, self.partitions, strict=True)
            return frozenset(host for host, partition in beside if partition != self.partition)
        return frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """What one instance needs.  ``only_on``: the one host that has its disks; empty: any."""

    vcpus: int
    memory_mib: int
    zone: str = ""
    architecture: str = "x86_64"
    only_on: str = ""
    group: Group | None = None


def up(hosts: Hosts, request: Request) -> BoolArray:
    return hosts.is_up


def enabled(hosts: Hosts, request: Request) -> BoolArray:
    return hosts.is_enabled


def zone(hosts: Hosts, request: Request) -> BoolArray:
    return np.asarray(hosts.zones == request.zone) if request.zone else np.full(len(hosts), True)


def architecture(hosts: Hosts, request: Request) -> BoolArray:
    return np.asarray(hosts.architectures == request.architecture)


def disks(hosts: Hosts, request: Request) -> BoolArray:
    return np.asarray(np.array(hosts.names) == request.only_on) if request.only_on else np.full(len(hosts), True)


def vcpus(hosts: Hosts, request: Request) -> BoolArray:
    return hosts.vcpus - hosts.vcpus_allocated >= request.vcpus


def memory(hosts: Hosts, request: Request) -> BoolArray:
    return hosts.memory_mib - hosts.memory_allocated_mib >= request.memory_mib


def _open(hosts: Hosts, request: Request, strategy: str) -> BoolArray:
    if request.group is None or request.group.strategy != strategy or not request.group.closed:
        return np.full(len(hosts), True)
    return ~np.isin(np.array(hosts.names), sorted(request.group.closed))


def spread(hosts: Hosts, request: Request) -> BoolArray:
    """No two members of a spread group on one host."""
    return _open(hosts, request, "spread")


def partition(hosts: Hosts, request: Request) -> BoolArray:
    """No host for two partitions of a group."""
    return _open(hosts, request, "partition")


Filter = Callable[[Hosts, Request], BoolArray]

# In the order in which a host's refusal is named: the first filter that refuses it.
FILTERS: dict[str, Filter] = {
    "down": up,
    "cordoned": enabled,
    "zone": zone,
    "architecture": architecture,
    "disks": disks,
    "vcpus": vcpus,
    "memory": memory,
    "spread": spread,
    "partition": partition,
}

WORDS = {
    "down": "are down",
    "cordoned": "take no new instances",
    "zone": "are in another zone",
    "architecture": "have another architecture",
    "disks": "do not reach its disks",
    "vcpus": "lack vCPUs",
    "memory": "lack memory",
    "spread": "hold another member of placement group {group}",
    "partition": "hold another partition of placement group {group}",
}


def words(reason: str, group: str = "") -> str:
    """Why a host was refused, in words; what was never one of ours as it is."""
    return WORDS.get(reason, reason).replace("{group}", group)
