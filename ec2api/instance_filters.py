"""The filters of DescribeInstances and DescribeInstanceStatus: what EC2's words mean in our rows."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from compute.states import CODES
from ec2api.filters import (
    NOTHING,
    Build,
    Table,
    Values,
    always,
    among,
    choice,
    kept,
    matches,
    moment,
    number,
    owner,
    tagged,
    truth,
)
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


def private_dns(values: Values, tenant: Tenant) -> Q:
    """The name is made of the address, so addresses are what is compared."""
    rows = NetworkInterface.objects.filter(tenant=tenant).values_list("private_ip", flat=True)
    return Q(private_ip__in=[address for address in rows if matches(private_dns_name(address), values)])


def _tag_of_interface(field: str) -> Build:
    return of_interface(lambda values, tenant: tagged(among(field, values), tenant))


def public_owner(values: Values, tenant: Tenant) -> Q:
    """Elastic addresses are the tenant's, the automatic ones the cloud's."""
    found = Q(public_ip__isnull=False, elastic_address=None) if matches("amazon", values) else NOTHING
    return found | Q(elastic_address__isnull=False) if matches(tenant.account_id, values) else found


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
_public_owned = of_interface(public_owner)
_dns_name = of_interface(private_dns)
_none = always("")
_booleans = {"enabled": True, "disabled": False}
_truths = {"true": True, "false": False}


def _metadata(member: str, *words: str) -> Build:
    """The first word is the default."""
    return kept(f"hints__MetadataOptions__{member}", dict(zip(words, words, strict=True)), words[0])


def _dns_option(member: str) -> Build:
    return kept(f"hints__PrivateDnsNameOptions__{member}", _truths, "false")


_hops = kept("hints__MetadataOptions__HttpPutResponseHopLimit", {str(n): n for n in range(1, 65)}, "1")

INSTANCE_FILTERS: Table = {
    "affinity": _none,
    "architecture": "image__architecture",
    "availability-zone": "zone",
    "availability-zone-id": _zone_id,
    "block-device-mapping.attach-time": of_volume(moment("attached_at")),
    "block-device-mapping.delete-on-termination": of_volume(truth("delete_on_termination")),
    "block-device-mapping.device-name": of_volume("device"),
    "block-device-mapping.status": of_volume(
        choice(
            "attachment_state__in",
            {"attaching": ["attaching"], "attached": ["attached"], "detaching": ["detaching", "busy"]},
        )
    ),
    "block-device-mapping.volume-id": of_volume("ec2_id"),
    "boot-mode": always("legacy-bios"),
    "capacity-reservation-id": _none,
    "capacity-reservation-specification.capacity-reservation-preference": kept(
        "hints__CapacityReservationSpecification__CapacityReservationPreference",
        {"open": "open", "none": "none"},
        "open",
    ),
    "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id": _none,
    "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn": _none,
    "client-token": "reservation__client_token",
    "current-instance-boot-mode": always("legacy-bios"),
    "dns-name": _none,
    "ebs-optimized": kept("hints__EbsOptimized", _truths, "false"),
    "ena-support": always("true"),
    "enclave-options.enabled": always("false"),
    "hibernation-options.configured": always("false"),
    "host-id": _none,
    "hypervisor": always("xen"),
    "iam-instance-profile.arn": _none,
    "iam-instance-profile.id": _none,
    "iam-instance-profile.name": _none,
    "image-id": "image__ec2_id",
    "instance-id": "ec2_id",
    "instance-lifecycle": _none,
    "instance-state-code": _state_code,
    "instance-state-name": "state",
    "instance-type": "instance_type__name",
    "instance.group-id": _group_id,
    "instance.group-name": _group_name,
    "ip-address": _public_ip,
    "ipv6-address": _none,
    "kernel-id": _none,
    "key-name": "key_name",
    "launch-index": number("launch_index"),
    "launch-time": moment("launched_at"),
    "maintenance-options.auto-recovery": kept(
        "hints__MaintenanceOptions__AutoRecovery", {"default": "default", "disabled": "disabled"}, "default"
    ),
    "metadata-options.http-endpoint": _metadata("HttpEndpoint", "enabled", "disabled"),
    "metadata-options.http-protocol-ipv4": always("enabled"),
    "metadata-options.http-protocol-ipv6": _metadata("HttpProtocolIpv6", "disabled", "enabled"),
    "metadata-options.http-put-response-hop-limit": _hops,
    "metadata-options.http-tokens": _metadata("HttpTokens", "optional", "required"),
    "metadata-options.instance-metadata-tags": _metadata("InstanceMetadataTags", "disabled", "enabled"),
    "metadata-options.state": always("applied"),
    "monitoring-state": choice("monitoring", _booleans),
    "network-interface.addresses.association.allocation-id": of_interface("elastic_address__ec2_id"),
    "network-interface.addresses.association.association-id": of_interface("elastic_address__association_id"),
    "network-interface.addresses.association.carrier-ip": _none,
    "network-interface.addresses.association.customer-owned-ip": _none,
    "network-interface.addresses.association.ip-owner-id": _public_owned,
    "network-interface.addresses.association.public-dns-name": _none,
    "network-interface.addresses.association.public-ip": _public_ip,
    "network-interface.addresses.primary": of_interface(always("true")),
    "network-interface.addresses.private-dns-name": _dns_name,
    "network-interface.addresses.private-ip-address": _private_ip,
    "network-interface.association.allocation-id": of_interface("elastic_address__ec2_id"),
    "network-interface.association.association-id": of_interface("elastic_address__association_id"),
    "network-interface.association.carrier-ip": _none,
    "network-interface.association.customer-owned-ip": _none,
    "network-interface.association.ip-owner-id": _public_owned,
    "network-interface.association.public-dns-name": _none,
    "network-interface.association.public-ip": _public_ip,
    "network-interface.attachment.attach-time": of_interface(moment("attached_at")),
    "network-interface.attachment.attachment-id": of_interface("attachment_id"),
    "network-interface.attachment.delete-on-termination": of_interface(truth("delete_on_termination")),
    "network-interface.attachment.device-index": of_interface(number("device_index")),
    "network-interface.attachment.instance-id": "ec2_id",
    "network-interface.attachment.instance-owner-id": of_interface(owner),
    "network-interface.attachment.network-card-index": of_interface(always("0")),
    "network-interface.attachment.status": of_interface(always("attached")),
    "network-interface.availability-zone": of_interface("subnet__zone"),
    "network-interface.deny-all-igw-traffic": of_interface(always("false")),
    "network-interface.description": of_interface("description"),
    "network-interface.group-id": _group_id,
    "network-interface.group-name": _group_name,
    "network-interface.ipv4-prefixes.ipv4-prefix": _none,
    "network-interface.ipv6-address": _none,
    "network-interface.ipv6-addresses.ipv6-address": _none,
    "network-interface.ipv6-addresses.is-primary-ipv6": _none,
    "network-interface.ipv6-native": of_interface(always("false")),
    "network-interface.ipv6-prefixes.ipv6-prefix": _none,
    "network-interface.mac-address": of_interface("mac"),
    "network-interface.network-interface-id": of_interface("ec2_id"),
    "network-interface.operator.managed": of_interface(always("false")),
    "network-interface.operator.principal": _none,
    "network-interface.outpost-arn": _none,
    "network-interface.owner-id": of_interface(owner),
    "network-interface.private-dns-name": _dns_name,
    "network-interface.private-ip-address": _private_ip,
    "network-interface.public-dns-name": _none,
    "network-interface.requester-id": _none,
    "network-interface.requester-managed": of_interface(always("false")),
    "network-interface.source-dest-check": of_interface(truth("source_dest_check")),
    "network-interface.status": of_interface(always("in-use")),
    "network-interface.subnet-id": of_interface("subnet__ec2_id"),
    "network-interface.tag-key": _tag_of_interface("key"),
    "network-interface.tag-value": _tag_of_interface("value"),
    "network-interface.vpc-id": of_interface("subnet__vpc__ec2_id"),
    "network-performance-options.bandwidth-weighting": always("default"),
    "operator.managed": always("false"),
    "operator.principal": _none,
    "outpost-arn": _none,
    "owner-id": owner,
    "placement-group-name": "group_member__group__name",
    "placement-partition-number": number("group_member__partition_number"),
    "platform": _none,
    "platform-details": always("Linux/UNIX"),
    "private-dns-name": _dns_name,
    "private-dns-name-options.enable-resource-name-dns-a-record": _dns_option("EnableResourceNameDnsARecord"),
    "private-dns-name-options.enable-resource-name-dns-aaaa-record": _dns_option("EnableResourceNameDnsAAAARecord"),
    "private-dns-name-options.hostname-type": kept(
        "hints__PrivateDnsNameOptions__HostnameType",
        {"ip-name": "ip-name", "resource-name": "resource-name"},
        "ip-name",
    ),
    "private-ip-address": _private_ip,
    "product-code": _none,
    "product-code.type": _none,
    "ramdisk-id": _none,
    "reason": "reason",
    "requester-id": "reservation__requester",
    "reservation-id": "reservation__ec2_id",
    "root-device-name": "image__root_device_name",
    "root-device-type": always("ebs"),
    "source-dest-check": truth("source_dest_check"),
    "spot-instance-request-id": _none,
    "state-reason-code": "reason_code",
    "state-reason-message": "reason",
    "subnet-id": "subnet_id_text",
    "tenancy": always("default"),
    "tpm-support": _none,
    "usage-operation": always("RunInstances"),
    "usage-operation-update-time": moment("launched_at"),
    "virtualization-type": "image__virtualization",
    "vpc-id": "vpc_id_text",
}
