"""EC2's two ways of writing a permission, as rules of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ec2api.protocol.errors import ApiError
from ec2api.registry import missing, unsupported
from networking.groups import Rule, make_rule
from networking.models import SecurityGroup
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import IpPermissionUnionTypeDef


def rules(
    group: SecurityGroup,
    tenant: Tenant,
    *,
    ip_permissions: Sequence[IpPermissionUnionTypeDef],
    ip_protocol: str,
    from_port: int | None,
    to_port: int | None,
    cidr_ip: str,
    source_security_group_name: str,
    source_security_group_owner_id: str,
) -> list[Rule]:
    """At least one rule.  Raises ApiError or CloudError."""
    flat = any((ip_protocol, cidr_ip, source_security_group_name))
    has_ports = from_port is not None or to_port is not None
    if (flat or has_ports) and ip_permissions:
        raise ApiError(
            "InvalidParameterCombination",
            "The parameter ipPermissions may not be used with ipProtocol, cidrIp or others",
        )
    if flat:
        if not ip_protocol and (cidr_ip or has_ports):
            raise missing("IpProtocol")  # to take it for all protocols would open more than was meant
        permission: dict[str, Any] = {"IpProtocol": ip_protocol or "-1", "FromPort": from_port, "ToPort": to_port}
        if cidr_ip:
            permission["IpRanges"] = [{"CidrIp": cidr_ip}]
        if source_security_group_name:
            pair = {"GroupName": source_security_group_name, "UserId": source_security_group_owner_id}
            permission["UserIdGroupPairs"] = [pair]
        ip_permissions = [permission]  # type: ignore[list-item]
    if not ip_permissions:
        raise missing("IpPermissions")
    return rules_of(group, tenant, ip_permissions)


def rules_of(group: SecurityGroup, tenant: Tenant, ip_permissions: Sequence[IpPermissionUnionTypeDef]) -> list[Rule]:
    """The rules that permissions stand for, one for each peer."""
    peers = _peers(group, tenant, ip_permissions)
    return [rule for each in ip_permissions for rule in _rules_of(each, peers)]


def _rules_of(permission: Mapping[str, Any], peers: Mapping[str, SecurityGroup]) -> Iterator[Rule]:
    if "IpProtocol" not in permission:
        raise missing("IpPermissions.IpProtocol")
    if permission.get("PrefixListIds"):
        raise unsupported("A prefix list in a permission")
    what = (permission["IpProtocol"], permission.get("FromPort"), permission.get("ToPort"))
    if not any(permission.get(name) for name in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs")):
        raise ApiError("MissingParameter", "A permission needs an IpRange, an Ipv6Range or a group")
    for each in permission.get("IpRanges", ()):
        yield make_rule(*what, cidr_ipv4=_needed(each, "CidrIp"), description=each.get("Description", ""))
    for each in permission.get("Ipv6Ranges", ()):
        yield make_rule(*what, cidr_ipv6=_needed(each, "CidrIpv6"), description=each.get("Description", ""))
    for each in permission.get("UserIdGroupPairs", ()):
        yield make_rule(*what, peer_group=peers[_name_of(each)], description=each.get("Description", ""))


def _needed(each: Mapping[str, Any], member: str) -> str:
    if not each.get(member):
        raise missing(f"IpPermissions.{member}")
    return str(each[member])


def _name_of(pair: Mapping[str, Any]) -> str:
    return str(pair.get("GroupId") or pair.get("GroupName") or "")


def _peers(group: SecurityGroup, tenant: Tenant, permissions: Sequence[Mapping[str, Any]]) -> dict[str, SecurityGroup]:
    """The groups that permissions name, by id or name, in one query; of the tenant, and of the group's network."""
    pairs = [pair for permission in permissions for pair in permission.get("UserIdGroupPairs", ())]
    for pair in pairs:
        if not _name_of(pair):
            raise missing("IpPermissions.Groups.GroupId")
        if pair.get("UserId") not in (None, "", tenant.account_id):
            raise ApiError(
                "InvalidGroup.NotFound", f"Group {_name_of(pair)[:60]} of another account can't be referred to"
            )
        if pair.get("VpcPeeringConnectionId"):
            raise unsupported("A peering connection in a permission")
    if not pairs:
        return {}
    names = {_name_of(pair) for pair in pairs}
    rows = SecurityGroup.objects.filter(tenant=tenant, vpc=group.vpc_id)
    found = {each.name: each for each in rows.filter(name__in=names)}
    found |= {each.ec2_id: each for each in rows.filter(ec2_id__in=names)}
    for name in names:
        if name not in found:
            raise ApiError("InvalidGroup.NotFound", f"The security group '{name[:255]}' does not exist")
    return found
