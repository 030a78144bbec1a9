"""Instances as EC2 describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import DateTimeField, QuerySet

from compute.launching import Launch, Launched
from compute.models import Instance, InstanceQuerySet
from compute.models.instance import visible_since
from compute.states import CODES, InstanceState
from ec2api.present.interfaces import Interfaces, instance_interface, interface_row, interfaces_of
from ec2api.present.words import OfMany, Tags, private_dns_name, tags_by_id, zone_id
from portal.models import Tenant
from portal.prepared import Prepared, slot, slots
from storage.models import Volume

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        InstanceBlockDeviceMappingTypeDef,
        InstanceStateChangeTypeDef,
        InstanceStateTypeDef,
        InstanceTypeDef,
        PlacementTypeDef,
        ReservationTypeDef,
        TagTypeDef,
    )

METADATA = {
    "State": "applied",
    "HttpTokens": "optional",
    "HttpPutResponseHopLimit": 1,
    "HttpEndpoint": "enabled",
    "HttpProtocolIpv6": "disabled",
    "InstanceMetadataTags": "disabled",
}


class InstanceRow(NamedTuple):
    """What a description needs of an instance and of the rows it points at; model instances would cost more."""

    pk: int
    ec2_id: str
    reservation_id: str
    requester: str
    client_token: str | None
    launch_index: int
    image_id: str
    architecture: str
    root_device_name: str
    virtualization: str
    type_name: str
    vcpus: int
    key_name: str
    state: str
    reason_code: str
    reason: str
    state_changed_at: datetime
    launched_at: datetime
    zone: str
    subnet_id: str
    vpc_id: str
    monitoring: bool
    source_dest_check: bool
    hints: Mapping[str, Any]
    group_name: str | None = None
    group_id: str | None = None
    partition_number: int | None = None


COLUMNS = (
    "pk",
    "ec2_id",
    "reservation__ec2_id",
    "reservation__requester",
    "reservation__client_token",
    "launch_index",
    "image__ec2_id",
    "image__architecture",
    "image__root_device_name",
    "image__virtualization",
    "instance_type__name",
    "instance_type__vcpus",
    "key_name",
    "state",
    "reason_code",
    "reason",
    "state_changed_at",
    "launched_at",
    "zone",
    "subnet_id_text",
    "vpc_id_text",
    "monitoring",
    "source_dest_check",
    "hints",
)
GROUP_COLUMNS = ("group_member__group__name", "group_member__group__ec2_id", "group_member__partition_number")
VOLUME_COLUMNS = ("instance_id", "ec2_id", "device", "attachment_state", "delete_on_termination", "attached_at")
STATUSES = {"busy": "detaching"}  # which is a word for volumes alone
_of_instance = attrgetter(*(column.replace("__", ".") for column in COLUMNS))
_of_volume = attrgetter(*VOLUME_COLUMNS)
STATES: Mapping[str, InstanceStateTypeDef] = {
    str(state): {"Code": code, "Name": state.value}  # type: ignore[typeddict-item]
    for state, code in CODES.items()
}
GONE = {InstanceState.TERMINATED, InstanceState.SHUTTING_DOWN}
Devices = Mapping[str, Sequence["InstanceBlockDeviceMappingTypeDef"]]


def _described(instances: InstanceQuerySet) -> QuerySet[Instance, tuple[Any, ...]]:
    return instances.values_list(*COLUMNS, *GROUP_COLUMNS)


_NAMED = Prepared(
    lambda: _described(
        Instance.objects.owned_by(slot("tenant"))
        .visible(since=slot("since", DateTimeField()))
        .filter(ec2_id__in=slots("ids"))
    )
)


def rows_of(instances: InstanceQuerySet) -> list[InstanceRow]:
    return [InstanceRow._make(row) for row in _described(instances)]


def rows_named(tenant: Tenant, ids: Sequence[str]) -> list[InstanceRow]:
    """Those with these ids that the tenant may see; what every waiter asks, again and again."""
    return [InstanceRow._make(row) for row in _NAMED(tenant=tenant, ids=ids, since=visible_since())]


def reservations(tenant: Tenant, rows: Sequence[InstanceRow]) -> list[ReservationTypeDef]:
    """The instances by the calls that launched them; four queries, however many there are."""
    ids = [row.ec2_id for row in rows]
    return _by_reservation(
        tenant, rows, _devices(tenant, ids), interfaces_of(tenant, ids), tags_by_id(tenant, "instance", ids)
    )


def launched(tenant: Tenant, made: Launched, launch: Launch) -> ReservationTypeDef:
    """What a launch made, from what it has in its hands: no query."""
    group, partitions = launch.placement_group, {member.pk: member.partition_number for member in made.members}
    in_group = (group.name, group.ec2_id) if group else (None, None)
    rows = [InstanceRow._make((*_of_instance(i), *in_group, partitions.get(i.pk))) for i in made.instances]
    devices = _by_instance(_of_volume(volume) for volume in made.volumes)
    groups = [(group.ec2_id, group.name) for group in sorted(launch.groups, key=lambda group: group.pk)]
    interfaces = {i.instance_id: [interface_row(i, groups)] for i in made.interfaces}
    shared: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in sorted(launch.all_tags.items())]
    (found,) = _by_reservation(tenant, rows, devices, interfaces, {row.ec2_id: shared for row in rows})
    return found


def _by_reservation(
    tenant: Tenant, rows: Sequence[InstanceRow], devices: Devices, interfaces: Interfaces, tags: Tags
) -> list[ReservationTypeDef]:
    # Rows of launches at the same moment may come mixed.
    members: dict[tuple[str, str], list[InstanceTypeDef]] = {}
    for row in rows:
        described = instance(row, tenant.account_id, devices, interfaces, tags)
        members.setdefault((row.reservation_id, row.requester), []).append(described)
    return [
        {
            "ReservationId": reservation_id,
            "OwnerId": tenant.account_id,
            "RequesterId": requester,
            "Groups": [],
            "Instances": instances,
        }
        for (reservation_id, requester), instances in members.items()
    ]


def instance(
    row: InstanceRow, account_id: str, devices: Devices, interfaces: Interfaces, tags: Tags
) -> InstanceTypeDef:
    mine = interfaces.get(row.ec2_id, ())
    first = mine[0] if mine else None
    described: InstanceTypeDef = {
        "InstanceId": row.ec2_id,
        "ImageId": row.image_id,
        "State": STATES[row.state],
        "PrivateDnsName": private_dns_name(first.private_ip) if first else "",
        "PublicDnsName": "",
        "StateTransitionReason": transition_reason(row),
        "AmiLaunchIndex": row.launch_index,
        "ProductCodes": [],
        "InstanceType": row.type_name,  # type: ignore[typeddict-item]
        "LaunchTime": row.launched_at,
        "Placement": _placement(row),
        "Monitoring": {"State": "enabled" if row.monitoring else "disabled"},
        "Architecture": row.architecture,  # type: ignore[typeddict-item]
        "BlockDeviceMappings": devices.get(row.ec2_id, ()),  # type: ignore[typeddict-item]
        "ClientToken": row.client_token or "",
        "EbsOptimized": bool(row.hints.get("EbsOptimized")),
        "EnaSupport": True,
        "Hypervisor": "xen",
        "NetworkInterfaces": [instance_interface(interface, account_id) for interface in mine],
        "RootDeviceName": row.root_device_name,
        "RootDeviceType": "ebs",
        "SecurityGroups": first.groups if first else [],
        "SourceDestCheck": row.source_dest_check,
        "Tags": tags.get(row.ec2_id, ()),  # type: ignore[typeddict-item]
        "VirtualizationType": row.virtualization,  # type: ignore[typeddict-item]
        "CpuOptions": {"CoreCount": row.vcpus, "ThreadsPerCore": 1, **row.hints.get("CpuOptions", {})},  # type: ignore[typeddict-item]
        "CapacityReservationSpecification": {
            "CapacityReservationPreference": "open",
            **row.hints.get("CapacityReservationSpecification", {}),  # type: ignore[typeddict-item]
        },
        "HibernationOptions": {"Configured": False},
        "MetadataOptions": {**METADATA, **row.hints.get("MetadataOptions", {})},  # type: ignore[typeddict-item]
        "EnclaveOptions": {"Enabled": False},
        "BootMode": "legacy-bios",
        "CurrentInstanceBootMode": "legacy-bios",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "UsageOperationUpdateTime": row.launched_at,
        "PrivateDnsNameOptions": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
            **row.hints.get("PrivateDnsNameOptions", {}),
        },
        "MaintenanceOptions": {
            "AutoRecovery": "default",
            "RebootMigration": "default",
            **row.hints.get("MaintenanceOptions", {}),
        },
    }
    if row.key_name:
        described["KeyName"] = row.key_name
    if row.reason_code:
        described["StateReason"] = {"Code": row.reason_code, "Message": row.reason}
    if row.state != InstanceState.TERMINATED:
        described["SubnetId"], described["VpcId"] = row.subnet_id, row.vpc_id
    if first:
        described["PrivateIpAddress"] = first.private_ip
        if first.public_ip:
            described["PublicIpAddress"] = first.public_ip
    return described


def _placement(row: InstanceRow) -> PlacementTypeDef:
    found: PlacementTypeDef = {
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(row.zone),
        "GroupName": row.group_name or "",
        "Tenancy": "default",
    }
    if row.group_id:
        found["GroupId"] = row.group_id
    if row.partition_number:
        found["PartitionNumber"] = row.partition_number
    return found


def transition_reason(row: InstanceRow) -> str:
    """As EC2 words it: "User initiated (2026-11-23 09:15:46 GMT)"."""
    if row.reason_code == "Client.UserInitiatedShutdown":
        return f"User initiated ({row.state_changed_at:%Y-%m-%d %H:%M:%S} GMT)"
    return row.reason


def state_change(ec2_id: str, *, was: str, now: str) -> InstanceStateChangeTypeDef:
    return {"InstanceId": ec2_id, "PreviousState": STATES[was], "CurrentState": STATES[now]}


_VOLUMES = OfMany(
    lambda: (
        Volume.objects.filter(tenant=slot("tenant")).exclude(instance_id="").order_by("pk").values_list(*VOLUME_COLUMNS)
    ),
    "instance_id",
)


def _devices(tenant: Tenant, ids: Sequence[str]) -> Devices:
    return _by_instance(_VOLUMES(tenant, ids))


def _by_instance(rows: Iterable[Sequence[Any]]) -> Devices:
    found: dict[str, list[InstanceBlockDeviceMappingTypeDef]] = {}
    for instance_id, ec2_id, device, state, delete_on_termination, attached_at in rows:
        found.setdefault(instance_id, []).append(
            {
                "DeviceName": device,
                "Ebs": {
                    "VolumeId": ec2_id,
                    "Status": STATUSES.get(state, state),
                    "AttachTime": attached_at,
                    "DeleteOnTermination": delete_on_termination,
                },
            }
        )
    return found
