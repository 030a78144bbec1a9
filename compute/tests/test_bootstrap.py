"""What a new installation begins with, and that starting again keeps what is there."""

from __future__ import annotations

import stat

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from compute.bootstrap import bootstrap
from compute.models import Host, InstanceType
from portal.models import AccessKey, Quota, Resource, Tenant, User
from storage.models import Image

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def simulated(settings, data_dir):
    settings.HOSTS = "simulated:3"
    settings.DATA_DIR = data_dir / "my data"
    settings.DATA_DIR.mkdir()


@pytest.fixture
def own_dir(settings):
    return settings.DATA_DIR


def test_two_demo_tenants_with_keys_in_files_for_their_eyes_only(own_dir, settings):
    list(bootstrap())

    assert {t.name for t in Tenant.objects.all()} == {"demo", "demo2"}
    for name in ("demo", "demo2"):
        path = own_dir / f"{name}.env"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        key = AccessKey.objects.get(tenant__name=name)
        assert f"export AWS_ACCESS_KEY_ID={key.access_key_id}" in path.read_text()
        assert f"export AWS_ENDPOINT_URL={settings.PUBLIC_URL}" in path.read_text()
        assert key.secret in path.read_text()
    assert Quota.objects.get(tenant__name="demo", resource=Resource.INSTANCES).limit == 20
    assert Quota.objects.get(tenant__name="demo", resource=Resource.ADDRESSES).limit == 5
    assert Host.objects.count() == 3
    assert {(h.vcpus, h.memory_mib) for h in Host.objects.all()} == {(8, 16384)}


def test_a_second_start_keeps_everything(own_dir, client):
    list(bootstrap())
    before = (own_dir / "demo.env").read_text(), (own_dir / "welcome.txt").read_text()
    Quota.objects.filter(tenant__name="demo", resource=Resource.INSTANCES).update(limit=3)
    counts = [model.objects.count() for model in (Host, InstanceType, Image, Tenant, User, AccessKey, Quota)]

    call_command("bootstrap")

    assert ((own_dir / "demo.env").read_text(), (own_dir / "welcome.txt").read_text()) == before
    assert Quota.objects.get(tenant__name="demo", resource=Resource.INSTANCES).limit == 3
    assert [m.objects.count() for m in (Host, InstanceType, Image, Tenant, User, AccessKey, Quota)] == counts


def test_the_printed_password_signs_in(own_dir, client):
    list(bootstrap())

    password = (own_dir / "secrets" / "demo.password").read_text()

    client.post("/sign-in/", {"username": "demo", "password": password})
    assert client.get("/instances/").status_code == 200
    assert password in (own_dir / "welcome.txt").read_text()
    assert (own_dir / "secrets" / "demo.password").stat().st_mode & 0o077 == 0


def test_another_number_of_instances_brings_the_rest_in_proportion(settings):
    settings.DEMO_INSTANCES, settings.DEMO_INSTANCES_ASKED = 1000, True

    list(bootstrap())

    limits = dict(Quota.objects.filter(tenant__name="demo").values_list("resource", "limit"))
    assert (limits[Resource.INSTANCES], limits[Resource.VCPUS], limits[Resource.MEMORY_MIB]) == (1000, 2000, 2048000)


def test_without_demo_it_asks_for_an_operator(settings, own_dir):
    settings.DEMO = False

    list(bootstrap())

    assert not User.objects.exists()
    assert "manage.py createsuperuser" in (own_dir / "welcome.txt").read_text()


def test_nonsense_hosts_are_refused_by_name(settings):
    settings.HOSTS = "cloud9"

    with pytest.raises(ImproperlyConfigured, match="HOSTS='cloud9': use local, simulated:N"):
        list(bootstrap())


def test_passwords_and_keys_are_for_their_owner_only(own_dir):
    list(bootstrap())

    for name in ("welcome.txt", "demo.env", "demo2.env", "secrets/demo.password"):
        assert (own_dir / name).stat().st_mode & 0o777 == 0o600


def test_the_way_in_says_what_runs_the_guests_and_can_be_pasted(own_dir):
    list(bootstrap())

    said = (own_dir / "welcome.txt").read_text()
    assert "3 simulated hosts" in said
    assert f". '{own_dir}/demo.env' &&" in said
