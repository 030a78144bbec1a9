"""Volumes and snapshots."""

from __future__ import annotations

from ec2api.tests.cloud import Account
from ec2api.tests.driving.tables import Things, needs, thing
from storage.models import Volume
from storage.tests.making import make_snapshot


@thing("snap")
def snapshot(account: Account, made: Things) -> str:
    """A completed one of the instance's volume."""
    volume = Volume.objects.get(ec2_id=made["vol"])
    return make_snapshot(account.tenant, volume_id=volume.ec2_id, size_gib=1).ec2_id


needs("CreateVolume", AvailabilityZone="us-east-1a", Size=1)
needs("AttachVolume", Device="/dev/sdf")
needs("ModifyVolume", Size=100)
needs("ModifyVolumeAttribute", AutoEnableIO={"Value": True})
needs("CreateSnapshots", InstanceSpecification={"InstanceId": "<i>"})
