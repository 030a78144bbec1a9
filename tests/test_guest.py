"""Real guests by real clients: the AWS CLI and boto3, unmodified, with nothing but an endpoint address."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients import aws, ec2_of
from tests.cloud import Cloud
from tests.ssh import ssh

pytestmark = [pytest.mark.live, pytest.mark.host]


@pytest.fixture(scope="module")
def key(cloud: Cloud, tmp_path_factory) -> Path:
    """A private key made by the cloud, and a group that opens SSH."""
    path = tmp_path_factory.mktemp("keys") / "cli.pem"
    made = aws(cloud, "ec2", "create-key-pair", "--key-name", "cli", "--key-type", "ed25519")
    path.touch(mode=0o600)
    path.write_text(made["KeyMaterial"])
    aws(cloud, "ec2", "create-security-group", "--group-name", "ssh-only", "--description", "SSH")
    rule = ("--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
    aws(cloud, "ec2", "authorize-security-group-ingress", "--group-name", "ssh-only", *rule)
    return path


def launch_by_cli(cloud: Cloud, *more: str) -> dict[str, Any]:
    """A running instance, as the AWS CLI describes it."""
    image = aws(cloud, "ec2", "describe-images")["Images"][0]["ImageId"]
    what = ("--image-id", image, "--instance-type", "t2.nano", "--key-name", "cli", "--security-groups", "ssh-only")
    instance = aws(cloud, "ec2", "run-instances", *what, *more)["Instances"][0]
    assert instance["State"]["Name"] == "pending"
    wait_for_state(cloud, instance["InstanceId"], "running", 60)  # the CLI's own waiter sleeps 15 s at a time
    return describe(cloud, instance["InstanceId"])


def describe(cloud: Cloud, instance_id: str) -> dict[str, Any]:
    found = aws(cloud, "ec2", "describe-instances", "--instance-ids", instance_id)
    return found["Reservations"][0]["Instances"][0]


def port_of(instance: dict[str, Any]) -> int:
    """Where SSH is forwarded, as the interface's description says when it is not port 22."""
    said = re.search(r"tcp 22 -> [\d.]+:(\d+)", instance["NetworkInterfaces"][0].get("Description", ""))
    return int(said[1]) if said else 22


def wait_for_state(cloud: Cloud, instance_id: str, state: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while (now := describe(cloud, instance_id)["State"]["Name"]) != state:
        assert time.monotonic() < deadline, f"{instance_id} is {now}, not {state}\n{cloud.logs()}"
        time.sleep(0.2)


def test_the_whole_life_of_an_instance_by_the_aws_cli(cloud, key):
    instance = launch_by_cli(cloud, "--user-data", "#!/bin/sh\necho it ran > /root/user-data-ran\n")
    instance_id, address = instance["InstanceId"], instance["PublicIpAddress"]
    assert address.startswith("127.")

    hostname = ssh(key, address, "hostname; cat /root/user-data-ran", port=port_of(instance))
    assert hostname.split("\n")[:2] == [instance_id, "it ran"]
    assert instance["PrivateIpAddress"] in ssh(key, address, "ip addr show eth0", port=port_of(instance))
    console = aws(cloud, "ec2", "get-console-output", "--instance-id", instance_id)["Output"]
    assert f"instance-id={instance_id}" in console
    root = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"].replace("-", "")
    by_id = f"/dev/disk/by-id/virtio-{root}"
    assert ssh(key, address, f"readlink {by_id}", port=port_of(instance)).startswith("../../vd")

    ssh(key, address, "echo kept > /root/kept; sync", port=port_of(instance))
    aws(cloud, "ec2", "stop-instances", "--instance-ids", instance_id)
    wait_for_state(cloud, instance_id, "stopped", 90)
    aws(cloud, "ec2", "start-instances", "--instance-ids", instance_id)
    aws(cloud, "ec2", "wait", "instance-running", "--instance-ids", instance_id)
    again = describe(cloud, instance_id)
    assert ssh(key, again["PublicIpAddress"], "cat /root/kept", port=port_of(again)) == "kept\n"

    aws(cloud, "ec2", "reboot-instances", "--instance-ids", instance_id)
    deadline = time.monotonic() + 60
    while uptime(key, again) > 30 and time.monotonic() < deadline:
        time.sleep(1)
    assert ssh(key, again["PublicIpAddress"], "cat /root/kept", port=port_of(again)) == "kept\n"

    aws(cloud, "ec2", "terminate-instances", "--instance-ids", instance_id)
    aws(cloud, "ec2", "wait", "instance-terminated", "--instance-ids", instance_id)
    assert not (cloud.data_dir / "datastore" / "instances" / instance_id).exists()
    assert list((cloud.data_dir / "datastore" / "volumes").glob("*")) == []
    assert aws(cloud, "ec2", "get-console-output", "--instance-id", instance_id)["Output"]


def uptime(key: Path, instance: dict[str, Any]) -> float:
    return float(ssh(key, instance["PublicIpAddress"], "cut -d' ' -f1 /proc/uptime", port=port_of(instance)))


def test_a_guest_that_powers_off_is_stopped_or_terminated_as_it_was_launched(cloud, key):
    stays = launch_by_cli(cloud)
    goes = launch_by_cli(cloud, "--instance-initiated-shutdown-behavior", "terminate")

    for instance in (stays, goes):
        ssh(key, instance["PublicIpAddress"], "poweroff", port=port_of(instance))
    wait_for_state(cloud, stays["InstanceId"], "stopped", 20)
    wait_for_state(cloud, goes["InstanceId"], "terminated", 20)

    assert describe(cloud, stays["InstanceId"])["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    aws(cloud, "ec2", "terminate-instances", "--instance-ids", stays["InstanceId"])


def test_the_same_by_boto3_with_its_waiters(cloud, key):
    ec2 = ec2_of(cloud)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = ec2.run_instances(
        ImageId=image,
        InstanceType="t2.nano",
        MinCount=2,
        MaxCount=2,
        KeyName="cli",
        SecurityGroups=["ssh-only"],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "twin"}]}],
    )
    ids = [instance["InstanceId"] for instance in made["Instances"]]

    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
    found = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["twin"]}])
    twins = [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]
    assert sorted(instance["InstanceId"] for instance in twins) == sorted(ids)
    names = {ssh(key, t["PublicIpAddress"], "hostname", port=port_of(dict(t))).strip() for t in twins}
    assert names == set(ids)

    ec2.terminate_instances(InstanceIds=ids)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})


