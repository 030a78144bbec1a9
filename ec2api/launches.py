"""What RunInstances asks for, in EC2's words, as a launch of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compute.models import InstanceType, KeyPair
from ec2api.present.words import zone_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import unsupported
from networking.models import SecurityGroup, Subnet
from networking.services import default_network
from portal.ids import looks_like
from portal.models import Tenant
from portal.prepared import Prepared, slot, slots
from storage.models import Image, ImageState, launchable_by
from storage.volume_types import TYPES

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        PlacementTypeDef,
    )

VOLUME_TYPES = TYPES.keys()
MAX_GROUPS = 16


def digest(arguments: Mapping[str, object]) -> str:
    """Of all that was asked, so that a client token used again for something else is noticed."""
    text = json.dumps(arguments, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


_IMAGE = Prepared(
    lambda: (
        Image.objects.select_related("root_snapshot__layer__datastore")
        .filter(launchable_by(slot("tenant")), ec2_id=slot("ec2_id"))
        .order_by()
    )
)
_TYPE = Prepared(lambda: InstanceType.objects.filter(name=slot("name"), is_enabled=True).order_by())
_KEY_PAIR = Prepared(lambda: KeyPair.objects.filter(tenant=slot("tenant"), name=slot("name")).order_by())
_SUBNETS = Subnet.objects.select_related("vpc").filter(tenant=slot("tenant"))
_SUBNET = Prepared(lambda: _SUBNETS.filter(ec2_id=slot("ec2_id")).order_by())
_DEFAULT_SUBNET = Prepared(lambda: _SUBNETS.filter(is_default_for_zone=True)[:1])
_GROUPS = SecurityGroup.objects.filter(tenant=slot("tenant"), vpc=slot("vpc")).order_by()
_GROUPS_BY_ID = Prepared(lambda: _GROUPS.filter(ec2_id__in=slots("ids")))
_GROUPS_BY_NAME = Prepared(lambda: _GROUPS.filter(name__in=slots("names")))


def image_named(tenant: Tenant, image_id: str) -> Image:
    if not looks_like("ami", image_id):
        raise ApiError("InvalidAMIID.Malformed", f'Invalid id: "{image_id[:40]}" (expecting "ami-...")')
    image = _IMAGE.one(tenant=tenant, ec2_id=image_id)
    if image is None or image.state == ImageState.DEREGISTERED:
        raise ApiError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    if image.state != ImageState.AVAILABLE:
        raise ApiError("InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is {image.state}, not available")
    return image


def instance_type_named(name: str) -> InstanceType:
    found = _TYPE.one(name=name)
    if found is None:
        names = ", ".join(InstanceType.objects.filter(is_enabled=True).values_list("name", flat=True))
        raise ApiError(
            "InvalidParameterValue",
            f"Invalid value '{name[:40]}' for InstanceType. The instance types offered here are: {names}",
        )
    return found


def key_pair_named(tenant: Tenant, name: str) -> KeyPair:
    found = _KEY_PAIR.one(tenant=tenant, name=name)
    if found is None:
        raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{name[:255]}' does not exist")
    return found


def subnet_named(tenant: Tenant, subnet_id: str | None, zone: str = "") -> Subnet:
    """The one named; or the default one, of the zone if that has one."""
    if not subnet_id and zone:
        in_zone = Subnet.objects.select_related("vpc").filter(tenant=tenant, is_default_for_zone=True, zone=zone)
        return in_zone.first() or subnet_named(tenant, "")
    if not subnet_id:
        return _DEFAULT_SUBNET.one(tenant=tenant) or default_network(tenant).subnet
    found = _SUBNET.one(tenant=tenant, ec2_id=subnet_id)
    if found is None:
        raise ApiError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id[:40]}' does not exist")
    return found


def groups_named(
    tenant: Tenant, subnet: Subnet, group_ids: Sequence[str], names: Sequence[str] = ()
) -> list[SecurityGroup]:
    """The groups by id and by name, all of the subnet's network; the default group if none is named."""
    if not group_ids and not names:
        names = ["default"]
    own = {"tenant": tenant, "vpc": subnet.vpc_id}
    found = _GROUPS_BY_ID(ids=group_ids, **own) if group_ids else []
    if names:
        found += _GROUPS_BY_NAME(names=names, **own)
    ids, known = {group.ec2_id for group in found}, {group.name for group in found}
    for group_id in group_ids:
        if not looks_like("sg", group_id):
            raise ApiError("InvalidGroupId.Malformed", f'Invalid id: "{group_id[:60]}" (expecting "sg-...")')
        if group_id not in ids:
            raise ApiError("InvalidGroup.NotFound", f"The security group '{group_id[:40]}' does not exist")
    for name in names:
        if name not in known:
            raise ApiError(
                "InvalidGroup.NotFound",
                f"The security group '{name[:255]}' does not exist in VPC '{subnet.vpc.ec2_id}'",
            )
    unique = list({group.pk: group for group in found}.values())
    if len(unique) > MAX_GROUPS:
        raise ApiError(
            "SecurityGroupsPerInterfaceLimitExceeded", f"An interface takes {MAX_GROUPS} security groups at most"
        )
    return unique


