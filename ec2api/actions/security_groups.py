"""Security groups and their rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch, Q

from ec2api.actions.security_group_rules import described, group_of
from ec2api.filters import Build, Filters, Table, Values, among, owner
from ec2api.kinds import check_ids, listed, one
from ec2api.pagination import Page
from ec2api.permissions import rules as rules_asked
from ec2api.present.groups import revoked_rule, security_group
from ec2api.present.words import arn, tags_by_id
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action
from ec2api.tag_specifications import tags_for
from networking import groups as services
from networking.models import SecurityGroup, SecurityGroupRule
from networking.services import default_network
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import IpPermissionUnionTypeDef, TagSpecificationUnionTypeDef


def _of_rule(make: str | Build, *, is_egress: bool) -> Build:
    def build(values: Values, tenant: Tenant) -> Q:
        found = among(make, values) if isinstance(make, str) else make(values, tenant)
        return Q(pk__in=SecurityGroupRule.objects.filter(found, is_egress=is_egress).values("group_id"))

    return build


PORT = re.compile(r"-?[0-9]{1,5}")


def _port(field: str) -> Build:
    def build(values: Values, _tenant: Tenant) -> Q:
        return Q(**{f"{field}__in": [int(value) for value in values if PORT.fullmatch(value)]})

    return build


_RULE_FIELDS: dict[str, str | Build] = {
    "cidr": "cidr_ipv4",
    "from-port": _port("from_port"),
    "group-id": "peer_group__ec2_id",
    "group-name": "peer_group__name",
    "ipv6-cidr": "cidr_ipv6",
    "prefix-list-id": "prefix_list_id",
    "protocol": "protocol",
    "to-port": _port("to_port"),
    "user-id": "peer_group__tenant__account_id",
}
GROUP_FILTERS: Table = {
    "description": "description",
    "group-id": "ec2_id",
    "group-name": "name",
    "owner-id": owner,
    "vpc-id": "vpc__ec2_id",
    **{f"ip-permission.{name}": _of_rule(make, is_egress=False) for name, make in _RULE_FIELDS.items()},
    **{f"egress.ip-permission.{name}": _of_rule(make, is_egress=True) for name, make in _RULE_FIELDS.items()},
}


@action()
def create_security_group(
    call: Call,
    *,
    group_name: str,
    description: str,
    vpc_id: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    (tags,) = tags_for(tag_specifications, "security-group")
    vpc = one(call, "vpc", vpc_id) if vpc_id else default_network(call.tenant).vpc
    group = services.create_security_group(vpc, group_name, description, actor=call.actor, tags=tags)
    return {
        "GroupId": group.ec2_id,
        "Tags": tags_by_id(call.tenant, "security-group", [group.ec2_id]).get(group.ec2_id, []),
        "SecurityGroupArn": arn(call.tenant, "security-group", group.ec2_id),
    }


@action()
def delete_security_group(call: Call, *, group_id: str = "", group_name: str = "") -> Reply:
    group = group_of(call, group_id, group_name)
    services.delete_security_group(group, actor=call.actor)
    return {"Return": True, "GroupId": group.ec2_id}


@action()
def describe_security_groups(
    call: Call,
    *,
    group_ids: Sequence[str] = (),
    group_names: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    page = Page(call, max_results, next_token, ids=[*group_ids, *group_names], ids_name="GroupIds")
    rows = SecurityGroup.objects.filter(tenant=call.tenant).select_related("vpc")
    if group_names:
        rows = rows.filter(vpc__is_default=True, name__in=group_names)
        there = set(rows.values_list("name", flat=True))
        for name in group_names:
            if name not in there:
                raise ApiError("InvalidGroup.NotFound", f"The security group '{name[:255]}' does not exist")
    rules = SecurityGroupRule.objects.select_related("peer_group").order_by("pk")
    found, token = listed(
        call,
        "sg",
        ids=group_ids,
        filters=filters,
        table=GROUP_FILTERS,
        page=page,
        rows=rows.prefetch_related(Prefetch("rules", rules)),
    )
    tags = tags_by_id(call.tenant, "security-group", [group.ec2_id for group in found])
    return {"SecurityGroups": [security_group(group, call.tenant, tags) for group in found], "NextToken": token}


def _authorize(
    call: Call,
    group: SecurityGroup,
    tag_specifications: Sequence[TagSpecificationUnionTypeDef],
    *,
    is_egress: bool,
    **asked: Any,
) -> Reply:
    (tags,) = tags_for(tag_specifications, "security-group-rule")
    rules = rules_asked(group, call.tenant, **asked)
    made = services.authorize(group, rules, is_egress=is_egress, actor=call.actor, tags=tags)
    return {"Return": True, "SecurityGroupRules": described(call, made)}


def _revoke(
    call: Call, group: SecurityGroup, security_group_rule_ids: Sequence[str], *, is_egress: bool, **asked: Any
) -> Reply:
    if security_group_rule_ids:
        check_ids("sgr", security_group_rule_ids)
        if any(value not in ((), "", None) for value in asked.values()):
            raise ApiError(
                "InvalidParameterCombination", "Security group rule ids may not be used with permissions in one request"
            )
        gone = services.revoke_by_id(group, security_group_rule_ids, is_egress=is_egress, actor=call.actor)
    else:
        rules = rules_asked(group, call.tenant, **asked)
        gone = services.revoke(group, rules, is_egress=is_egress, actor=call.actor)
    return {"Return": True, "RevokedSecurityGroupRules": [revoked_rule(rule, group) for rule in gone]}


@action()
def authorize_security_group_ingress(
    call: Call,
    *,
    group_id: str = "",
    group_name: str = "",
    ip_permissions: Sequence[IpPermissionUnionTypeDef] = (),
    ip_protocol: str = "",
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str = "",
    source_security_group_name: str = "",
    source_security_group_owner_id: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    return _authorize(
        call,
        group_of(call, group_id, group_name),
        tag_specifications,
        is_egress=False,
        ip_permissions=ip_permissions,
        ip_protocol=ip_protocol,
        from_port=from_port,
        to_port=to_port,
        cidr_ip=cidr_ip,
        source_security_group_name=source_security_group_name,
        source_security_group_owner_id=source_security_group_owner_id,
    )


@action()
def authorize_security_group_egress(
    call: Call,
    *,
    group_id: str,
    ip_permissions: Sequence[IpPermissionUnionTypeDef] = (),
    ip_protocol: str = "",
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str = "",
    source_security_group_name: str = "",
    source_security_group_owner_id: str = "",
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
) -> Reply:
    return _authorize(
        call,
        group_of(call, group_id),
        tag_specifications,
        is_egress=True,
        ip_permissions=ip_permissions,
        ip_protocol=ip_protocol,
        from_port=from_port,
        to_port=to_port,
        cidr_ip=cidr_ip,
        source_security_group_name=source_security_group_name,
        source_security_group_owner_id=source_security_group_owner_id,
    )


@action()
def revoke_security_group_ingress(
    call: Call,
    *,
    group_id: str = "",
    group_name: str = "",
    security_group_rule_ids: Sequence[str] = (),
    ip_permissions: Sequence[IpPermissionUnionTypeDef] = (),
    ip_protocol: str = "",
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str = "",
    source_security_group_name: str = "",
    source_security_group_owner_id: str = "",
) -> Reply:
    return _revoke(
        call,
        group_of(call, group_id, group_name),
        security_group_rule_ids,
        is_egress=False,
        ip_permissions=ip_permissions,
        ip_protocol=ip_protocol,
        from_port=from_port,
        to_port=to_port,
        cidr_ip=cidr_ip,
        source_security_group_name=source_security_group_name,
        source_security_group_owner_id=source_security_group_owner_id,
    )


@action()
def revoke_security_group_egress(
    call: Call,
    *,
    group_id: str,
    security_group_rule_ids: Sequence[str] = (),
    ip_permissions: Sequence[IpPermissionUnionTypeDef] = (),
    ip_protocol: str = "",
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str = "",
    source_security_group_name: str = "",
    source_security_group_owner_id: str = "",
) -> Reply:
    return _revoke(
        call,
        group_of(call, group_id),
        security_group_rule_ids,
        is_egress=True,
        ip_permissions=ip_permissions,
        ip_protocol=ip_protocol,
        from_port=from_port,
        to_port=to_port,
        cidr_ip=cidr_ip,
        source_security_group_name=source_security_group_name,
        source_security_group_owner_id=source_security_group_owner_id,
    )
