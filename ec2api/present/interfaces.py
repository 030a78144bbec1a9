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
        InstanceNetworkInterfaceTypeDef,
        NetworkInterfaceAttachmentTypeDef,
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
    attachment_id: str
    waits_for_start: bool
    allocation_id: str | None = None
    association_id: str | None = None
    groups: list[GroupIdentifierTypeDef] = field(default_factory=list)

    @property
    def description(self) -> str:
        """What the tenant wrote, which ports are forwarded where addresses are the host's own, and what waits."""
        return "; ".join(filter(None, (self.own_description, self._ports, self._waits)))

    @property
    def _ports(self) -> str:
        ports = ", ".join(
            f"{f['protocol']} {f['guest_port']} -> {f.get('address', self.public_ip)}:{f['port']}"
            for f in sorted(self.forwards, key=lambda f: f["guest_port"])[:10]
        )
        return f"ports: {ports}" if ports else ""

    @property
    def _waits(self) -> str:
        if self.waits_for_start:
            return "reaches the guest at its next start"
        if any(f.get("address", self.public_ip) != self.public_ip for f in self.forwards):
            return f"{self.public_ip or 'no public address'} from the next start"
        return ""


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
    "attachment_id",
    "waits_for_start",
)
ELASTIC = ("elastic_address__ec2_id", "elastic_address__association_id")
_of_interface = attrgetter(*(column.replace("__", ".") for column in COLUMNS))
Interfaces = Mapping[str, Sequence[InterfaceRow]]


def _with_groups(rows: QuerySet[NetworkInterface]) -> QuerySet[NetworkInterface, tuple[Any, ...]]:
    """A row for each group of each interface, so that one query has both."""
    columns = (*COLUMNS, *ELASTIC, "groups__ec2_id", "groups__name")
    return rows.order_by("device_index", "pk", "groups__pk").values_list(*columns)


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
    """Of an interface in hand that was just made: its groups are known, and it has no elastic address."""
    row = InterfaceRow(*_of_interface(interface))
    row.groups = [{"GroupId": ec2_id, "GroupName": name} for ec2_id, name in groups]
    return row


def interfaces_of(tenant: Tenant, instance_ids: Sequence[str]) -> Interfaces:
    found: dict[str, list[InterfaceRow]] = {}
    for row in _collected(_ATTACHED(tenant, instance_ids)):
        found.setdefault(row.instance_id, []).append(row)
    return found


def _association(row: InterfaceRow, account_id: str) -> dict[str, str]:
    """Of its public address, if it has one: an elastic one is the tenant's, any other the cloud's."""
    if not row.public_ip:
        return {}
    owner = account_id if row.association_id else "amazon"
    return {"IpOwnerId": owner, "PublicDnsName": "", "PublicIp": row.public_ip}


def _attachment(row: InterfaceRow) -> dict[str, Any]:
    found: dict[str, Any] = {
        "AttachmentId": row.attachment_id,
        "DeviceIndex": row.device_index,
        "NetworkCardIndex": 0,
        "Status": "attached",
        "DeleteOnTermination": row.delete_on_termination,
    }
    return found | ({"AttachTime": row.attached_at} if row.attached_at else {})


def attachment(row: InterfaceRow, account_id: str) -> NetworkInterfaceAttachmentTypeDef:
    """Of an interface that is attached, as it is described by itself."""
    return {**_attachment(row), "InstanceId": row.instance_id, "InstanceOwnerId": account_id}  # type: ignore[typeddict-item]


def _common(row: InterfaceRow, account_id: str, association: dict[str, str]) -> dict[str, Any]:
    dns_name = private_dns_name(row.private_ip)
    address: dict[str, Any] = {"Primary": True, "PrivateIpAddress": row.private_ip, "PrivateDnsName": dns_name}
    found: dict[str, Any] = {
        "NetworkInterfaceId": row.ec2_id,
        "Description": row.description,
        "Groups": row.groups,
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": row.mac,
        "OwnerId": account_id,
        "PrivateDnsName": dns_name,
        "PrivateIpAddress": row.private_ip,
        "PrivateIpAddresses": [address],
        "SourceDestCheck": row.source_dest_check,
        "Status": "in-use" if row.instance_id else "available",
        "SubnetId": row.subnet_id,
        "VpcId": row.vpc_id,
    }
    if association:
        found["Association"] = address["Association"] = association
    return found


def instance_interface(row: InterfaceRow, account_id: str) -> InstanceNetworkInterfaceTypeDef:
    found = _common(row, account_id, _association(row, account_id))
    return {**found, "Attachment": _attachment(row)}  # type: ignore[typeddict-item]


def network_interfaces(tenant: Tenant, rows: Iterable[InterfaceRow], tags: Tags) -> list[NetworkInterfaceTypeDef]:
    return [network_interface(row, tenant.account_id, tags) for row in rows]


def network_interface(row: InterfaceRow, account_id: str, tags: Tags) -> NetworkInterfaceTypeDef:
    association = _association(row, account_id)
    if row.association_id:
        association |= {"AllocationId": row.allocation_id or "", "AssociationId": row.association_id}
    found = {
        **_common(row, account_id, association),
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(row.zone),
        "RequesterManaged": False,
        "TagSet": tags.get(row.ec2_id, []),
    }
    if row.instance_id:
        found["Attachment"] = attachment(row, account_id)
    return found  # type: ignore[return-value]
