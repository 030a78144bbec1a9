"""What `make test` runs its steps with."""

import re
from pathlib import Path

import pytest

from scripts.check import count_tests, environment, knobs, recipe_hash
from scripts.options import ROOT


def test_every_knob_of_the_settings_stands_in_the_example() -> None:
    read = set(re.findall(r'env_[a-z]+\("([A-Z_]+)"', (ROOT / "portal" / "settings.py").read_text()))

    assert read
    assert read - knobs() == set()


def test_the_callers_knobs_and_keys_do_not_reach_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "DEMO", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "PORT"):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("KEEP_DATA", "1")

    env = environment(tmp_path)

    assert "the caller's" not in env.values()
    assert env["KEEP_DATA"] == "1"
    assert env["DATA_DIR"] == str(tmp_path / "data")


def test_a_recipe_with_another_content_or_mode_is_another_recipe(tmp_path: Path) -> None:
    file = tmp_path / "build.sh"
    hashes = []
    for content, mode in (("a", 0o644), ("b", 0o644), ("b", 0o755)):
        file.write_text(content)
        file.chmod(mode)
        hashes.append(recipe_hash(tmp_path))

    assert len(set(hashes)) == 3


def test_skipped_tests_do_not_count_as_passed(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="5" skipped="2"/></testsuites>')

    assert count_tests(report) == (3, 2)
