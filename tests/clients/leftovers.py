"""What a tenant still has after a session, and a broom for sessions that did not come to their end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import ClientError

from tests.clients import ec2_of
from tests.cloud import Cloud

GONE = ("terminated", "deregistered", "deleted")
SWEPT_WITHIN_S = 30

# By the listing: what is asked, the list in the reply, the member that names one, and who deletes it.
LISTINGS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "describe_addresses": ({}, "Addresses", "AllocationId", "release_address"),
    "describe_volumes": ({}, "Volumes", "VolumeId", "delete_volume"),
    "describe_images": ({"Owners": ["self"]}, "Images", "ImageId", "deregister_image"),
    "describe_snapshots": ({"OwnerIds": ["self"]}, "Snapshots", "SnapshotId", "delete_snapshot"),
    "describe_launch_templates": ({}, "LaunchTemplates", "LaunchTemplateId", "delete_launch_template"),
    "describe_placement_groups": ({}, "PlacementGroups", "GroupName", "delete_placement_group"),
    "describe_network_interfaces": ({}, "NetworkInterfaces", "NetworkInterfaceId", "delete_network_interface"),
    "describe_key_pairs": ({}, "KeyPairs", "KeyPairId", "delete_key_pair"),
    "describe_security_groups": ({}, "SecurityGroups", "GroupId", "delete_security_group"),
}


def left_in(cloud: Cloud, tenant: str = "demo") -> dict[str, list[str]]:
    """Ids by kind, without what every tenant is given and what is ended; {} when nothing is left."""
    ec2 = ec2_of(cloud, tenant)
    found = {"Instances": living_instances(ec2)}
    for listing in LISTINGS:
        found[LISTINGS[listing][1]] = list(_ids(ec2, listing))
    return {kind: ids for kind, ids in found.items() if ids}


def living_instances(ec2: Any) -> list[str]:
    reservations = ec2.describe_instances()["Reservations"]
    instances = [instance for reservation in reservations for instance in reservation["Instances"]]
    return [each["InstanceId"] for each in instances if each["State"]["Name"] not in GONE]


def _ids(ec2: Any, listing: str) -> Iterable[str]:
    asked, kind, member, _delete = LISTINGS[listing]
    try:
        rows = getattr(ec2, listing)(**asked)[kind]
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidAction":
            return []
        raise
    return [row[member] for row in rows if row.get("GroupName") != "default" and row.get("State") not in GONE]


def sweep(cloud: Cloud, tenant: str = "demo") -> None:
    """Delete whatever is left, in as many rounds as one thing holds another."""
    ec2: Any = ec2_of(cloud, tenant)
    deadline = time.monotonic() + SWEPT_WITHIN_S
    while left_in(cloud, tenant) and time.monotonic() < deadline:
        for instance_id in living_instances(ec2):
            protection = {"Value": False}
            _try(ec2.modify_instance_attribute, InstanceId=instance_id, DisableApiTermination=protection)
            _try(ec2.terminate_instances, InstanceIds=[instance_id])
        for listing, (_asked, _kind, member, delete) in LISTINGS.items():
            for each in _ids(ec2, listing):
                _try(getattr(ec2, delete), **{member: each})
        time.sleep(0.5)


def _try(function: Callable[..., object], **arguments: object) -> None:
    with contextlib.suppress(ClientError):
        function(**arguments)