PLACEMENT_MEMBERS = {
    "AvailabilityZone",
    "AvailabilityZoneId",
    "GroupId",
    "GroupName",
    "PartitionNumber",
    "Tenancy",
}


def check_placement(placement: PlacementTypeDef, zone: str) -> None:
    """Where it runs is our choice, but the zone must be the subnet's."""
    wanted = placement.get("AvailabilityZone")
    if wanted and wanted != zone:
        raise ApiError(
            "InvalidParameterValue",
            f"Invalid availability zone: [{wanted[:40]}]. The subnet is in {zone}.",
        )
    wanted_id = placement.get("AvailabilityZoneId")
    if wanted_id and wanted_id != zone_id(zone):
        raise ApiError(
            "InvalidParameterValue",
            f"Invalid availability zone id: [{wanted_id[:40]}]. The subnet is in {zone_id(zone)}.",
        )
    if placement.get("Tenancy", "default") != "default":
        raise unsupported(f"Placement.Tenancy '{placement['Tenancy']}'")
    for name in placement.keys() - PLACEMENT_MEMBERS:
        if placement[name]:  # type: ignore[literal-required]
            raise unsupported(f"The parameter Placement.{name} of RunInstances")


HINTS: Mapping[str, Mapping[str, Collection[object]]] = {
    "CreditSpecification": {"CpuCredits": ("standard", "unlimited")},
    "MaintenanceOptions": {"AutoRecovery": ("default", "disabled"), "RebootMigration": ("default", "disabled")},
    "MetadataOptions": {
        "HttpEndpoint": ("enabled", "disabled"),
        "HttpProtocolIpv6": ("disabled", "enabled"),
        "HttpPutResponseHopLimit": range(1, 65),
        "HttpTokens": ("optional", "required"),
        "InstanceMetadataTags": ("disabled", "enabled"),
    },
    "PrivateDnsNameOptions": {"HostnameType": ("ip-name", "resource-name")},
}


def check_words(asked: Mapping[str, Any]) -> None:
    """What is kept and shown must be a word that EC2 has."""
    for name, members in HINTS.items():
        for member, words in members.items():
            value = (asked.get(name) or {}).get(member, next(iter(words)))
            if value not in words:
                expected = f"a number from 1 to {max(words)}" if isinstance(words, range) else " or ".join(words)  # type: ignore[arg-type]
                raise ApiError(
                    "InvalidParameterValue",
                    f"Value ({str(value)[:40]}) for parameter {name}.{member} is invalid. Expecting {expected}.",
                )


def hints(instance_type: InstanceType, asked: Mapping[str, Any]) -> dict[str, object]:
    """What is kept and shown again; what would change the machine is refused."""
    check_words(asked)
    cpu = asked.get("CpuOptions") or {}
    threads, cores = cpu.get("ThreadsPerCore", 1), cpu.get("CoreCount", instance_type.vcpus)
    if min(threads, cores) < 1 or cores * threads != instance_type.vcpus:
        raise ApiError(
            "InvalidParameterCombination",
            f"CpuOptions ask for {cores} cores of {threads} threads; {instance_type} has {instance_type.vcpus} vCPUs",
        )
    if set(cpu) - {"ThreadsPerCore", "CoreCount"}:
        raise unsupported(f"CpuOptions.{min(set(cpu) - {'ThreadsPerCore', 'CoreCount'})}")
    if (asked.get("EnclaveOptions") or {}).get("Enabled"):
        raise unsupported("EnclaveOptions.Enabled")
    if (asked.get("HibernationOptions") or {}).get("Configured"):
        raise unsupported("HibernationOptions.Configured")
    capacity = asked.get("CapacityReservationSpecification") or {}
    if capacity.get("CapacityReservationTarget") or capacity.get("CapacityReservationPreference") not in (
        None,
        "open",
        "none",
    ):
        raise unsupported("A capacity reservation's target")
    return {name: value for name, value in asked.items() if value not in (None, {}, [])}
