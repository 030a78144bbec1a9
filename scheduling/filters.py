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
class Request:
    """What one instance needs.  ``only_on``: the one host that has its disks; empty: any."""

    vcpus: int
    memory_mib: int
    zone: str = ""
    architecture: str = "x86_64"
    only_on: str = ""


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
}

WORDS = {
    "down": "are down",
    "cordoned": "take no new instances",
    "zone": "are in another zone",
    "architecture": "have another architecture",
    "disks": "do not reach its disks",
    "vcpus": "lack vCPUs",
    "memory": "lack memory",
}
