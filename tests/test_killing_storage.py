"""kill -9 of the worker, the copier or the watcher while disks come and go: nothing is lost, leaked or done twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients import ec2_of
from tests.cloud import Cloud
from tests.killing import kill, running, shell

pytestmark = pytest.mark.live

ROUNDS = 5
SETTLES_WITHIN_S = 90
STEADY = {"available", "in-use"}

LOOK = """
import json
from compute import drivers
from compute.models import Host, Instance
from operations.models import Operation
from portal import quotas
from storage.models import Layer, Snapshot, Volume
from storage.promises import recount
plugged, expected = {}, {}
for i in Instance.objects.filter(state="running").select_related("host"):
    disks = drivers.driver_for(i.host.driver, i.host.settings()).disks(i.ec2_id)
    plugged |= {serial: layers[0].rsplit("/", 1)[1] for serial, layers in disks.items()}
    expected |= {v.serial: v.layer.file_name.rsplit("/", 1)[1]
                 for v in Volume.objects.filter(instance_id=i.ec2_id).select_related("layer")}
print(json.dumps({
    "open": [f"{o} {o.error} {o.log[-200:]}" for o in Operation.objects.open().exclude(resource_type="layer")],
    "plugged": plugged, "expected": expected,
    "half": [str(v) for v in Volume.objects.exclude(next_layer=None)],
    "volumes": sorted(set(Volume.objects.values_list("state", "attachment_state"))),
    "snapshots": sorted(set(Snapshot.objects.values_list("state", "state_message"))),
    "leaked": [str(x) for x in Layer.objects.unused().filter(unused_since=None)],
    "drift": [f"{q}, but {n} in the rows" for q, n in quotas.recount()] + [f"{d}: {n}" for d, n in recount()],
}))
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(hosts="simulated:2", DEMO_INSTANCES="60")
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.destroy()


class Keeper:
    """Makes, attaches, grows, photographs and drops disks at random; what is refused for its state is left."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.ec2: Any = ec2_of(cloud, attempts=8)
        self.chance = random.Random(name)
        image = self.ec2.describe_images()["Images"][0]["ImageId"]
        launched = self.ec2.run_instances(
            ImageId=image,
            InstanceType="t2.nano",
            MinCount=2,
            MaxCount=2,
            BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 2}}],
        )
        self.instances = [each["InstanceId"] for each in launched["Instances"]]
        self.zone = launched["Instances"][0]["Placement"]["AvailabilityZone"]
        self.ec2.get_waiter("instance_running").wait(InstanceIds=self.instances, WaiterConfig={"Delay": 1})

    def volumes(self, state: str) -> list[dict[str, Any]]:
        found = self.ec2.describe_volumes(Filters=[{"Name": "status", "Values": [state]}])["Volumes"]
        self.chance.shuffle(found)
        return [each for each in found if not any(a["Device"] == "/dev/xvda" for a in each["Attachments"])]

    def ask(self) -> None:
        free, used = self.volumes("available"), self.volumes("in-use")
        instance = self.chance.choice(self.instances)
        self.attempt(self.ec2.create_volume, AvailabilityZone=self.zone, Size=1)
        self.attempt(self.ec2.create_volume, AvailabilityZone=self.zone, Size=1, Encrypted=True)
        for number, volume in enumerate(free[:2]):
            device = f"/dev/sd{'fghijk'[self.chance.randrange(3) * 2 + number]}"
            self.attempt(self.ec2.attach_volume, VolumeId=volume["VolumeId"], InstanceId=instance, Device=device)
        for volume in free[2:3]:
            self.attempt(self.ec2.delete_volume, VolumeId=volume["VolumeId"])
        for volume in used[:1]:
            self.attempt(self.ec2.create_snapshot, VolumeId=volume["VolumeId"])
            self.attempt(self.ec2.modify_volume, VolumeId=volume["VolumeId"], Size=volume["Size"] + 1)
        for volume in used[1:2]:
            self.attempt(self.ec2.detach_volume, VolumeId=volume["VolumeId"])
        self.attempt(self.ec2.create_snapshots, InstanceSpecification={"InstanceId": instance})
        self.attempt(self.ec2.create_image, InstanceId=instance, Name=f"i{self.chance.random()}", NoReboot=True)
        for snapshot in self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"][:1]:
            self.attempt(self.ec2.delete_snapshot, SnapshotId=snapshot["SnapshotId"])

    def attempt(self, call: Callable[..., Any], **options: Any) -> None:
        """A refusal for the state that the thing is in is an honest answer; anything else fails the test."""
        try:
            call(**options)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise


@pytest.mark.parametrize(
    "victim", ["worker", *(pytest.param(each, marks=pytest.mark.long) for each in ("copier", "watcher"))]
)
def test_whatever_is_killed_disks_are_where_the_rows_say(cloud, victim):
    keeper = Keeper(cloud, victim)

    for _ in range(ROUNDS):
        keeper.ask()
        time.sleep(keeper.chance.uniform(0, 0.5))
        for pid in running(cloud, victim):
            kill(pid)

    found = settled(cloud)
    assert found["plugged"] == found["expected"]
    assert found["half"] == []
    assert {state for state, _attachment in found["volumes"]} <= STEADY
    assert {attachment for _state, attachment in found["volumes"]} <= {"", "attached"}
    for state, message in found["snapshots"]:  # volumes that were parted before their turn came cannot be had at once
        assert state == "completed" or message.startswith("Client.IncorrectState: The volumes are not of one instance")
    assert found["leaked"] == []
    assert found["drift"] == []
    keeper.ec2.terminate_instances(InstanceIds=keeper.instances)


def settled(cloud: Cloud) -> dict[str, Any]:
    """What there is once nothing is owed any more, and unused layers have been noticed."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while True:
        found: dict[str, Any] = shell(cloud, LOOK)
        if not found["open"] and not found["leaked"]:
            return found
        assert time.monotonic() < deadline, f"not settled: {found}\n{cloud.logs()}"
        time.sleep(1)
