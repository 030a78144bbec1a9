"""Sizes of instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings

from compute.models import InstanceType
from ec2api.actions.zones import all_zones
from ec2api.filters import Filters, select
from ec2api.pagination import Page
from ec2api.present.instance_types import instance_type_info
from ec2api.present.words import zone_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action

Getter = Callable[[Any], Iterable[str]]


def at(*path: str) -> Getter:
    """The value at this place of a description, or the values of the list there or on the way, as text."""

    def get(thing: Any) -> Iterable[str]:
        found = [thing]
        for name in path:
            members = [each.get(name) for each in found if isinstance(each, Mapping)]
            found = [value for each in members for value in (each if isinstance(each, list) else [each])]
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in found if value is not None]

    return get


_EBS = ("EbsInfo", "EbsOptimizedInfo")
INSTANCE_TYPE_FILTERS: Mapping[str, Getter] = {
    "ebs-info.attachment-limit-type": at("EbsInfo", "AttachmentLimitType"),
    "ebs-info.maximum-ebs-attachments": at("EbsInfo", "MaximumEbsAttachments"),
    "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps": at(*_EBS, "BaselineBandwidthInMbps"),
    "ebs-info.ebs-optimized-info.baseline-iops": at(*_EBS, "BaselineIops"),
    "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps": at(*_EBS, "BaselineThroughputInMBps"),
    "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps": at(*_EBS, "MaximumBandwidthInMbps"),
    "ebs-info.ebs-optimized-info.maximum-iops": at(*_EBS, "MaximumIops"),
    "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps": at(*_EBS, "MaximumThroughputInMBps"),
    "instance-storage-info.disk.count": at("InstanceStorageInfo", "Disks", "Count"),
    "instance-storage-info.disk.size-in-gb": at("InstanceStorageInfo", "Disks", "SizeInGB"),
    "instance-storage-info.disk.type": at("InstanceStorageInfo", "Disks", "Type"),
    "instance-storage-info.encryption-support": at("InstanceStorageInfo", "EncryptionSupport"),
    "instance-storage-info.nvme-support": at("InstanceStorageInfo", "NvmeSupport"),
    "instance-storage-info.total-size-in-gb": at("InstanceStorageInfo", "TotalSizeInGB"),
    "network-info.bandwidth-weightings": at("NetworkInfo", "BandwidthWeightings"),
    "network-info.efa-info.maximum-efa-interfaces": at("NetworkInfo", "EfaInfo", "MaximumEfaInterfaces"),
    "network-info.flexible-ena-queues-support": at("NetworkInfo", "NetworkCards", "FlexibleEnaQueuesSupport"),
    "nitro-tpm-info.supported-versions": at("NitroTpmInfo", "SupportedVersions"),
    "processor-info.supported-features": at("ProcessorInfo", "SupportedFeatures"),
    "reboot-migration-support": at("RebootMigrationSupport"),
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
    """Every type is offered in every zone."""
    page = Page(call, max_results, next_token)
    zones = all_zones()
    locations = {
        "region": [settings.REGION],
        "availability-zone": zones,
        "availability-zone-id": [zone_id(name) for name in zones],
    }
    if location_type not in locations:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({location_type[:40]}) for parameter LocationType is invalid: use {', '.join(locations)}",
        )
    offerings = [
        {"InstanceType": name, "LocationType": location_type, "Location": location}
        for name in InstanceType.objects.filter(is_enabled=True).values_list("name", flat=True)
        for location in locations[location_type]
    ]
    shown, token = page.of(select(offerings, filters, OFFERING_FILTERS))
    return {"InstanceTypeOfferings": shown, "NextToken": token}
