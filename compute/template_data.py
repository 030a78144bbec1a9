"""The data of a launch template, made from an instance that is there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from compute.models import GroupMember, Instance
from compute.models.instance import KIND
from networking.models import NetworkInterface
from portal.models import Tag
from portal.tags import SYSTEM
from storage.models import Volume


def data_of(instance: Instance) -> dict[str, Any]:
    """What launches another like it, in EC2's words; seven queries.

    Without its private and public addresses, which two instances can't have.
    """
    found: dict[str, Any] = {
        "ImageId": instance.image.ec2_id,
        "InstanceType": instance.instance_type.name,
        "BlockDeviceMappings": list(_disks(instance)),
        "NetworkInterfaces": list(_interfaces(instance)),
        "Monitoring": {"Enabled": instance.monitoring},
        "Placement": {"AvailabilityZone": instance.zone, "Tenancy": "default", **_group(instance)},
        "DisableApiTermination": instance.disable_api_termination,
        "DisableApiStop": instance.disable_api_stop,
        "InstanceInitiatedShutdownBehavior": instance.shutdown_behavior,
        "TagSpecifications": _tags(instance),
        **instance.hints,
    }
    found.setdefault("EbsOptimized", False)
    if instance.key_name:
        found["KeyName"] = instance.key_name
    if instance.user_data:
        found["UserData"] = b64encode(instance.user_data).decode()
    return found


def _disks(instance: Instance) -> Iterator[dict[str, Any]]:
    for volume in Volume.objects.filter(tenant=instance.tenant_id, instance_id=instance.ec2_id).order_by("pk"):
        ebs = {
            "DeleteOnTermination": volume.delete_on_termination,
            "VolumeSize": volume.size_gib,
            "VolumeType": volume.volume_type,
        }
        yield {"DeviceName": volume.device, "Ebs": ebs}


def _interfaces(instance: Instance) -> Iterator[dict[str, Any]]:
    rows = NetworkInterface.objects.filter(tenant=instance.tenant_id, instance_id=instance.ec2_id)
    for interface in rows.select_related("subnet").prefetch_related("groups").order_by("device_index"):
        yield {
            "AssociatePublicIpAddress": bool(interface.public_ip),
            "DeleteOnTermination": interface.delete_on_termination,
            "Description": interface.description,
            "DeviceIndex": interface.device_index,
            "Groups": [group.ec2_id for group in interface.groups.all()],
            "InterfaceType": "interface",
            "SubnetId": interface.subnet.ec2_id,
        }


def _group(instance: Instance) -> dict[str, Any]:
    """The group and not the partition: another like it goes where there are fewest."""
    member = GroupMember.objects.filter(instance=instance).select_related("group").first()
    return {"GroupName": member.group.name} if member else {}


def _tags(instance: Instance) -> list[dict[str, Any]]:
    rows = Tag.objects.filter(tenant=instance.tenant_id, resource_id=instance.ec2_id).exclude(key__startswith=SYSTEM)
    tags = [{"Key": tag.key, "Value": tag.value} for tag in rows]
    return [{"ResourceType": KIND, "Tags": tags}] if tags else []
