"""kill -9 of libvirtd or of its keeper while real guests start and stop: nothing is lost, leaked or done twice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from scripts.processes import command_line_of
from tests.cloud import Cloud
from tests.killing import LOOK, Tenant, assert_agreed, kill, running, shell

pytestmark = [pytest.mark.live, pytest.mark.host]

ROUNDS = 4
LONGEST_PAUSE_S = 3.0  # within which a guest is cloned, defined, started; or is told to stop, and stopped
ENDS_WITHIN_S = 30


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(hosts="local", STOP_GRACE_S="3")
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.destroy()


def is_keeper(pid: int) -> bool:
    return b"compute.localhost.daemon" in command_line_of(pid)


def is_libvirtd(pid: int) -> bool:
    return command_line_of(pid).partition(b"\0")[0].endswith(b"libvirtd")


def guests(cloud: Cloud) -> set[str]:
    """The instances for which a QEMU runs, whether libvirt knows it or not."""
    lines = map(command_line_of, cloud.guest_pids())
    return {match[1].decode() for line in lines if (match := re.search(rb"guest=(i-[0-9a-f]+),", line))}


@pytest.mark.parametrize("is_victim", [is_libvirtd, is_keeper])
def test_whatever_is_killed_real_guests_end_as_their_tenant_asked(cloud: Cloud, is_victim: Callable[[int], bool]):
    tenant = Tenant(cloud, is_victim.__name__, at_once=1)

    for _ in range(ROUNDS):
        tenant.ask()
        time.sleep(tenant.chance.uniform(0, LONGEST_PAUSE_S))
        for pid in running(cloud, "libvirtd", is_victim):
            kill(pid)

    assert_agreed(cloud, tenant, before_the_end=lambda: guests_are_those_of_rows(cloud))
    wait_for_the_last_guest(cloud)


def guests_are_those_of_rows(cloud: Cloud) -> None:
    assert guests(cloud) == set(shell(cloud, LOOK)["running"])


def wait_for_the_last_guest(cloud: Cloud) -> None:
    deadline = time.monotonic() + ENDS_WITHIN_S
    while left := guests(cloud):
        assert time.monotonic() < deadline, f"{left} still run\n{cloud.logs()}"
        time.sleep(0.2)
