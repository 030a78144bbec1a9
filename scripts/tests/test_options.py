"""The knobs of `make run`."""

from pathlib import Path

import pytest

from scripts.console import Stop
from scripts.options import ROOT, Options


def test_everything_has_a_default() -> None:
    options = Options.read({})

    assert options.data_dir == ROOT / "var"
    assert options.guest_images == ROOT / "var" / "guest-image"
    assert options.url == "http://127.0.0.1:8000"
    assert options.is_local


def test_a_data_dir_may_have_spaces_and_stands_relative_to_the_checkout() -> None:
    assert Options.read({"DATA_DIR": "my data"}).data_dir == ROOT / "my data"
    assert Options.read({"DATA_DIR": "/srv/my data"}).data_dir == Path("/srv/my data")


def test_the_own_address_is_used_when_all_addresses_are_bound() -> None:
    assert Options.read({"BIND": "0.0.0.0", "PORT": "81"}).url == "http://127.0.0.1:81"


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("PORT", "web"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("HOSTS", "remote"),
        ("HOSTS", "simulated:"),
        ("HOSTS", "simulated:x"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(knob: str, value: str) -> None:
    with pytest.raises(Stop, match=f"{knob} is '{value}'"):
        Options.read({knob: value})


def test_simulated_hosts_need_no_hypervisor() -> None:
    assert not Options.read({"HOSTS": "simulated:3"}).is_local
