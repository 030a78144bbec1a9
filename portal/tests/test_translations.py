"""Traditional Chinese: every string that is marked, none guessed, and with its placeholders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from ec2api.tests.cloud import new_account, signed

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOGUE = Path("locale/zh_Hant/LC_MESSAGES/django.po")
APPS = ("portal", "operations", "networking", "storage", "scheduling", "compute", "ec2api", "templates", "locale")
EXTRACT = ["-m", "django", "makemessages", "--locale", "zh_Hant", "--no-obsolete", "--add-location", "file"]


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> Path:
    """The catalogue as makemessages would write it now, from a copy of the tree."""
    copy = tmp_path_factory.mktemp("tree")
    for name in APPS:
        ignored = shutil.ignore_patterns("__pycache__", "tests", "migrations", "*.mo")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    done = run(sys.executable, *EXTRACT, cwd=copy)
    assert done.returncode == 0, done.stderr
    return copy / CATALOGUE


def test_every_marked_string_is_translated_and_none_is_guessed(extracted):
    for kind in ("--untranslated", "--only-fuzzy"):
        found = run("msgattrib", kind, "--no-obsolete", str(extracted), cwd=ROOT).stdout
        strings = [line for line in found.splitlines() if line.startswith(("msgid", '"')) and "\\n" not in line]
        assert not strings[1:], f"{kind}: run makemessages (CONTRIBUTING.md) and translate: {strings[1:]}"


def test_placeholders_are_kept(tmp_path):
    done = run("msgfmt", "--check-format", "-o", str(tmp_path / "django.mo"), str(CATALOGUE), cwd=ROOT)

    assert done.returncode == 0, done.stderr


def test_pages_speak_chinese_when_asked(db, settings, tmp_path):
    target = tmp_path / "zh_Hant" / "LC_MESSAGES" / "django.mo"
    target.parent.mkdir(parents=True)
    assert run("msgfmt", "-o", str(target), str(CATALOGUE), cwd=ROOT).returncode == 0
    settings.LOCALE_PATHS = [tmp_path]

    page = Client().get("/sign-in/", headers={"Accept-Language": "zh-TW"}).content.decode()

    assert 'lang="zh-hant"' in page
    assert "忘記密碼？" in page
    assert "Forgot" not in page


@pytest.fixture
def chinese(settings, tmp_path):
    """The catalogue, compiled, for readers who asked for nothing else."""
    target = tmp_path / "zh_Hant" / "LC_MESSAGES" / "django.mo"
    target.parent.mkdir(parents=True)
    assert run("msgfmt", "-o", str(target), str(CATALOGUE), cwd=ROOT).returncode == 0
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGE_CODE = "zh-hant"


def test_what_services_refuse_is_chinese_in_the_portal(chinese, client, user, tenant, running):
    client.force_login(user)

    address = reverse("instance-add-tag", args=[running.ec2_id])
    page = client.post(address, {"key": "aws:x"}).content.decode()

    assert "保留給內部使用" in page


def test_the_api_answers_programs_in_english_whatever_people_read(chinese, image, host, types):
    account = new_account("alice", instances=0)
    asked = {"Action": "RunInstances", "ImageId": image.ec2_id, "InstanceType": "t2.nano"}
    answer = signed(account, {**asked, "MinCount": "1", "MaxCount": "1", "Version": "2016-11-15"})

    assert answer.status_code == 400
    assert b"quota exceeded: 1 more instances asked, 0 of 0 in use" in answer.content
