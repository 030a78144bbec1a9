"""Where things are, and what the account may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from compute.models import Host
from ec2api.filters import Filters, select
from ec2api.present.words import zone_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action
from networking.models import Vpc
from portal.models import Quota, Resource

Thing = dict[str, Any]
Table = Mapping[str, Callable[[Thing], Iterable[str]]]


def _of(name: str) -> Callable[[Thing], Iterable[str]]:
    return lambda thing: [str(thing[name])]


REGION_FILTERS: Table = {
    "endpoint": _of("Endpoint"),
    "region-name": _of("RegionName"),
    "opt-in-status": _of("OptInStatus"),
}
ZONE_FILTERS: Table = {
    "group-long-name": lambda zone: [],
    "group-name": _of("GroupName"),
    "message": lambda zone: [],
    "opt-in-status": _of("OptInStatus"),
    "parent-zone-id": lambda zone: [],
    "parent-zone-name": lambda zone: [],
    "region-name": _of("RegionName"),
    "state": _of("State"),
    "zone-id": _of("ZoneId"),
    "zone-name": _of("ZoneName"),
    "zone-type": _of("ZoneType"),
}


@action(ignores=["all_regions"])
def describe_regions(call: Call, *, region_names: Sequence[str] = (), filters: Filters = ()) -> Reply:
    """The one that this cloud is."""
    for name in region_names:
        if name != settings.REGION:
            raise ApiError(
                "InvalidParameterValue", f"Invalid region name: '{name[:40]}'; the region here is {settings.REGION}"
            )
    region = {
        "RegionName": settings.REGION,
        "Endpoint": urlsplit(settings.PUBLIC_URL).netloc,
        "OptInStatus": "opt-in-not-required",
    }
    return {"Regions": select([region], filters, REGION_FILTERS)}


def all_zones() -> list[str]:
    """Every zone that has hosts, and the default one."""
    return sorted({settings.DEFAULT_ZONE, *Host.objects.order_by().values_list("zone", flat=True).distinct()})


@action(ignores=["all_availability_zones"])
def describe_availability_zones(
    call: Call, *, zone_names: Sequence[str] = (), zone_ids: Sequence[str] = (), filters: Filters = ()
) -> Reply:
    zones = [_zone(name) for name in all_zones()]
    for asked, member in ((zone_names, "ZoneName"), (zone_ids, "ZoneId")):
        known = {zone[member] for zone in zones}
        for each in asked:
            if each not in known:
                raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{each[:40]}]")
        if asked:
            zones = [zone for zone in zones if zone[member] in asked]
    return {"AvailabilityZones": select(zones, filters, ZONE_FILTERS)}


def _zone(name: str) -> Thing:
    return {
        "State": "available",
        "OptInStatus": "opt-in-not-required",
        "Messages": [],
        "RegionName": settings.REGION,
        "ZoneName": name,
        "ZoneId": zone_id(name),
        "GroupName": settings.REGION,
        "NetworkBorderGroup": settings.REGION,
        "ZoneType": "availability-zone",
    }


@action()
def describe_account_attributes(call: Call, *, attribute_names: Sequence[str] = ()) -> Reply:
    """Limits are the tenant's quotas."""
    limits = dict(Quota.objects.filter(tenant=call.tenant).values_list("resource", "limit"))
    vpc = Vpc.objects.filter(tenant=call.tenant, is_default=True).first()
    values = {
        "supported-platforms": "VPC",
        "default-vpc": vpc.ec2_id if vpc else "none",
        "max-instances": limits.get(Resource.INSTANCES, 0),
        "vpc-max-security-groups-per-interface": 16,
        "max-elastic-ips": limits.get(Resource.ADDRESSES, 0),
        "vpc-max-elastic-ips": limits.get(Resource.ADDRESSES, 0),
    }
    for name in attribute_names:
        if name not in values:
            raise ApiError("InvalidParameterValue", f"Value ({name[:60]}) for parameter attribute is invalid.")
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": str(value)}]}
            for name, value in values.items()
            if not attribute_names or name in attribute_names
        ]
    }
