"""The filters of DescribeInstances and DescribeInstanceStatus: what EC2's words mean in our rows."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from compute.states import CODES
from ec2api.filters import Build, Table, Values, always, among, choice, matches, moment, number, owner, truth
from ec2api.present.words import private_dns_name, zone_id
from networking.models import NetworkInterface
from portal.models import Tenant
from storage.models import Volume


def of_interface(make: str | Build) -> Build:
    """Instances with an interface for which the condition holds."""
    return _having(NetworkInterface.objects.all(), make)


def of_volume(make: str | Build) -> Build:
    return _having(Volume.objects.all(), make)


def _having(rows: QuerySet[Any], make: str | Build) -> Build:
    def build(values: Values, tenant: Tenant) -> Q:
        found = among(make, values) if isinstance(make, str) else make(values, tenant)
        return Q(ec2_id__in=rows.filter(found, tenant=tenant).exclude(instance_id="").values("instance_id"))

    return build


def _private_dns(values: Values, tenant: Tenant) -> Q:
    """The name is made of the address, so addresses are what is compared."""
    rows = NetworkInterface.objects.filter(tenant=tenant).values_list("private_ip", flat=True)
    return Q(private_ip__in=[address for address in rows if matches(private_dns_name(address), values)])


def _state_code(values: Values, _tenant: Tenant) -> Q:
    """The low byte is the state; the high one is EC2's own."""
    codes = {int(value) & 0xFF for value in values if value.isascii() and value.isdecimal() and len(value) < 6}
    return Q(state__in=[state for state, code in CODES.items() if code in codes])


def _zone_id(values: Values, tenant: Tenant) -> Q:
    from django.conf import settings

    return always(zone_id(settings.DEFAULT_ZONE))(values, tenant)


_private_ip = of_interface("private_ip")
_public_ip = of_interface("public_ip")
_group_id = of_interface("groups__ec2_id")
_group_name = of_interface("groups__name")
_booleans = {"enabled": True, "disabled": False}

INSTANCE_FILTERS: Table = {
    "architecture": "image__architecture",
    "availability-zone": "zone",
    "availability-zone-id": _zone_id,
    "block-device-mapping.attach-time": of_volume(moment("attached_at")),
    "block-device-mapping.delete-on-termination": of_volume(truth("delete_on_termination")),
    "block-device-mapping.device-name": of_volume("device"),
    "block-device-mapping.status": of_volume(
        lambda values, _: (
            (Q(state="creating") if matches("attaching", values) else Q(pk__in=()))
            | (~Q(state="creating") if matches("attached", values) else Q(pk__in=()))
        )
    ),
    "block-device-mapping.volume-id": of_volume("ec2_id"),
    "boot-mode": always("legacy-bios"),
    "client-token": "reservation__client_token",
    "current-instance-boot-mode": always("legacy-bios"),
    "dns-name": always(""),
    "ebs-optimized": choice("hints__EbsOptimized", {"true": True}),
    "hibernation-options.configured": always("false"),
    "host-id": always(""),
    "hypervisor": always("xen"),
    "image-id": "image__ec2_id",
    "instance-id": "ec2_id",
    "instance-lifecycle": always(""),
    "instance-state-code": _state_code,
    "instance-state-name": "state",
    "instance-type": "instance_type__name",
    "instance.group-id": _group_id,
    "instance.group-name": _group_name,
    "ip-address": _public_ip,
    "kernel-id": always(""),
    "key-name": "key_name",
    "launch-index": number("launch_index"),
    "launch-time": moment("launched_at"),
    "metadata-options.http-endpoint": always("enabled"),
    "metadata-options.http-tokens": always("optional"),
    "monitoring-state": choice("monitoring", _booleans),
    "network-interface.addresses.primary": of_interface(always("true")),
    "network-interface.addresses.private-ip-address": _private_ip,
    "network-interface.addresses.association.public-ip": _public_ip,
    "network-interface.association.public-ip": _public_ip,
    "network-interface.attachment.delete-on-termination": of_interface(truth("delete_on_termination")),
    "network-interface.attachment.device-index": of_interface(number("device_index")),
    "network-interface.attachment.instance-id": "ec2_id",
    "network-interface.attachment.status": of_interface(always("attached")),
    "network-interface.availability-zone": of_interface("subnet__zone"),
    "network-interface.description": of_interface("description"),
    "network-interface.group-id": _group_id,
    "network-interface.group-name": _group_name,
    "network-interface.mac-address": of_interface("mac"),
    "network-interface.network-interface-id": of_interface("ec2_id"),
    "network-interface.owner-id": of_interface(owner),
    "network-interface.private-dns-name": of_interface(_private_dns),
    "network-interface.private-ip-address": _private_ip,
    "network-interface.requester-managed": of_interface(always("false")),
    "network-interface.source-dest-check": of_interface(truth("source_dest_check")),
    "network-interface.status": of_interface(always("in-use")),
    "network-interface.subnet-id": of_interface("subnet__ec2_id"),
    "network-interface.vpc-id": of_interface("subnet__vpc__ec2_id"),
    "owner-id": owner,
    "placement-group-name": always(""),
    "platform": always(""),
    "platform-details": always("Linux/UNIX"),
    "private-dns-name": of_interface(_private_dns),
    "private-ip-address": _private_ip,
    "product-code": always(""),
    "ramdisk-id": always(""),
    "reason": "reason",
    "requester-id": "reservation__requester",
    "reservation-id": "reservation__ec2_id",
    "root-device-name": "image__root_device_name",
    "root-device-type": always("ebs"),
    "source-dest-check": truth("source_dest_check"),
    "spot-instance-request-id": always(""),
    "state-reason-code": "reason_code",
    "state-reason-message": "reason",
    "subnet-id": "subnet_id_text",
    "tenancy": always("default"),
    "usage-operation": always("RunInstances"),
    "virtualization-type": "image__virtualization",
    "vpc-id": "vpc_id_text",
}
