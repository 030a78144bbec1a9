"""Rules of security groups by their own ids, and what is done to those that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ec2api.filters import Filters, Table, truth
from ec2api.kinds import check_ids, listed, one
from ec2api.pagination import Page
from ec2api.permissions import rules_of
from ec2api.present.groups import rule_description
from ec2api.present.words import tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action, missing, unsupported
from networking import rule_changes
from networking.groups import Rule, make_rule
from networking.models import SecurityGroup, SecurityGroupRule

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        IpPermissionUnionTypeDef,
        SecurityGroupRuleDescriptionTypeDef,
        SecurityGroupRuleUpdateTypeDef,
    )

RULE_FILTERS: Table = {
    "group-id": "group__ec2_id",
    "security-group-rule-id": "ec2_id",
    "is-egress": truth("is_egress"),
}


def group_of(call: Call, group_id: str, name: str = "") -> SecurityGroup:
    """By id, or by name in the default network."""
    if group_id:
        found: SecurityGroup = one(call, "sg", group_id)
        return found
    if not name:
        raise missing("GroupId")
    by_name = SecurityGroup.objects.filter(tenant=call.tenant, vpc__is_default=True, name=name).first()
    if by_name is None:
        raise ApiError("InvalidGroup.NotFound", f"The security group '{name[:255]}' does not exist in default VPC")
    return by_name


@action()
def describe_security_group_rules(
    call: Call,
    *,
    security_group_rule_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=security_group_rule_ids, ids_name="SecurityGroupRuleIds")
    rows = SecurityGroupRule.objects.filter(group__tenant=call.tenant).select_related("group", "peer_group")
    found, token = listed(
        call, "sgr", ids=security_group_rule_ids, filters=filters, table=RULE_FILTERS, page=page, rows=rows
    )
    return {"SecurityGroupRules": described(call, found), "NextToken": token}


def described(call: Call, rules: Sequence[SecurityGroupRule]) -> list[Any]:
    tags = tags_by_id(call.tenant, "security-group-rule", [rule.ec2_id for rule in rules])
    return [rule_description(rule, call.tenant, tags) for rule in rules]


@action()
def modify_security_group_rules(
    call: Call, *, group_id: str, security_group_rules: Sequence[SecurityGroupRuleUpdateTypeDef]
) -> Reply:
    """Each gets all that is said of it, as if it were made anew; its id, tags and direction stay."""
    group = group_of(call, group_id)
    changes: dict[str, Rule] = {}
    for update in security_group_rules:
        rule_id = update.get("SecurityGroupRuleId", "")
        if not rule_id:
            raise missing("SecurityGroupRule.SecurityGroupRuleId")
        if rule_id in changes:
            raise ApiError("InvalidParameterValue", f"The rule {rule_id[:40]} is specified twice")
        changes[rule_id] = _rule(call, group, update.get("SecurityGroupRule", {}))
    check_ids("sgr", changes)
    if not changes:
        raise missing("SecurityGroupRule")
    rule_changes.modify_rules(group, changes, actor=call.actor)
    return {"Return": True}


def _rule(call: Call, group: SecurityGroup, asked: Mapping[str, Any]) -> Rule:
    if not asked.get("IpProtocol"):
        raise missing("SecurityGroupRule.IpProtocol")
    if asked.get("PrefixListId"):
        raise unsupported("A prefix list in a rule")
    peers = [name for name in ("CidrIpv4", "CidrIpv6", "ReferencedGroupId") if asked.get(name)]
    if len(peers) != 1:
        raise ApiError("InvalidParameterCombination", "A rule has one of CidrIpv4, CidrIpv6 and ReferencedGroupId")
    peer = one(call, "sg", asked["ReferencedGroupId"]) if asked.get("ReferencedGroupId") else None
    if peer is not None and peer.vpc_id != group.vpc_id:
        raise ApiError("InvalidGroup.NotFound", f"The security group '{peer.ec2_id}' does not exist in this VPC")
    return make_rule(
        asked["IpProtocol"],
        asked.get("FromPort"),
        asked.get("ToPort"),
        cidr_ipv4=asked.get("CidrIpv4", ""),
        cidr_ipv6=asked.get("CidrIpv6", ""),
        peer_group=peer,
        description=asked.get("Description", ""),
    )


def _describe(
    call: Call,
    group: SecurityGroup,
    permissions: Sequence[IpPermissionUnionTypeDef],
    descriptions: Sequence[SecurityGroupRuleDescriptionTypeDef],
    *,
    is_egress: bool,
) -> Reply:
    by_id = {each.get("SecurityGroupRuleId", ""): each.get("Description", "") for each in descriptions}
    check_ids("sgr", by_id)
    if not permissions and not by_id:
        raise missing("IpPermissions")
    rules = rules_of(group, call.tenant, permissions) if permissions else []
    rule_changes.describe_rules(group, rules, by_id, is_egress=is_egress, actor=call.actor)
    return {"Return": True}


@action()
def update_security_group_rule_descriptions_ingress(
    call: Call,
    *,
    group_id: str = "",
    group_name: str = "",
    ip_permissions: Sequence[IpPermissionUnionTypeDef] = (),
    security_group_rule_descriptions: Sequence[SecurityGroupRuleDescriptionTypeDef] = (),
) -> Reply:
    group = group_of(call, group_id, group_name)
    return _describe(call, group, ip_permissions, security_group_rule_descriptions, is_egress=False)


@action()
def update_security_group_rule_descriptions_egress(
    call: Call,
    *,
    group_id: str = "",
    group_name: str = "",
    ip_permissions: Sequence[IpPermissionUnionTypeDef] = (),
    security_group_rule_descriptions: Sequence[SecurityGroupRuleDescriptionTypeDef] = (),
) -> Reply:
    group = group_of(call, group_id, group_name)
    return _describe(call, group, ip_permissions, security_group_rule_descriptions, is_egress=True)


@action()
def describe_stale_security_groups(
    call: Call, *, vpc_id: str, max_results: int | None = None, next_token: str = ""
) -> Reply:
    """A rule is stale when it names a group of a network that is peered no more; none is peered here."""
    one(call, "vpc", vpc_id)
    nothing: Sequence[Any] = []
    shown, token = Page(call, max_results, next_token).of(nothing)
    return {"StaleSecurityGroupSet": shown, "NextToken": token}
