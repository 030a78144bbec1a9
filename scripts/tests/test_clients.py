"""Clients kept in the cache of the tests."""

import json
import zipfile

import pytest

from scripts import clients
from scripts.console import Stop
from scripts.options import ROOT


def client_in(directory, make) -> clients.Client:
    recipe = directory / "thing"
    recipe.mkdir(exist_ok=True)
    (recipe / "versions").write_text("1")
    return clients.Client("A thing", recipe, ["versions"], make)


def test_another_version_is_another_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("YUSHAN_CACHE", str(tmp_path / "cache"))
    client = client_in(tmp_path, lambda *_: None)
    before = client.directory()

    (client.recipe / "versions").write_text("2")

    assert client.directory() != before


def test_what_was_not_made_to_the_end_counts_as_absent(tmp_path, monkeypatch):
    monkeypatch.setenv("YUSHAN_CACHE", str(tmp_path / "cache"))

    def fail(client, directory, run) -> None:
        (directory / "half").touch()
        run(["false"])

    broken = client_in(tmp_path, fail)
    with pytest.raises(Stop, match="That did not work: false"):
        clients.install(broken, tmp_path / "log")
    with pytest.raises(Stop, match=r"A thing is not installed in .*; `make test-setup` installs it"):
        broken.installed()

    mended = client_in(tmp_path, lambda _client, directory, _run: (directory / "whole").touch())
    clients.install(mended, tmp_path / "log")
    assert {path.name for path in mended.installed().iterdir()} == {".made", "whole"}


def test_of_ansible_only_amazons_collection_is_kept(tmp_path):
    ran = []

    def run(command) -> None:
        ran.append(command)
        if "download" in command:
            (tmp_path / "wheels").mkdir()
            with zipfile.ZipFile(tmp_path / "wheels" / "ansible-1.whl", "w") as archive:
                archive.writestr("ansible_collections/amazon/aws/MANIFEST.json", "{}")
                archive.writestr("ansible_collections/other/thing/MANIFEST.json", "{}")

    clients.ANSIBLE.make(clients.ANSIBLE, tmp_path, run)

    assert [path.name for path in (tmp_path / "ansible_collections").iterdir()] == ["amazon"]
    assert not (tmp_path / "wheels").exists()
    assert len(ran) == 3


def test_the_versions_that_are_documented_are_those_installed():
    page = (ROOT / "docs" / "clients.md").read_text()
    pins = [
        line.split("==")
        for name in ("requirements.txt", "requirements-dev.txt", "tests/clients/ansible/requirements.txt")
        for line in (ROOT / name).read_text().splitlines()
        if line.startswith(("boto3==", "awscli==", "apache-libcloud==", "ansible-core=="))
    ]
    sdk = json.loads((clients.JAVASCRIPT.recipe / "package.json").read_text())["dependencies"].items()

    assert [version for _name, version in [*pins, *sdk] if version not in page] == []
