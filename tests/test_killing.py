"""kill -9 of the worker, the watcher or the web server, at any moment: nothing is lost, leaked or done twice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cloud import Cloud
from tests.killing import Tenant, assert_agreed, kill, running, shell

pytestmark = pytest.mark.live

ROUNDS = 6


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(hosts="simulated:4", DEMO_INSTANCES="60")
    try:
        cloud.start()
        shell(cloud, "from compute.models import Host; Host.objects.update(options={'delay_s': 0.15}); print('{}')")
        yield cloud
    finally:
        cloud.destroy()


@pytest.mark.parametrize("victim", ["worker", "watcher", "web"])
def test_whatever_is_killed_every_instance_ends_as_its_tenant_asked(cloud, victim):
    tenant = Tenant(cloud, victim)

    for _ in range(ROUNDS):
        tenant.ask()
        time.sleep(tenant.chance.uniform(0, 0.6))
        for pid in running(cloud, victim):
            kill(pid)

    assert_agreed(cloud, tenant)
