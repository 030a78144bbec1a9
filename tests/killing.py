"""What tests that kill processes of a cloud have in common: who asks for things meanwhile, what must hold after."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from scripts.options import ROOT
from tests.clients import ec2_of
from tests.cloud import Cloud

SETTLES_WITHIN_S = 90

LOOK = """
import json
from compute import drivers
from compute.models import Host, Instance
from operations.models import Operation
from portal import quotas
domains = {d.name: h.name for h in Host.objects.all()
           for d in drivers.driver_for(h.driver, h.settings()).report().domains}
rows = {i.ec2_id: i.host.name for i in Instance.objects.filter(state="running").select_related("host")}
claimed = {h.name: h.vcpus_allocated for h in Host.objects.all()}
held = {name: 0 for name in claimed}
for i in Instance.objects.exclude(host=None).select_related("host"):
    held[i.host.name] += i.vcpus_claimed
print(json.dumps({
    "open": [str(o) for o in Operation.objects.open()],
    "domains": domains, "running": rows, "claimed": claimed, "held": held,
    "drift": [f"{q}, but {n} in the rows" for q, n in quotas.recount()],
}))
"""


def shell(cloud: Cloud, code: str) -> Any:
    """Run code where the cloud's own processes run, and read the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        cwd=ROOT,
        env={**os.environ, **cloud.knobs},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


class Tenant:
    """Asks for things at random, and remembers what it asked of each instance."""

    def __init__(self, cloud: Cloud, name: str, *, at_once: int = 3) -> None:
        self.ec2, self.name, self.chance, self.at_once = ec2_of(cloud, attempts=8), name, random.Random(name), at_once
        self.image = self.ec2.describe_images()["Images"][0]["ImageId"]
        self.wanted: dict[str, str] = {}
        self.launches = 0

    def ask(self) -> None:
        self.launch()
        steady = [i for i, state in self.states().items() if state in ("running", "stopped")]
        self.chance.shuffle(steady)
        for ec2_id, (call, result) in zip(steady, self.CALLS, strict=False):
            try:
                getattr(self.ec2, call)(InstanceIds=[ec2_id])
            except ClientError as error:
                if error.response["Error"]["Code"] != "IncorrectInstanceState":
                    raise  # in another state by now is an honest answer, anything else is not
            except BotoCoreError:  # the web server was killed: whether it was heard is unknown until we look
                self.wanted[ec2_id] = ""
            else:
                self.wanted[ec2_id] = result

    CALLS = (
        ("stop_instances", "stopped"),
        ("start_instances", "running"),
        ("terminate_instances", "terminated"),
        ("stop_instances", "stopped"),
    )

    def launch(self) -> None:
        """With a token, so that the client may repeat it until it is heard."""
        self.launches += 1
        for _ in range(20):
            try:
                reply = self.ec2.run_instances(
                    ImageId=self.image,
                    InstanceType="t2.nano",
                    MinCount=self.at_once,
                    MaxCount=self.at_once,
                    ClientToken=f"{self.name}-{self.launches}",
                )
            except BotoCoreError:
                time.sleep(0.5)
            else:
                self.wanted |= {i["InstanceId"]: "running" for i in reply["Instances"]}
                return
        pytest.fail("the web server did not come back")

    def states(self) -> dict[str, str]:
        for _ in range(20):
            try:
                pages = self.ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 50})
                return {
                    i["InstanceId"]: i["State"]["Name"]
                    for p in pages
                    for r in p["Reservations"]
                    for i in r["Instances"]
                }
            except BotoCoreError:
                time.sleep(0.5)
        pytest.fail("the web server did not come back")


def running(cloud: Cloud, program: str, is_meant: Callable[[int], bool] = lambda _pid: True) -> list[int]:
    """Its processes, or those that are meant; waited for, if it is just being started again."""
    deadline = time.monotonic() + 20
    while not (pids := [pid for pid in cloud.pids(program) if is_meant(pid)]):
        assert time.monotonic() < deadline, f"{program} was not started again\n{cloud.logs()}"
        time.sleep(0.1)
    return pids


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def assert_agreed(cloud: Cloud, tenant: Tenant, *, before_the_end: Callable[[], None] = lambda: None) -> None:
    """Every instance is as was asked; states, domains, claims and the ledger of quotas agree.  Then ends them all."""
    states = wait_until_settled(cloud, tenant)
    assert {i: s for i, s in states.items() if tenant.wanted[i] not in ("", s)} == {}
    found = shell(cloud, LOOK)
    assert found["open"] == []
    assert found["domains"] == found["running"]
    assert found["claimed"] == found["held"]
    assert found["drift"] == []
    before_the_end()
    tenant.ec2.terminate_instances(InstanceIds=[i for i, s in states.items() if s != "terminated"])


def wait_until_settled(cloud: Cloud, tenant: Tenant) -> dict[str, str]:
    """States once nothing is owed any more."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while time.monotonic() < deadline:
        states = {i: s for i, s in tenant.states().items() if i in tenant.wanted}
        if set(states.values()) <= {"running", "stopped", "terminated"} and not shell(cloud, LOOK)["open"]:
            time.sleep(3)  # an orphan would be found within this
            return {i: s for i, s in tenant.states().items() if i in tenant.wanted}
        time.sleep(0.5)
    pytest.fail(f"not settled: {shell(cloud, LOOK)}\n{cloud.logs()}")
