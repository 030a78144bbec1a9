"""What a new installation begins with."""

from __future__ import annotations

import pytest

from compute.bootstrap import bootstrap
from compute.models import Host
from portal.models import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def data_dir(tmp_path, settings):
    settings.DATA_DIR = tmp_path / "my data"
    settings.DATA_DIR.mkdir()
    settings.HOSTS = "simulated:12"
    return settings.DATA_DIR


def test_a_second_time_changes_nothing(data_dir):
    list(bootstrap())
    before = (data_dir / "welcome.txt").read_text()
    list(bootstrap())

    assert Host.objects.count() == 12
    assert Tenant.objects.count() == 2
    assert (data_dir / "welcome.txt").read_text() == before


def test_passwords_and_keys_are_for_their_owner_only(data_dir):
    list(bootstrap())

    for name in ("welcome.txt", "demo.env", "demo2.env", "secrets/demo.password"):
        assert (data_dir / name).stat().st_mode & 0o777 == 0o600


def test_the_way_in_says_what_runs_the_guests_and_can_be_pasted(data_dir):
    list(bootstrap())

    said = (data_dir / "welcome.txt").read_text()
    assert "12 simulated hosts" in said
    assert f". '{data_dir}/demo.env' &&" in said


def test_without_demo_data_there_is_nobody_and_the_way_to_an_operator_is_shown(data_dir, settings):
    settings.DEMO = False

    list(bootstrap())

    assert not Tenant.objects.exists()
    assert not list(data_dir.glob("*.env"))
    assert f"DATA_DIR='{data_dir}' .venv/bin/python manage.py createsuperuser" in (data_dir / "welcome.txt").read_text()
