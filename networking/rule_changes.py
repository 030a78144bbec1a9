"""Changing rules of a security group that are there: what they permit, and how they are described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from networking.groups import KIND, Rule, check_rule_description, key_of
from networking.models import SecurityGroup, SecurityGroupRule
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError

PARTS = ("protocol", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6", "peer_group", "description")


def rules_by_id(group: SecurityGroup, rule_ids: Sequence[str]) -> dict[str, SecurityGroupRule]:
    """Of this group, all of them.  Raises CloudError naming one that is not there."""
    found = {rule.ec2_id: rule for rule in group.rules.filter(ec2_id__in=rule_ids)}
    for rule_id in rule_ids:
        if rule_id not in found:
            raise CloudError(
                f"The security group rule ID '{rule_id[:40]}' does not exist in {group.ec2_id}",
                code="InvalidSecurityGroupRuleId.NotFound",
            )
    return found


def _lock(group: SecurityGroup) -> None:
    """Two who change rules of one group must not miss what the other makes of them."""
    list(SecurityGroup.objects.filter(pk=group.pk).select_for_update(no_key=True).values_list("pk"))


@transaction.atomic
def modify_rules(group: SecurityGroup, changes: Mapping[str, Rule], *, actor: Actor) -> None:
    """Let each of these rules, by id, permit what is said instead; all or none.

    Which way it goes and what kind of peer it has stay as they are.  Raises CloudError for one that is not there, or
    that would permit what another of the group does.
    """
    _lock(group)
    wanted = rules_by_id(group, list(changes))
    before = {name: str(rule) for name, rule in wanted.items()}
    for rule_id, change in changes.items():
        rule = wanted[rule_id]
        if _kind_of_peer(rule) != _kind_of_peer(change):
            raise CloudError(f"The kind of source of rule {rule_id} can't be changed; revoke it and authorize another")
        for part in PARTS:
            setattr(rule, part, getattr(change, part))
    _refuse_twins(group, wanted)
    SecurityGroupRule.objects.bulk_update(wanted.values(), PARTS)
    after = {name: str(rule) for name, rule in wanted.items()}
    audit.record(actor, "modify", KIND, [group.ec2_id], tenant=group.tenant, before=before, after=after)


def _kind_of_peer(rule: SecurityGroupRule | Rule) -> tuple[bool, bool, bool]:
    return bool(rule.cidr_ipv4), bool(rule.cidr_ipv6), rule.peer_group is not None


def _refuse_twins(group: SecurityGroup, changed: Mapping[str, SecurityGroupRule]) -> None:
    seen: set[tuple[object, ...]] = set()
    for rule in [*group.rules.exclude(ec2_id__in=changed), *changed.values()]:
        key = (rule.is_egress, *key_of(rule))
        if key in seen:
            raise CloudError(f"the specified rule {rule} already exists", code="InvalidPermission.Duplicate")
        seen.add(key)


@transaction.atomic
def describe_rules(
    group: SecurityGroup, rules: Sequence[Rule], by_id: Mapping[str, str], *, is_egress: bool, actor: Actor
) -> None:
    """Give rules the descriptions of ``rules`` that permit the same, or those said by id; empty removes one."""
    _lock(group)
    there = {key_of(rule): rule for rule in group.rules.filter(is_egress=is_egress)}
    changed = {}
    for asked in rules:
        if asked.key not in there:
            raise CloudError(
                f"The specified rule {asked} does not exist in security group {group.ec2_id}",
                code="InvalidPermission.NotFound",
            )
        there[asked.key].description = asked.description
        changed[there[asked.key].ec2_id] = there[asked.key]
    for rule_id, rule in rules_by_id(group, list(by_id)).items():
        if rule.is_egress != is_egress:
            way = "egress" if rule.is_egress else "ingress"
            raise CloudError(f"Rule {rule_id} is an {way} rule of {group.ec2_id}")
        check_rule_description(by_id[rule_id])
        rule.description = by_id[rule_id]
        changed[rule_id] = rule
    SecurityGroupRule.objects.bulk_update(changed.values(), ["description"])
    audit.record(actor, "modify", KIND, [group.ec2_id], tenant=group.tenant, described=sorted(changed))
