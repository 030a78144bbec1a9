"""The filters of DescribeLaunchTemplates and DescribeLaunchTemplateVersions."""

from __future__ import annotations

from django.db.models import F, Q

from ec2api.filters import NOTHING, Build, Table, Values, always, among, choice, matches, moment
from portal.models import Tenant

TEMPLATE_FILTERS: Table = {
    "create-time": moment("created_at"),
    "launch-template-name": "name",
}
MAX_CARDS = 8  # network interfaces of one version that are looked at


def _is_default(values: Values, _tenant: Tenant) -> Q:
    default = Q(number=F("template__default_number"))
    return (default if matches("true", values) else NOTHING) | (~default if matches("false", values) else NOTHING)


def _cards(values: Values, _tenant: Tenant) -> Q:
    numbers = [int(value) for value in values if value.isascii() and value.isdecimal() and len(value) < 6]
    found = NOTHING
    for place in range(MAX_CARDS):
        found |= Q(**{f"data__NetworkInterfaces__{place}__NetworkCardIndex__in": numbers})
    return found


def _licenses(values: Values, _tenant: Tenant) -> Q:
    found = NOTHING
    for place in range(MAX_CARDS):
        found |= among(f"data__LicenseSpecifications__{place}__LicenseConfigurationArn", values)
    return found


def _metadata(member: str) -> str:
    return f"data__MetadataOptions__{member}"


_truths: Build = choice("data__EbsOptimized", {"true": True, "false": False})

VERSION_FILTERS: Table = {
    "create-time": moment("created_at"),
    "ebs-optimized": _truths,
    "host-resource-group-arn": "data__Placement__HostResourceGroupArn",
    "http-endpoint": _metadata("HttpEndpoint"),
    "http-protocol-ipv4": always("enabled"),
    "http-tokens": _metadata("HttpTokens"),
    "iam-instance-profile": "data__IamInstanceProfile__Arn",
    "image-id": "data__ImageId",
    "instance-type": "data__InstanceType",
    "is-default-version": _is_default,
    "kernel-id": "data__KernelId",
    "license-configuration-arn": _licenses,
    "network-card-index": _cards,
    "ram-disk-id": "data__RamDiskId",
}
