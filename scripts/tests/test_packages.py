"""What set-up installs is pinned and comes from nowhere in particular."""

import json
import re

from scripts.assets import ROOT
from scripts.lock import constraints


def test_the_lock_lists_each_package_once_by_its_normal_name() -> None:
    report = {
        "install": [{"metadata": {"name": "B_b.x", "version": "2"}}, {"metadata": {"name": "Aa", "version": "1"}}]
    }

    assert constraints(report).splitlines()[1:] == ["aa==1", "b-b-x==2"]


def test_every_requirement_is_pinned_to_what_the_lock_says() -> None:
    locked = set((ROOT / "constraints.txt").read_text().splitlines())
    lines = [
        line for name in ("requirements.txt", "requirements-dev.txt") for line in (ROOT / name).read_text().splitlines()
    ]
    pins = [re.sub(r"\[.*\]", "", line).lower().replace("_", "-") for line in lines if line and line[0] not in "#-"]

    assert pins
    assert [pin for pin in pins if pin not in locked] == []


def test_the_asset_lock_names_no_registry() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())

    assert all("integrity" in package for name, package in lock["packages"].items() if name)
    assert not any("resolved" in package for package in lock["packages"].values())
