"""Drivers by name."""

from __future__ import annotations

from compute.drivers.base import Driver, HostSettings
from compute.drivers.simulated import SimulatedDriver


def driver_for(kind: str, host: HostSettings) -> Driver:
    return SimulatedDriver(host)
