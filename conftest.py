"""What all tests share: tenants with their networks, simulated hosts, and a worker and a watcher in this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import authlib.deprecate  # noqa: F401 - sets a filter of its own, which must come before those of pyproject.toml
import pytest
from django.utils import timezone

from compute import drivers
from compute.bootstrap import INSTANCE_TYPES
from compute.drivers.base import DriverError
from compute.launching import Launch, launch_instances
from compute.models import Host, Instance, InstanceType
from compute.reconcile import reconcile
from networking.services import default_network
from operations.models import Operation
from operations.tasks import work, work_slowly
from portal.audit import Actor, Door
from portal.models import Membership, Role, Tenant, User
from storage.models import Image
from storage.tests.making import make_image


def examples(count: int) -> int:
    """How many a property is tried on: a fifth when tests are to be quick."""
    return max(5, count // 5) if os.environ.get("QUICK_TESTS") else count


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings) -> Path:
    """Each test has its own DATA_DIR, so that simulated hosts are empty."""
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture(autouse=True)
def _cheap_passwords(settings) -> None:
    """Django's own hash is slow on purpose, and nearly every test makes a user."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _plain_static_files(settings) -> None:
    """Pages name static files without the manifest that only collectstatic writes."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture
def user(db) -> User:
    return User.objects.create_user("ann", password="correct horse battery")


@pytest.fixture
def tenant(user: User) -> Tenant:
    return _tenant("physics", user)


@pytest.fixture
def neighbour(db) -> Tenant:
    """Another tenant, with a user of its own."""
    return _tenant("chemistry", User.objects.create_user("bob", password="correct horse battery"))


def _tenant(name: str, user: User) -> Tenant:
    tenant = Tenant.objects.create(name=name)
    Membership.objects.create(tenant=tenant, user=user, role=Role.ADMINISTRATOR)
    return tenant


@pytest.fixture
def actor(user: User) -> Actor:
    return Actor(user=user, door=Door.API, address="192.0.2.7", access_key_id="AKIATEST")


@pytest.fixture
def types(db) -> dict[str, InstanceType]:
    rows = [InstanceType(name=n, vcpus=v, memory_mib=m, disk_gib=d) for n, v, m, d in INSTANCE_TYPES]
    return {row.name: row for row in InstanceType.objects.bulk_create(rows)}


@pytest.fixture
def image(db) -> Image:
    return make_image("tiny", is_public=True)


@pytest.fixture
def host(db, settings) -> Host:
    return make_host("sim1", zone=settings.DEFAULT_ZONE)


def make_host(name: str, *, zone: str, **fields: object) -> Host:
    values = {"driver": "simulated", "vcpus": 8, "memory_mib": 16384, "seen_at": timezone.now(), **fields}
    return Host.objects.create(name=name, zone=zone, **values)


@pytest.fixture
def launch(tenant, actor, types, image, host) -> Callable[..., list[Instance]]:
    """launch(count, **fields of Launch): new instances of the tenant, pending."""

    def launch_some(count: int = 1, *, of: Tenant = tenant, **fields: object) -> list[Instance]:
        network = default_network(of)
        values = {"image": image, "instance_type": types["t2.nano"], "subnet": network.subnet}
        values |= {"groups": [network.group], "min_count": count, "max_count": count}
        launch = Launch(**{**values, **fields})
        return launch_instances(of, launch, actor=actor)

    return launch_some


@pytest.fixture
def settle() -> Callable[[], None]:
    """Do what a worker and a watcher would, until nothing is due any more."""

    def go(rounds: int = 6) -> None:
        for _ in range(rounds):
            work()
            work_slowly()
            look()
            if not Operation.objects.claimable().exists():
                return

    return go


def look() -> None:
    """What the watcher does once each second."""
    for host in Host.objects.all():
        try:
            report = drivers.driver_for(host.driver, host.settings()).report()
        except DriverError:
            continue
        Host.objects.filter(pk=host.pk).update(seen_at=timezone.now())
        reconcile({host: report.domains})


@pytest.fixture
def running(launch, settle) -> Instance:
    """One running instance."""
    [instance] = launch()
    settle()
    instance = Instance.objects.get(pk=instance.pk)
    assert instance.state == "running"
    return instance
