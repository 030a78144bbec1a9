"""Ansible with the collection amazon.aws, unmodified: its modules and its inventory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import clients
from tests.clients import needs, run, snippet
from tests.clients.leftovers import left_in
from tests.cloud import Cloud

pytestmark = pytest.mark.live


def ansible(cloud: Cloud, program: str, *arguments: str | Path, home: Path) -> str:
    directory = clients.ANSIBLE.installed()
    env = {
        "ANSIBLE_COLLECTIONS_PATH": str(directory),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    return run(cloud, directory / "bin" / program, *arguments, env=env, cwd=home)


def play(cloud: Cloud, name: str, home: Path) -> None:
    ansible(cloud, "ansible-playbook", clients.ANSIBLE.recipe / name, home=home)


@pytest.mark.long
def test_ansible_launches_an_instance_lists_it_and_ends_it(tidy_cloud, tmp_path):
    play(tidy_cloud, "launch.yml", tmp_path)

    inventory = tmp_path / "documented.aws_ec2.yml"
    inventory.write_text(snippet("yaml", 1))
    listed = json.loads(ansible(tidy_cloud, "ansible-inventory", "-i", inventory, "--list", home=tmp_path))
    (host,) = listed["role_web"]["hosts"]
    assert "ansible" in str(listed["_meta"]["hostvars"][host]["tags"]["Name"])  # bare, or marked as unsafe

    play(tidy_cloud, "end.yml", tmp_path)
    assert left_in(tidy_cloud) == {}


def test_ansible_keeps_data_in_volumes_snapshots_and_images(tidy_cloud, tmp_path):
    needs("CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume", "ModifyVolume", "CreateSnapshot")
    needs("DescribeSnapshots", "DeleteSnapshot", "CreateImage", "DeregisterImage", "DescribeAddresses")
    needs("AllocateAddress", "AssociateAddress", "DisassociateAddress", "ReleaseAddress", "DescribeImageAttribute")

    play(tidy_cloud, "storage.yml", tmp_path)

    assert left_in(tidy_cloud) == {}


@pytest.mark.long
def test_the_documented_playbook_launches_and_ends_an_instance(tidy_cloud, tmp_path):
    playbook = tmp_path / "documented.yml"
    playbook.write_text(snippet("yaml"))

    variables = json.dumps({"ansible_python_interpreter": str(clients.ANSIBLE.installed() / "bin" / "python")})
    assert "failed=0" in ansible(tidy_cloud, "ansible-playbook", "-e", variables, playbook, home=tmp_path)
