"""Real clients for tests, pointed at a cloud by nothing but its env file; and what their sessions share."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from ec2api.registry import ACTIONS, load_actions
from scripts.options import ROOT
from tests.cloud import Cloud

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

ENDS_WITHIN_S = 240


def session_of(cloud: Cloud, tenant: str = "demo") -> boto3.Session:
    env = cloud.tenant(tenant)
    return boto3.Session(
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_DEFAULT_REGION"],
    )


def ec2_of(cloud: Cloud, tenant: str = "demo", *, attempts: int = 3) -> EC2Client:
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=5, read_timeout=30)
    session, url = session_of(cloud, tenant), cloud.tenant(tenant)["AWS_ENDPOINT_URL"]
    client: EC2Client = session.client("ec2", endpoint_url=url, config=config)
    return client


def aws(cloud: Cloud, *arguments: str, tenant: str = "demo") -> Any:
    """What the AWS CLI prints, read as JSON; None if it prints nothing.  Raises CalledProcessError as it fails."""
    program = Path(sys.executable).with_name("aws")
    done = subprocess.run(
        [sys.executable, str(program), *arguments, "--output", "json"],
        env=dict(cloud.client_environment(tenant)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout) if done.stdout.strip() else None


def run(
    cloud: Cloud,
    *command: str | Path,
    tenant: str = "demo",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    expect: int = 0,
) -> str:
    """What a client's program prints, with the tenant's keys in its environment; it must end with ``expect``."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**cloud.client_environment(tenant), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
    )
    said = f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    assert done.returncode == expect, f"{command} ended with {done.returncode}\n{said}\n{cloud.logs(20)}"
    return done.stdout


def needs(*actions: str) -> None:
    """Skip the rest of a session whose actions are not all there yet."""
    load_actions()
    if missing := [name for name in actions if ("ec2", name) not in ACTIONS]:
        pytest.skip(f"the rest of this session waits for {', '.join(missing)}")


def snippet(language: str, number: int = 0) -> str:
    """A block of docs/clients.md as people copy it, so that what is written there is what the tests run."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "docs" / "clients.md").read_text(), re.M | re.S)
    return blocks[number]
