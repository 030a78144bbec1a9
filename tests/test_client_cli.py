"""The AWS CLI unmodified, through a whole session."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients import aws, needs, run, snippet
from tests.clients.leftovers import left_in
from tests.cloud import Cloud

pytestmark = pytest.mark.live

Cli = Callable[..., Any]
DISKS = ("DeviceName=/dev/xvda,Ebs={VolumeSize=2}", "DeviceName=/dev/sdf,Ebs={VolumeSize=1,DeleteOnTermination=true}")


@pytest.fixture
def ec2(tidy_cloud: Cloud) -> Cli:
    return lambda *arguments: aws(tidy_cloud, "ec2", *arguments)


def launch(ec2: Cli, *more: str, image: str = "") -> dict[str, Any]:
    image = image or ec2("describe-images", "--owners", "amazon")["Images"][0]["ImageId"]
    instance = ec2("run-instances", "--image-id", image, "--instance-type", "t2.nano", *more)["Instances"][0]
    return until(ec2, instance["InstanceId"], "running")


def until(ec2: Cli, instance_id: str, state: str) -> dict[str, Any]:
    """As it is then; the CLI's own waiters sleep for 15 s at a time."""
    deadline = time.monotonic() + 40
    while True:
        found = ec2("describe-instances", "--instance-ids", instance_id)["Reservations"][0]["Instances"][0]
        if found["State"]["Name"] == state:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def test_the_cli_makes_keys_groups_and_tags(tidy_cloud, ec2):
    key = ec2("create-key-pair", "--key-name", "cli", "--key-type", "ed25519")
    group = ec2("create-security-group", "--group-name", "cli", "--description", "SSH")["GroupId"]
    rule = ("--group-id", group, "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
    ec2("authorize-security-group-ingress", *rule)
    instance = launch(ec2, "--key-name", "cli", "--security-group-ids", group, "--user-data", "#!/bin/sh")
    instance_id = instance["InstanceId"]
    ec2("create-tags", "--resources", instance_id, "--tags", "Key=stage,Value=試 é", "Key=Name,Value=cli")

    tags = ec2("describe-tags", "--filters", f"Name=resource-id,Values={instance_id}", "Name=key,Values=st*")["Tags"]
    assert [tag["Value"] for tag in tags] == ["試 é"]
    assert instance["KeyName"] == key["KeyName"]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        ec2("delete-security-group", "--group-id", group)
    assert "DependencyViolation" in refused.value.stderr

    ec2("stop-instances", "--instance-ids", instance_id)
    until(ec2, instance_id, "stopped")
    ec2("start-instances", "--instance-ids", instance_id)
    until(ec2, instance_id, "running")
    ec2("terminate-instances", "--instance-ids", instance_id)
    until(ec2, instance_id, "terminated")
    ec2("revoke-security-group-ingress", *rule)
    ec2("delete-security-group", "--group-id", group)
    ec2("delete-key-pair", "--key-name", "cli")
    assert left_in(tidy_cloud) == {}


def test_the_cli_keeps_data_in_volumes_snapshots_and_images(tidy_cloud, ec2):
    needs("CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume", "CreateSnapshot", "DescribeSnapshots")
    needs("DeleteSnapshot", "CreateImage", "DeregisterImage")
    instance = launch(ec2, "--block-device-mappings", *DISKS)
    assert [each["DeviceName"] for each in instance["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/sdf"]
    zone = ("--availability-zone", instance["Placement"]["AvailabilityZone"])

    volume = ec2("create-volume", *zone, "--size", "1", "--volume-type", "gp3")["VolumeId"]
    ec2("wait", "volume-available", "--volume-ids", volume)
    ec2("attach-volume", "--volume-id", volume, "--instance-id", instance["InstanceId"], "--device", "/dev/sdg")
    ec2("wait", "volume-in-use", "--volume-ids", volume)
    snapshot = ec2("create-snapshot", "--volume-id", volume, "--description", "by the CLI")["SnapshotId"]
    ec2("wait", "snapshot-completed", "--snapshot-ids", snapshot)
    ec2("detach-volume", "--volume-id", volume)
    ec2("wait", "volume-available", "--volume-ids", volume)
    ec2("delete-volume", "--volume-id", volume)
    ec2("wait", "volume-deleted", "--volume-ids", volume)
    again = ec2("create-volume", *zone, "--snapshot-id", snapshot)["VolumeId"]
    ec2("wait", "volume-available", "--volume-ids", again)
    ec2("delete-volume", "--volume-id", again)
    ec2("delete-snapshot", "--snapshot-id", snapshot)

    made = ("--instance-id", instance["InstanceId"], "--name", "cli", "--no-reboot")
    image = ec2("create-image", *made)["ImageId"]
    ec2("wait", "image-available", "--image-ids", image)
    copy = launch(ec2, image=image)
    ids = (instance["InstanceId"], copy["InstanceId"])
    ec2("terminate-instances", "--instance-ids", *ids)
    for each in ids:
        until(ec2, each, "terminated")
    devices = ec2("describe-images", "--image-ids", image)["Images"][0]["BlockDeviceMappings"]
    ec2("deregister-image", "--image-id", image)
    for device in devices:
        ec2("delete-snapshot", "--snapshot-id", device["Ebs"]["SnapshotId"])
    assert left_in(tidy_cloud) == {}


@pytest.mark.long
def test_the_cli_gives_an_instance_an_address(tidy_cloud, ec2):
    needs("AllocateAddress", "AssociateAddress", "DescribeAddresses", "DisassociateAddress", "ReleaseAddress")
    instance_id = launch(ec2)["InstanceId"]

    allocated = ec2("allocate-address", "--domain", "vpc")
    which = ("--allocation-id", allocated["AllocationId"])
    association = ec2("associate-address", *which, "--instance-id", instance_id)["AssociationId"]
    (address,) = ec2("describe-addresses", "--public-ips", allocated["PublicIp"])["Addresses"]
    assert address["InstanceId"] == instance_id
    ec2("disassociate-address", "--association-id", association)
    ec2("release-address", *which)

    ec2("terminate-instances", "--instance-ids", instance_id)
    until(ec2, instance_id, "terminated")
    assert left_in(tidy_cloud) == {}


@pytest.mark.long
def test_the_documented_lines_for_the_cli_run_as_they_are(tidy_cloud, tmp_path):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    lines = f'. "{tidy_cloud.data_dir}/demo.env"\n' + snippet("bash", 1)

    said = run(tidy_cloud, "bash", "-euc", lines, cwd=tmp_path, env={"PATH": path, "AWS_DEFAULT_OUTPUT": "json"})

    assert "running" in said
    assert (tmp_path / "me.pem").stat().st_mode & 0o777 == 0o600
