"""The simulated driver keeps the contract, and fails when it is told to."""

from __future__ import annotations

import dataclasses
import itertools
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from compute.drivers.base import Backing, Disk, DomainSpec, Driver, DriverError, HostSettings, HostUnreachable, Power
from compute.drivers.simulated import SimulatedDriver
from compute.drivers.tests.contract import DriverContract, NewSpec
from storage.backends.base import LayerFile


def driver_of(path: Path, installation: str = "ours", **options: object) -> SimulatedDriver:
    facts = {"data_dir": str(path), "installation": installation, "vcpus": 8, "memory_mib": 16384}
    return SimulatedDriver(HostSettings(name="sim1", options={**facts, **options}))


@pytest.fixture
def new_spec() -> NewSpec:
    numbers = itertools.count(1)

    def make(installation: str, **fields: Any) -> DomainSpec:
        name = f"i-{next(numbers):017x}"
        spec = DomainSpec(name, str(uuid.uuid4()), installation, vcpus=1, memory_mib=128, disks=())
        return dataclasses.replace(spec, **fields)

    return make


class NamedLayers:
    """Layers without files."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def layer(self, key: str | None = None, backing: Sequence[LayerFile] = (), size_bytes: int = 2**20) -> LayerFile:
        return LayerFile(f"layers/layer-{next(self._numbers)}.qcow2", key)

    def seen(self, layer: LayerFile) -> str:
        return f"/datastore/{layer.name}"

    def disk(self, layer: LayerFile, serial: str = "", backing: Sequence[LayerFile] = ()) -> Disk:
        below = tuple(Backing(self.seen(each)) for each in backing)
        return Disk(self.seen(layer), "qcow2", "", serial=serial or layer.name, backing=below)


@pytest.fixture
def layers() -> NamedLayers:
    return NamedLayers()


class TestSimulatedDriver(DriverContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        return driver_of(tmp_path)

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> Driver:
        return driver_of(tmp_path, "theirs")


def test_its_domains_survive_the_process(tmp_path, new_spec):
    spec = new_spec("ours")
    driver_of(tmp_path).create(spec)

    assert driver_of(tmp_path).power(spec.name) is Power.RUNNING


def test_it_refuses_what_it_is_told_to_refuse(tmp_path, new_spec):
    with pytest.raises(DriverError, match="refuses to create"):
        driver_of(tmp_path, fail=["create"]).create(new_spec("ours"))


def test_it_can_be_unreachable(tmp_path):
    with pytest.raises(HostUnreachable):
        driver_of(tmp_path, unreachable=True).report()


def test_a_stubborn_guest_ignores_the_button(tmp_path, new_spec):
    spec, driver = new_spec("ours"), driver_of(tmp_path, stubborn=True)
    driver.create(spec)

    driver.shutdown(spec.name)
    driver.reboot(spec.name)
    [domain] = driver.report().domains
    driver.reset(spec.name)
    [after] = driver.report().domains

    assert driver.power(spec.name) is Power.RUNNING
    assert (domain.boot_mark, after.boot_mark) == (1, 2)
