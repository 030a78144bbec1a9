"""Sizes of instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings

from compute.models import InstanceType
from ec2api.filters import Filters, select
from ec2api.pagination import Page
from ec2api.present.instance_types import instance_type_info
from ec2api.present.words import zone_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action

Getter = Callable[[Any], Iterable[str]]


def at(*path: str) -> Getter:
    """The value at this place of a description, or the values of the list there, as text."""

    def get(thing: Any) -> Iterable[str]:
        for name in path:
            thing = thing.get(name, {}) if isinstance(thing, Mapping) else {}
        values = thing if isinstance(thing, list) else [] if isinstance(thing, Mapping) else [thing]
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]

    return get


INSTANCE_TYPE_FILTERS: Mapping[str, Getter] = {
    "network-info.efa-supported": at("NetworkInfo", "EfaSupported"),
    "network-info.encryption-in-transit-supported": at("NetworkInfo", "EncryptionInTransitSupported"),
    "network-info.ipv6-addresses-per-interface": at("NetworkInfo", "Ipv6AddressesPerInterface"),
    "network-info.maximum-network-cards": at("NetworkInfo", "MaximumNetworkCards"),
    "auto-recovery-supported": at("AutoRecoverySupported"),
    "bare-metal": at("BareMetal"),
    "burstable-performance-supported": at("BurstablePerformanceSupported"),
    "current-generation": at("CurrentGeneration"),
    "dedicated-hosts-supported": at("DedicatedHostsSupported"),
    "ebs-info.ebs-optimized-support": at("EbsInfo", "EbsOptimizedSupport"),
    "ebs-info.encryption-support": at("EbsInfo", "EncryptionSupport"),
    "ebs-info.nvme-support": at("EbsInfo", "NvmeSupport"),
    "free-tier-eligible": at("FreeTierEligible"),
    "hibernation-supported": at("HibernationSupported"),
    "hypervisor": at("Hypervisor"),
    "instance-storage-supported": at("InstanceStorageSupported"),
    "instance-type": at("InstanceType"),
    "memory-info.size-in-mib": at("MemoryInfo", "SizeInMiB"),
    "network-info.ena-support": at("NetworkInfo", "EnaSupport"),
    "network-info.ipv4-addresses-per-interface": at("NetworkInfo", "Ipv4AddressesPerInterface"),
    "network-info.ipv6-supported": at("NetworkInfo", "Ipv6Supported"),
    "network-info.maximum-network-interfaces": at("NetworkInfo", "MaximumNetworkInterfaces"),
    "network-info.network-performance": at("NetworkInfo", "NetworkPerformance"),
    "nitro-enclaves-support": at("NitroEnclavesSupport"),
    "nitro-tpm-support": at("NitroTpmSupport"),
    "processor-info.supported-architecture": at("ProcessorInfo", "SupportedArchitectures"),
    "processor-info.sustained-clock-speed-in-ghz": at("ProcessorInfo", "SustainedClockSpeedInGhz"),
    "supported-boot-mode": at("SupportedBootModes"),
    "supported-root-device-type": at("SupportedRootDeviceTypes"),
    "supported-usage-class": at("SupportedUsageClasses"),
    "supported-virtualization-type": at("SupportedVirtualizationTypes"),
    "vcpu-info.default-cores": at("VCpuInfo", "DefaultCores"),
    "vcpu-info.default-threads-per-core": at("VCpuInfo", "DefaultThreadsPerCore"),
    "vcpu-info.default-vcpus": at("VCpuInfo", "DefaultVCpus"),
    "vcpu-info.valid-cores": at("VCpuInfo", "ValidCores"),
    "vcpu-info.valid-threads-per-core": at("VCpuInfo", "ValidThreadsPerCore"),
}
OFFERING_FILTERS: Mapping[str, Getter] = {
    "instance-type": at("InstanceType"),
    "location": at("Location"),
}


@action(ignores=["include_unsupported_in_region"])
def describe_instance_types(
    call: Call,
    *,
    instance_types: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=instance_types, ids_name="InstanceTypes")
    rows = InstanceType.objects.filter(is_enabled=True)
    found = list(rows.filter(name__in=instance_types) if instance_types else rows)
    absent = [name for name in instance_types if name not in {kind.name for kind in found}]
    if absent:
        raise ApiError(
            "InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(absent)[:500]}]"
        )
    chosen = select([instance_type_info(kind) for kind in found], filters, INSTANCE_TYPE_FILTERS)
    shown, token = page.of(chosen)
    return {"InstanceTypes": shown, "NextToken": token}


@action()
def describe_instance_type_offerings(
    call: Call,
    *,
    location_type: str = "region",
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """Every type is offered wherever we are."""
    page = Page(call, max_results, next_token)
    locations = {
        "region": settings.REGION,
        "availability-zone": settings.DEFAULT_ZONE,
        "availability-zone-id": zone_id(settings.DEFAULT_ZONE),
    }
    if location_type not in locations:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({location_type[:40]}) for parameter LocationType is invalid: use {', '.join(locations)}",
        )
    offerings = [
        {"InstanceType": name, "LocationType": location_type, "Location": locations[location_type]}
        for name in InstanceType.objects.filter(is_enabled=True).values_list("name", flat=True)
    ]
    shown, token = page.of(select(offerings, filters, OFFERING_FILTERS))
    return {"InstanceTypeOfferings": shown, "NextToken": token}
