"""Images and snapshots."""

from __future__ import annotations

from django.conf import settings

from ec2api.tests.cloud import Account
from ec2api.tests.driving.tables import Things, exempt, needs, thing
from storage.tests.making import make_snapshot


@thing("snap")
def snapshot(account: Account, made: Things) -> str:
    """A completed one."""
    return make_snapshot(account.tenant).ec2_id


ROOT = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "<snap>"}}]
needs("RegisterImage", Name="registered", BlockDeviceMappings=ROOT, Architecture="x86_64", VirtualizationType="hvm")
needs("CreateImage", Name="created")
needs("CreateImage", at="BlockDeviceMappings", BlockDeviceMappings=[{"DeviceName": "/dev/sdz"}])
needs("CopyImage", Name="copied", SourceRegion=settings.REGION)
needs("CopySnapshot", SourceRegion=settings.REGION)
needs("DescribeImageAttribute", Attribute="description")
needs("ModifyImageAttribute", Description={"Value": "x"})
needs("ResetImageAttribute", Attribute="launchPermission")
needs("DescribeSnapshotAttribute", Attribute="createVolumePermission")
needs("ModifySnapshotAttribute", CreateVolumePermission={"Add": [{"Group": "all"}]})
needs("ResetSnapshotAttribute", Attribute="createVolumePermission")
needs("ModifySnapshotAttribute", at="GroupNames", OperationType="add", CreateVolumePermission=None)
exempt("ModifySnapshotAttribute", "GroupNames", "a group of accounts, of which there is one: all")
