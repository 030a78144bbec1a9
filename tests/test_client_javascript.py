"""The AWS SDK for JavaScript unmodified, through a whole session; the session itself is JavaScript."""

from __future__ import annotations

import pytest

from scripts import clients
from tests.clients import needs, run, snippet
from tests.clients.leftovers import left_in
from tests.cloud import Cloud

pytestmark = pytest.mark.live


def session(cloud: Cloud, name: str) -> None:
    modules = clients.JAVASCRIPT.installed() / "node_modules"
    run(cloud, "node", clients.JAVASCRIPT.recipe / "session.cjs", name, env={"NODE_PATH": str(modules)})


def test_the_javascript_sdk_launches_an_instance_and_ends_it(tidy_cloud):
    session(tidy_cloud, "launch")

    assert left_in(tidy_cloud) == {}


def test_the_javascript_sdk_pages_through_instances(tidy_cloud):
    session(tidy_cloud, "pages")

    assert left_in(tidy_cloud) == {}


def test_the_javascript_sdk_keeps_data_in_volumes_snapshots_and_images(tidy_cloud):
    needs("CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume", "CreateSnapshot", "DescribeSnapshots")
    needs("DeleteSnapshot", "CreateImage", "DeregisterImage")

    session(tidy_cloud, "storage")

    assert left_in(tidy_cloud) == {}


def test_the_javascript_sdk_gives_an_instance_an_address(tidy_cloud):
    needs("AllocateAddress", "AssociateAddress", "DescribeAddresses", "DisassociateAddress", "ReleaseAddress")

    session(tidy_cloud, "addresses")

    assert left_in(tidy_cloud) == {}


@pytest.mark.long
def test_the_documented_lines_for_javascript_run(tidy_cloud, tmp_path):
    modules = clients.JAVASCRIPT.installed() / "node_modules"
    (tmp_path / "node_modules").symlink_to(modules)  # a module that is imported is looked for beside the program
    (tmp_path / "documented.mjs").write_text(snippet("javascript"))

    assert "yushan-tiny" in run(tidy_cloud, "node", tmp_path / "documented.mjs")
