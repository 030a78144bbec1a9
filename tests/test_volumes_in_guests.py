"""Volumes, snapshots and images as guests see them: real QEMU, real disks, by boto3 and SSH."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import ec2_of, needs
from tests.clients.leftovers import sweep
from tests.cloud import Cloud
from tests.ssh import ssh
from tests.test_guest import port_of

pytestmark = [pytest.mark.live, pytest.mark.host]

SOON: Any = {"Delay": 1, "MaxAttempts": 90}
SEEN_WITHIN_S = 60
VOLUMES = ("CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume")
SNAPSHOTS = ("CreateSnapshot", "DescribeSnapshots", "DeleteSnapshot")


@pytest.fixture
def ec2(cloud: Cloud) -> Iterator[Any]:
    yield ec2_of(cloud)
    sweep(cloud)


@pytest.fixture
def key(ec2: Any, tmp_path: Path) -> Path:
    path = tmp_path / "volumes.pem"
    path.touch(mode=0o600)
    path.write_text(ec2.create_key_pair(KeyName="volumes", KeyType="ed25519")["KeyMaterial"])
    return path


@pytest.fixture
def group(ec2: Any) -> str:
    made: str = ec2.create_security_group(GroupName="volumes", Description="SSH")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=made, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    return made


class Guest:
    """A running instance that can be logged in to."""

    def __init__(self, ec2: Any, key: Path, group: str, image: str = "") -> None:
        self.ec2, self.key = ec2, key
        image = image or ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        asked = {"ImageId": image, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
        made = ec2.run_instances(**asked, KeyName="volumes", SecurityGroupIds=[group])
        self.id = made["Instances"][0]["InstanceId"]
        ec2.get_waiter("instance_running").wait(InstanceIds=[self.id], WaiterConfig=SOON)
        self.instance = ec2.describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]
        self.zone = self.instance["Placement"]["AvailabilityZone"]

    def run(self, command: str) -> str:
        """What it prints; a command that fails fails the test, with its complaint."""
        line = f"{{ {command}; }} 2>&1 && echo done"
        said = ssh(self.key, self.instance["PublicIpAddress"], line, port=port_of(self.instance)).strip()
        assert said.endswith("done"), f"{command}: {said}"
        return said.removesuffix("done").strip()

    def attach(self, volume: str, device: str = "/dev/sdf") -> str:
        """The stable name of the disk inside, once it is there."""
        self.ec2.attach_volume(VolumeId=volume, InstanceId=self.id, Device=device)
        self.ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig=SOON)
        disk = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
        until(lambda: self.run(f"test -b {disk} && echo there || true") == "there")
        return disk

    def detach(self, volume: str, disk: str) -> None:
        self.ec2.detach_volume(VolumeId=volume)
        self.ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
        until(lambda: self.run(f"test -e {disk} || echo gone") == "gone")


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SEEN_WITHIN_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def new_volume(ec2: Any, zone: str, **what: Any) -> str:
    made: str = ec2.create_volume(AvailabilityZone=zone, **what)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[made], WaiterConfig=SOON)
    return made


def test_what_one_guest_writes_another_reads_and_a_snapshot_keeps(ec2, key, group):
    needs(*VOLUMES)
    writer, reader = Guest(ec2, key, group), Guest(ec2, key, group)
    volume = new_volume(ec2, writer.zone, Size=1)

    disk = writer.attach(volume)
    writer.run(f"/sbin/mkfs.ext4 -q {disk} && mount {disk} /mnt && echo written > /mnt/file && sync && umount /mnt")
    writer.detach(volume, disk)
    disk = reader.attach(volume)
    assert reader.run(f"mount {disk} /mnt && cat /mnt/file") == "written"

    needs(*SNAPSHOTS)
    reader.run("echo again >> /mnt/file; sync")
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    reader.run("echo later >> /mnt/file; sync; umount /mnt")  # what is written after it is not in it
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=SOON)
    reader.detach(volume, disk)
    ec2.delete_volume(VolumeId=volume)
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[volume], WaiterConfig=SOON)
    copy = new_volume(ec2, writer.zone, SnapshotId=snapshot)
    disk = writer.attach(copy)
    assert writer.run(f"mount {disk} /mnt && cat /mnt/file && umount /mnt").split() == ["written", "again"]


def test_a_volume_grows_while_a_guest_has_it(ec2, key, group):
    needs(*VOLUMES, "ModifyVolume", "DescribeVolumesModifications")
    guest = Guest(ec2, key, group)
    volume = new_volume(ec2, guest.zone, Size=1)
    disk = guest.attach(volume)
    size = f"cat /sys/block/$(basename $(readlink {disk}))/size"
    guest.run(f"/sbin/mkfs.ext4 -q {disk} && mount {disk} /mnt && echo kept > /mnt/file")
    assert int(guest.run(size)) * 512 == 1 << 30

    ec2.modify_volume(VolumeId=volume, Size=2)

    until(lambda: int(guest.run(size)) * 512 == 2 << 30)
    guest.run(f"/sbin/resize2fs {disk}")
    assert guest.run("cat /mnt/file") == "kept"
    assert int(guest.run("df -Pk /mnt | awk 'END { print $2 }'")) > 1_500_000


def test_an_image_of_a_running_guest_boots_and_has_what_was_written(ec2, key, group):
    needs("CreateImage", "DeregisterImage", *SNAPSHOTS)
    guest = Guest(ec2, key, group)
    guest.run("echo baked > /root/baked; sync")

    image = ec2.create_image(InstanceId=guest.id, Name="baked", NoReboot=True)["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig=SOON)
    copy = Guest(ec2, key, group, image)

    assert copy.run("cat /root/baked; hostname").split() == ["baked", copy.id]
    assert guest.run("cat /root/baked") == "baked"
