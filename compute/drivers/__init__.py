"""Drivers by kind; one per host and process."""

from __future__ import annotations

import os
import threading
from importlib import import_module

from compute.drivers.base import Driver, DriverError, HostSettings

# By dotted path, so that what one driver needs is not asked of those who use another.
KINDS = {
    "kvm": "compute.drivers.kvm.KvmDriver",
    "simulated": "compute.drivers.simulated.SimulatedDriver",
}

_drivers: dict[tuple[int, str, str], Driver] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def driver_class(kind: str) -> type[Driver]:
    """The class of a kind; raises DriverError if there is none or its library is missing."""
    if kind not in KINDS:
        raise DriverError(f"there is no driver {kind!r}; there are {', '.join(sorted(KINDS))}")
    module, _, name = KINDS[kind].rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except ImportError as error:
        raise DriverError(f"driver {kind!r} cannot be used here: {error}") from error
    assert isinstance(found, type)
    assert issubclass(found, Driver)
    return found


def driver_for(kind: str, host: HostSettings) -> Driver:
    """The driver of a host, with this process's connection; a host whose settings changed gets a new one."""
    key = (os.getpid(), kind, host.name)
    with _lock:
        driver = _drivers.get(key)
        if driver is not None and driver.host == host:
            return driver
        if driver is not None:
            driver.close()
        driver = _drivers[key] = driver_class(kind)(host)
        return driver
