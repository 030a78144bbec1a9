"""Documentation is held to the code: what exists must be described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from compute.drivers import KINDS
from scripts.options import ROOT

OURS = {"portal", "operations", "compute", "networking", "storage", "scheduling", "ec2api"}
PAGES = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


def knobs() -> list[str]:
    return re.findall(r"^#([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M)


@pytest.mark.parametrize("knob", sorted(set(knobs()) - {"YUSHAN_CACHE", "KEEP_DATA"}))
def test_every_knob_is_described(knob):
    assert f"`{knob}`" in (ROOT / "docs" / "settings.md").read_text()


@pytest.mark.parametrize("command", sorted(name for name, app in get_commands().items() if app in OURS))
def test_every_command_is_described(command):
    assert f"manage.py {command}" in PAGES


@pytest.mark.parametrize("driver", sorted(KINDS))
def test_every_driver_is_described(driver):
    assert f"`{driver}`" in PAGES


def test_every_link_leads_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)", page.read_text())]

    broken = [f"{page}: {link}" for page, link in links if "://" not in link and not target(page, link).exists()]

    assert broken == []


def target(page: Path, link: str) -> Path:
    return page.parent / link
