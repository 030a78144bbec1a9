"""Network interfaces as EC2 describes them, within an instance and by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet

from ec2api.present.words import OfMany, Tags, private_dns_name, zone_id
from networking.models import NetworkInterface
from portal.models import Tenant
from portal.prepared import slot

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        GroupIdentifierTypeDef,
        InstanceNetworkInterfaceAssociationTypeDef,
        InstanceNetworkInterfaceTypeDef,
        NetworkInterfaceTypeDef,
    )


@dataclass(slots=True)
class InterfaceRow:
    pk: int
    ec2_id: str
    instance_id: str
    device_index: int
    delete_on_termination: bool
    own_description: str
    mac: str
    private_ip: str
    public_ip: str | None
    source_dest_check: bool
    forwards: Sequence[Mapping[str, Any]]
    attached_at: datetime | None
    subnet_id: str
    vpc_id: str
    zone: str
    groups: list[GroupIdentifierTypeDef] = field(default_factory=list)

    @property
    def attachment_id(self) -> str:
        return self.ec2_id.replace("eni-", "eni-attach-")

    @property
    def description(self) -> str:
        """What the tenant wrote, and which ports are forwarded where addresses are the host's own."""
        if not self.forwards:
            return self.own_description
        ports = ", ".join(
            f"{f['protocol']} {f['guest_port']} -> {self.public_ip}:{f['port']}"
            for f in sorted(self.forwards, key=lambda f: f["guest_port"])[:10]
        )
        return "; ".join(filter(None, (self.own_description, f"ports: {ports}")))


COLUMNS = (
    "pk",
    "ec2_id",
    "instance_id",
    "device_index",
    "delete_on_termination",
    "description",
    "mac",
    "private_ip",
    "public_ip",
    "source_dest_check",
    "forwards",
    "attached_at",
    "subnet__ec2_id",
    "subnet__vpc__ec2_id",
    "subnet__zone",
)
_of_interface = attrgetter(*(column.replace("__", ".") for column in COLUMNS))
Interfaces = Mapping[str, Sequence[InterfaceRow]]


def _with_groups(rows: QuerySet[NetworkInterface]) -> QuerySet[NetworkInterface, tuple[Any, ...]]:
    """A row for each group of each interface, so that one query has both."""
    return rows.order_by("device_index", "pk", "groups__pk").values_list(*COLUMNS, "groups__ec2_id", "groups__name")


_ATTACHED = OfMany(
    lambda: _with_groups(NetworkInterface.objects.filter(tenant=slot("tenant")).exclude(instance_id="")),
    "instance_id",
)


def interface_rows(condition: Q) -> list[InterfaceRow]:
    """With their groups, in one query."""
    return _collected(_with_groups(NetworkInterface.objects.filter(condition)))


def _collected(rows: Iterable[tuple[Any, ...]]) -> list[InterfaceRow]:
    found: dict[int, InterfaceRow] = {}
    for *columns, group_id, name in rows:
        interface = found.get(columns[0])
        if interface is None:
            interface = found[columns[0]] = InterfaceRow(*columns)
        if group_id is not None:
            interface.groups.append({"GroupId": group_id, "GroupName": name})
    return list(found.values())


def interface_row(interface: NetworkInterface, groups: Sequence[tuple[str, str]]) -> InterfaceRow:
    """Of an interface in hand, whose groups are known."""
    row = InterfaceRow(*_of_interface(interface))
    row.groups = [{"GroupId": ec2_id, "GroupName": name} for ec2_id, name in groups]
    return row


def interfaces_of(tenant: Tenant, instance_ids: Sequence[str]) -> Interfaces:
    found: dict[str, list[InterfaceRow]] = {}
    for row in _collected(_ATTACHED(tenant, instance_ids)):
        found.setdefault(row.instance_id, []).append(row)
    return found


def instance_interface(row: InterfaceRow, account_id: str) -> InstanceNetworkInterfaceTypeDef:
    dns_name = private_dns_name(row.private_ip)
    described: InstanceNetworkInterfaceTypeDef = {
        "NetworkInterfaceId": row.ec2_id,
        "Description": row.description,
        "Groups": row.groups,
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": row.mac,
        "OwnerId": account_id,
        "PrivateDnsName": dns_name,
        "PrivateIpAddress": row.private_ip,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": row.private_ip, "PrivateDnsName": dns_name}],
        "SourceDestCheck": row.source_dest_check,
        "Status": "in-use",
        "SubnetId": row.subnet_id,
        "VpcId": row.vpc_id,
        "Attachment": {
            "AttachmentId": row.attachment_id,
            "DeviceIndex": row.device_index,
            "Status": "attached",
            "DeleteOnTermination": row.delete_on_termination,
            "NetworkCardIndex": 0,
        },
    }
    if row.attached_at:
        described["Attachment"]["AttachTime"] = row.attached_at
    if row.public_ip:
        association: InstanceNetworkInterfaceAssociationTypeDef = {
            "IpOwnerId": "amazon",
            "PublicDnsName": "",
            "PublicIp": row.public_ip,
        }
        described["Association"] = association
        described["PrivateIpAddresses"][0]["Association"] = association
    return described


def network_interfaces(tenant: Tenant, rows: Iterable[InterfaceRow], tags: Tags) -> list[NetworkInterfaceTypeDef]:
    return [_network_interface(row, tenant.account_id, tags) for row in rows]


def _network_interface(row: InterfaceRow, account_id: str, tags: Tags) -> NetworkInterfaceTypeDef:
    dns_name = private_dns_name(row.private_ip)
    described: NetworkInterfaceTypeDef = {
        "NetworkInterfaceId": row.ec2_id,
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(row.zone),
        "Description": row.description,
        "Groups": row.groups,
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": row.mac,
        "OwnerId": account_id,
        "PrivateDnsName": dns_name,
        "PrivateIpAddress": row.private_ip,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": row.private_ip, "PrivateDnsName": dns_name}],
        "RequesterManaged": False,
        "SourceDestCheck": row.source_dest_check,
        "Status": "in-use" if row.instance_id else "available",
        "SubnetId": row.subnet_id,
        "TagSet": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
        "VpcId": row.vpc_id,
    }
    if row.instance_id:
        described["Attachment"] = {
            "AttachmentId": row.attachment_id,
            "DeviceIndex": row.device_index,
            "NetworkCardIndex": 0,
            "InstanceId": row.instance_id,
            "InstanceOwnerId": account_id,
            "Status": "attached",
            "DeleteOnTermination": row.delete_on_termination,
        }
        if row.attached_at:
            described["Attachment"]["AttachTime"] = row.attached_at
    if row.public_ip:
        described["Association"] = {"IpOwnerId": "amazon", "PublicDnsName": "", "PublicIp": row.public_ip}
    return described
