"""The network of a launch, and of a new interface, in EC2's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compute.launching import Plug
from ec2api.kinds import one
from ec2api.launches import groups_named, subnet_named
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, unsupported
from networking.interfaces import check_description, check_device_index
from networking.models import NetworkInterface

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceNetworkInterfaceSpecificationTypeDef

Specification = Mapping[str, Any]
OF_NEW = {
    "DeviceIndex",
    "SubnetId",
    "Groups",
    "AssociatePublicIpAddress",
    "DeleteOnTermination",
    "Description",
    "InterfaceType",
    "NetworkCardIndex",
    "PrivateIpAddress",
    "PrivateIpAddresses",
}
OF_EXISTING = {"DeviceIndex", "NetworkInterfaceId", "DeleteOnTermination", "NetworkCardIndex", "InterfaceType"}


def network(
    call: Call,
    specifications: Sequence[InstanceNetworkInterfaceSpecificationTypeDef],
    *,
    subnet_id: str,
    group_ids: Sequence[str],
    group_names: Sequence[str],
    private_ip: str,
    zone: str = "",
) -> dict[str, Any]:
    """Subnet, groups and interfaces as arguments of a launch, said either for the instance or for its interfaces."""
    if not specifications:
        subnet = subnet_named(call.tenant, subnet_id, zone)
        groups = groups_named(call.tenant, subnet, group_ids, group_names)
        return {"subnet": subnet, "groups": groups, "private_ip": private_ip}
    elsewhere = {
        "subnet ID": subnet_id,
        "security groups": group_ids or group_names,
        "private IP address": private_ip,
    }
    for name, value in elsewhere.items():
        if value:
            raise _combination(
                f"Network interfaces and an instance-level {name} may not be specified on the same request"
            )
    first, *more = _in_order(specifications)
    found = _first(call, first)
    found["more_interfaces"] = [_plug(call, each) for each in more]
    if more and "AssociatePublicIpAddress" in first:
        raise _combination(
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces"
        )
    for plug in found["more_interfaces"]:
        if plug.subnet.zone != found["subnet"].zone:
            raise _combination("The network interfaces of an instance must be in the same availability zone")
    return found


def _combination(text: str) -> ApiError:
    return ApiError("InvalidParameterCombination", text)


def _in_order(specifications: Sequence[Specification]) -> list[Specification]:
    """By device index, each of which is given, and given once, beginning with 0."""
    for number, each in enumerate(specifications, 1):
        if "DeviceIndex" not in each:
            raise ApiError(
                "MissingParameter", f"The request must contain the parameter NetworkInterface.{number}.DeviceIndex"
            )
        check_device_index(each["DeviceIndex"])
        _check(each)
    ordered = sorted(specifications, key=lambda each: int(each["DeviceIndex"]))
    indexes = [each["DeviceIndex"] for each in ordered]
    if indexes[0] != 0:
        raise _combination("The first network interface has the device index 0")
    for index in indexes:
        if indexes.count(index) > 1:
            raise ApiError("InvalidParameterValue", f"The device index {index} is specified twice")
    return ordered


def _check(asked: Specification) -> None:
    """Refuse what does not go together, and what is not here."""
    if asked.get("NetworkCardIndex", 0) != 0:
        raise _combination("There is one network card, of index 0")
    if asked.get("InterfaceType", "interface") not in ("interface", ""):
        raise unsupported(f"The interface type '{asked['InterfaceType'][:40]}'")
    known = OF_EXISTING if asked.get("NetworkInterfaceId") else OF_NEW
    for name in asked.keys() - known:
        if asked[name] and name in OF_NEW:
            raise _combination(f"A network interface may not specify both a network interface ID and {name}")
        if asked[name]:
            raise unsupported(f"The parameter NetworkInterface.{name} of RunInstances")
    if "AssociatePublicIpAddress" in asked and asked["DeviceIndex"] != 0:
        raise _combination(
            "The associatePublicIPAddress parameter can only be specified for the network interface with device index 0"
        )
    check_description(asked.get("Description", ""))


def _first(call: Call, asked: Specification) -> dict[str, Any]:
    if asked.get("NetworkInterfaceId"):
        interface = _existing(call, asked)
        return {
            "subnet": interface.subnet,
            "groups": list(interface.groups.order_by("pk")),
            "first_interface": interface,
            "delete_interface_on_termination": asked.get("DeleteOnTermination", False),
        }
    subnet = subnet_named(call.tenant, asked.get("SubnetId"))
    return {
        "subnet": subnet,
        "groups": groups_named(call.tenant, subnet, asked.get("Groups", ())),
        "public_ip": asked.get("AssociatePublicIpAddress"),
        "private_ip": private_address(asked),
        "delete_interface_on_termination": asked.get("DeleteOnTermination", True),
        "interface_description": asked.get("Description", ""),
    }


def _existing(call: Call, asked: Specification) -> NetworkInterface:
    found: NetworkInterface = one(call, "eni", asked["NetworkInterfaceId"])
    return found


def _plug(call: Call, asked: Specification) -> Plug:
    index = asked["DeviceIndex"]
    if asked.get("NetworkInterfaceId"):
        interface, wish = _existing(call, asked), asked.get("DeleteOnTermination", False)
        return Plug(index, interface.subnet, existing=interface, delete_on_termination=wish)
    subnet = subnet_named(call.tenant, asked.get("SubnetId"))
    return Plug(
        index,
        subnet,
        groups_named(call.tenant, subnet, asked.get("Groups", ())),
        private_ip=private_address(asked),
        delete_on_termination=asked.get("DeleteOnTermination", True),
        description=asked.get("Description", ""),
    )


def private_address(asked: Specification) -> str:
    """The one private address that an interface has, said in either of two ways; empty if neither is used."""
    listed = asked.get("PrivateIpAddresses") or ()
    if len(listed) > 1 or any(not each.get("Primary", True) for each in listed):
        raise unsupported("A secondary private address")
    given = {each.get("PrivateIpAddress", "") for each in listed} | {asked.get("PrivateIpAddress") or ""}
    addresses = sorted(given - {""})
    if len(addresses) > 1:
        raise _combination("Two different primary private addresses are specified")
    return addresses[0] if addresses else ""