def test_a_neighbour_sees_nothing_of_it(cloud, key):
    image = aws(cloud, "ec2", "describe-images")["Images"][0]["ImageId"]
    made = aws(cloud, "ec2", "run-instances", "--image-id", image, "--instance-type", "t2.nano")
    instance_id = made["Instances"][0]["InstanceId"]

    assert aws(cloud, "ec2", "describe-instances", tenant="demo2") == {"Reservations": []}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        aws(cloud, "ec2", "terminate-instances", "--instance-ids", instance_id, tenant="demo2")

    assert "InvalidInstanceID.NotFound" in refused.value.stderr
    aws(cloud, "ec2", "terminate-instances", "--instance-ids", instance_id)


def test_guests_go_on_while_the_cloud_is_stopped_and_are_found_again(cloud, key):
    instance = launch_by_cli(cloud)
    address, port = instance["PublicIpAddress"], port_of(instance)
    ssh(key, address, "true", port=port)

    cloud.stop()
    before = float(ssh(key, address, "cut -d' ' -f1 /proc/uptime", port=port))
    cloud.start()

    wait_for_state(cloud, instance["InstanceId"], "running", 20)
    assert float(ssh(key, address, "cut -d' ' -f1 /proc/uptime", port=port)) > before
    aws(cloud, "ec2", "terminate-instances", "--instance-ids", instance["InstanceId"])
    wait_for_state(cloud, instance["InstanceId"], "terminated", 30)
    assert emulators(cloud) == []


def emulators(cloud: Cloud) -> list[int]:
    """QEMU processes of this cloud that are left after a while."""
    deadline = time.monotonic() + 10
    while (left := [pid for pid in cloud.guest_pids() if is_emulator(pid)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def is_emulator(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"qemu-system" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def test_an_elastic_address_and_a_second_interface_reach_the_guest_at_its_next_start(cloud, key):
    instance = launch_by_cli(cloud)
    instance_id, port = instance["InstanceId"], port_of(instance)
    address = aws(cloud, "ec2", "allocate-address")
    made = aws(cloud, "ec2", "create-network-interface", "--subnet-id", instance["SubnetId"])["NetworkInterface"]
    aws(
        cloud, "ec2", "associate-address", "--allocation-id", address["AllocationId"],
        "--network-interface-id", instance["NetworkInterfaces"][0]["NetworkInterfaceId"],
    )  # fmt: skip
    second = ("--network-interface-id", made["NetworkInterfaceId"], "--device-index", "1")
    aws(cloud, "ec2", "attach-network-interface", "--instance-id", instance_id, *second)

    before = ssh(key, instance["PublicIpAddress"], "ls /sys/class/net", port=port)  # the guest goes on as it was
    assert "eth1" not in before
    aws(cloud, "ec2", "stop-instances", "--instance-ids", instance_id)
    wait_for_state(cloud, instance_id, "stopped", 90)
    aws(cloud, "ec2", "start-instances", "--instance-ids", instance_id)
    wait_for_state(cloud, instance_id, "running", 60)

    now = describe(cloud, instance_id)
    assert now["PublicIpAddress"] == address["PublicIp"]
    assert made["MacAddress"] in ssh(key, address["PublicIp"], "cat /sys/class/net/eth1/address", port=port_of(now))
    aws(cloud, "ec2", "terminate-instances", "--instance-ids", instance_id)
    wait_for_state(cloud, instance_id, "terminated", 60)
    (left,) = aws(cloud, "ec2", "describe-addresses")["Addresses"]
    assert "AssociationId" not in left
    aws(cloud, "ec2", "release-address", "--allocation-id", address["AllocationId"])
    aws(cloud, "ec2", "delete-network-interface", "--network-interface-id", made["NetworkInterfaceId"])
