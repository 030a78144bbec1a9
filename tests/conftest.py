"""Clouds that tests share: one with a real host, one with simulated hosts; each is started when first asked for."""

from collections.abc import Iterator

import pytest

from tests.clients.leftovers import sweep
from tests.cloud import Cloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """This machine as its only host."""
    yield from running(Cloud(hosts="local"))


@pytest.fixture(scope="session")
def simulated_cloud() -> Iterator[Cloud]:
    """Hosts that need no hypervisor."""
    yield from running(Cloud(hosts="simulated:10"))


@pytest.fixture
def tidy_cloud(simulated_cloud: Cloud) -> Iterator[Cloud]:
    """Simulated hosts, and nothing of the demo tenant's: what a session leaves is swept away."""
    yield simulated_cloud
    sweep(simulated_cloud)


def running(cloud: Cloud) -> Iterator[Cloud]:
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.destroy()
