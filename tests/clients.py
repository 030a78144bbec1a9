"""Real clients for tests: boto3 and the AWS CLI, pointed at a cloud by nothing but its env file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.cloud import Cloud

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client


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
