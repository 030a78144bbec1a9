"""packer's amazon-ebs builder unmodified, with the documented template; the communicator is none, for want of SSH."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clients import ec2_of, needs, run, snippet
from tests.clients.leftovers import left_in
from tests.cloud import Cloud

pytestmark = pytest.mark.live

ENVIRONMENT = {"CHECKPOINT_DISABLE": "1", "AWS_POLL_DELAY_SECONDS": "1", "AWS_MAX_ATTEMPTS": "60"}


def template(**more: Any) -> str:
    documented = json.loads(snippet("json"))
    documented["builders"][0] |= {"communicator": "none", **more}
    return json.dumps(documented)


def packer(cloud: Cloud, directory: Path, text: str, *arguments: str, expect: int = 0) -> str:
    program = shutil.which("packer")
    assert program, "packer is not installed; `make test-setup` installs it"
    (directory / "template.json").write_text(text)
    env = {**ENVIRONMENT, "PACKER_CONFIG_DIR": str(directory), "PACKER_CACHE_DIR": str(directory / "cache")}
    return run(cloud, program, *arguments, "template.json", cwd=directory, env=env, expect=expect)


def test_packer_is_told_why_it_may_not_launch_and_leaves_nothing(tidy_cloud, tmp_path):
    packer(tidy_cloud, tmp_path, template(), "validate")

    said = packer(tidy_cloud, tmp_path, template(instance_type="t9.none"), "build", "-color=false", expect=1)

    assert "InvalidParameterValue: Invalid value 't9.none' for InstanceType" in said
    assert left_in(tidy_cloud) == {}


def test_packer_builds_an_image(tidy_cloud, tmp_path):
    needs("CreateImage", "DeregisterImage", "DescribeSnapshots", "DeleteSnapshot", "ModifyImageAttribute")
    disk = {"device_name": "/dev/sdf", "volume_size": 1, "delete_on_termination": True}
    more = {
        "ami_name": "packer",
        "ami_description": "by packer",
        "ami_groups": ["all"],
        "launch_block_device_mappings": [disk],
        "run_tags": {"Name": "packer"},
        "run_volume_tags": {"Name": "packer"},
        "tags": {"Name": "packer"},
        "snapshot_tags": {"Name": "packer"},
    }

    packer(tidy_cloud, tmp_path, template(**more), "build", "-color=false")

    ec2 = ec2_of(tidy_cloud)
    (image,) = ec2.describe_images(Owners=["self"])["Images"]
    assert (image["Name"], image["State"], image["Public"]) == ("packer", "available", True)
    assert image["Tags"] == [{"Key": "Name", "Value": "packer"}]
    snapshots = [each["Ebs"]["SnapshotId"] for each in image["BlockDeviceMappings"]]
    assert len(snapshots) == 2
    told = ec2.describe_snapshots(SnapshotIds=snapshots)["Snapshots"]
    assert [each["Tags"] for each in told] == [image["Tags"]] * 2

    ec2.deregister_image(ImageId=image["ImageId"])
    for each in snapshots:
        ec2.delete_snapshot(SnapshotId=each)
    assert left_in(tidy_cloud) == {}
