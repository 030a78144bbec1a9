"""Security groups and their rules as EC2 describes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ec2api.present.words import Tags, arn
from networking.models import SecurityGroup, SecurityGroupRule
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        IpPermissionOutputTypeDef,
        RevokedSecurityGroupRuleTypeDef,
        SecurityGroupRuleTypeDef,
        SecurityGroupTypeDef,
    )


def security_group(group: SecurityGroup, tenant: Tenant, tags: Tags) -> SecurityGroupTypeDef:
    """``rules`` of the group, with their peers, should be prefetched."""
    rules = list(group.rules.all())
    return {
        "GroupId": group.ec2_id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": tenant.account_id,
        "VpcId": group.vpc.ec2_id,
        "SecurityGroupArn": arn(tenant, "security-group", group.ec2_id),
        "IpPermissions": permissions((rule for rule in rules if not rule.is_egress), tenant),
        "IpPermissionsEgress": permissions((rule for rule in rules if rule.is_egress), tenant),
        "Tags": tags.get(group.ec2_id, []),  # type: ignore[typeddict-item]
    }


def permissions(rules: Iterable[SecurityGroupRule], tenant: Tenant) -> list[IpPermissionOutputTypeDef]:
    """Rules of the same protocol and ports are one permission with several peers."""
    found: dict[tuple[str, int, int], Any] = {}
    for rule in rules:
        key = (rule.protocol, rule.from_port, rule.to_port)
        permission = found.get(key)
        if permission is None:
            permission = found[key] = {"IpProtocol": rule.protocol}
            if rule.protocol in ("tcp", "udp", "icmp", "icmpv6"):
                permission |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
            permission |= {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
        member, peer = _peer(rule, tenant)
        permission[member].append(peer | ({"Description": rule.description} if rule.description else {}))
    return list(found.values())


def _peer(rule: SecurityGroupRule, tenant: Tenant) -> tuple[str, dict[str, str]]:
    if rule.peer_group:
        return "UserIdGroupPairs", {"GroupId": rule.peer_group.ec2_id, "UserId": tenant.account_id}
    if rule.cidr_ipv6:
        return "Ipv6Ranges", {"CidrIpv6": rule.cidr_ipv6}
    return "IpRanges", {"CidrIp": rule.cidr_ipv4}


def rule_description(rule: SecurityGroupRule, tenant: Tenant, tags: Tags) -> SecurityGroupRuleTypeDef:
    described: SecurityGroupRuleTypeDef = {
        "SecurityGroupRuleId": rule.ec2_id,
        "GroupId": rule.group.ec2_id,
        "GroupOwnerId": tenant.account_id,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
        "SecurityGroupRuleArn": arn(tenant, "security-group-rule", rule.ec2_id),
        "Tags": tags.get(rule.ec2_id, []),  # type: ignore[typeddict-item]
    }
    if rule.cidr_ipv4:
        described["CidrIpv4"] = rule.cidr_ipv4
    if rule.cidr_ipv6:
        described["CidrIpv6"] = rule.cidr_ipv6
    if rule.peer_group:
        described["ReferencedGroupInfo"] = {"GroupId": rule.peer_group.ec2_id, "UserId": tenant.account_id}
    if rule.description:
        described["Description"] = rule.description
    return described


def revoked_rule(rule: SecurityGroupRule, group: SecurityGroup) -> RevokedSecurityGroupRuleTypeDef:
    described: RevokedSecurityGroupRuleTypeDef = {
        "SecurityGroupRuleId": rule.ec2_id,
        "GroupId": group.ec2_id,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
    }
    if rule.cidr_ipv4:
        described["CidrIpv4"] = rule.cidr_ipv4
    if rule.cidr_ipv6:
        described["CidrIpv6"] = rule.cidr_ipv6
    if rule.peer_group:
        described["ReferencedGroupId"] = rule.peer_group.ec2_id
    return described
