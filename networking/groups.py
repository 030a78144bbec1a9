"""Security groups and their rules: what a tenant may do to them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from networking.models import NetworkInterface, SecurityGroup, SecurityGroupRule, Vpc
from networking.services import create_group
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tag
from portal.tags import add_tags, check_tags

KIND = "security-group"
RULE_KIND = "security-group-rule"
MAX_RULES = 200  # of one group
PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}
NUMBER = re.compile(r"[0-9]{1,3}")
CIDR = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")  # no netmask, and no scope such as fe80::%eth0
TEXT = re.compile(r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A permission as it is asked for; exactly one of the three peers is set."""

    protocol: str
    from_port: int
    to_port: int
    cidr_ipv4: str = ""
    cidr_ipv6: str = ""
    peer_group: SecurityGroup | None = None
    description: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What two rules that permit the same have in common."""
        peer = self.peer_group.pk if self.peer_group else None
        return (self.protocol, self.from_port, self.to_port, self.cidr_ipv4, self.cidr_ipv6, peer)

    def __str__(self) -> str:
        peer = self.cidr_ipv4 or self.cidr_ipv6 or (self.peer_group.ec2_id if self.peer_group else "")
        ports = f"from port: {self.from_port}, to port: {self.to_port}"
        protocol = "ALL" if self.protocol == "-1" else self.protocol.upper()
        return f'"peer: {peer}, {protocol}, {ports}, ALLOW"'


def make_rule(
    protocol: str,
    from_port: int | None,
    to_port: int | None,
    *,
    cidr_ipv4: str = "",
    cidr_ipv6: str = "",
    peer_group: SecurityGroup | None = None,
    description: str = "",
) -> Rule:
    """A rule in the one form in which it is kept.  Raises CloudError for what makes no sense."""
    protocol = _protocol(protocol)
    first, last = _ports(protocol, from_port, to_port)
    check_rule_description(description)
    return Rule(
        protocol=protocol,
        from_port=first,
        to_port=last,
        cidr_ipv4=_cidr(cidr_ipv4, 4) if cidr_ipv4 else "",
        cidr_ipv6=_cidr(cidr_ipv6, 6) if cidr_ipv6 else "",
        peer_group=peer_group,
        description=description,
    )


def check_rule_description(text: str) -> None:
    if text and not TEXT.fullmatch(text):
        words = _("Invalid rule description '%(text)s': 255 plain characters at most")
        raise CloudError(words % {"text": text[:40]})


def _protocol(text: str) -> str:
    """The name, of what has one, or the number; "-1" for all."""
    word = text.lower()
    if NUMBER.fullmatch(word):
        word = str(int(word))
    word = PROTOCOLS.get(word, word)
    if word in ("tcp", "udp", "icmp", "icmpv6", "-1") or (NUMBER.fullmatch(word) and int(word) <= 255):
        return word
    raise CloudError(_("Invalid value '%(text)s' for IP protocol. Unknown protocol.") % {"text": text[:40]})


def _ports(protocol: str, first: int | None, last: int | None) -> tuple[int, int]:
    if protocol in ("tcp", "udp"):
        if first is None or last is None:
            words = _("a rule of %(protocol)s needs its first and last port")
            raise CloudError(words % {"protocol": protocol}, code="MissingParameter")
        if not 0 <= first <= last <= 65535:
            words = _("Invalid port range %(first)s to %(last)s: ports are 0 to 65535, the first not above the last")
            raise CloudError(words % {"first": first, "last": last})
        return first, last
    if protocol in ("icmp", "icmpv6"):
        kind, code = (-1 if first is None else first), (-1 if last is None else last)
        if not (-1 <= kind <= 255 and -1 <= code <= 255):
            words = _("Invalid ICMP type %(kind)s or code %(code)s: each is -1 to 255")
            raise CloudError(words % {"kind": kind, "code": code})
        return kind, code
    return -1, -1


def _cidr(text: str, version: int) -> str:
    """With the bits behind the prefix cleared, as EC2 does."""
    try:
        network = ipaddress.ip_network(text, strict=False) if CIDR.fullmatch(text) else None
    except ValueError:
        network = None
    if network is None or network.version != version:
        words = _("CIDR block %(text)s is malformed; it is like %(example)s")
        raise CloudError(words % {"text": text[:60], "example": "10.0.0.0/8" if version == 4 else "::/0"})
    return str(network)


def create_security_group(
    vpc: Vpc, name: str, description: str, *, actor: Actor, tags: Mapping[str, str] | None = None
) -> SecurityGroup:
    """A group that lets everything out and nothing in."""
    if not TEXT.fullmatch(name) or name.startswith("sg-") or name != name.strip():
        words = _(
            "Invalid security group name '%(name)s': it takes up to 255 letters, digits, spaces and %(signs)s"
            " and does not begin with sg-"
        )
        raise CloudError(words % {"name": name[:40], "signs": "._-:/()#,@[]+=&;{}!$*"})
    if name == "default":
        raise CloudError(_("Cannot use reserved security group name: default"))
    if not TEXT.fullmatch(description):
        words = _("Invalid security group description '%(text)s': 1 to 255 plain characters")
        raise CloudError(words % {"text": description[:40]})
    check_tags(tags or {})
    try:
        with transaction.atomic():
            group = create_group(vpc, name, description)
            add_tags(vpc.tenant, KIND, [group.ec2_id], tags or {})
            audit.record(actor, "create", KIND, [group.ec2_id], tenant=vpc.tenant, name=name)
    except IntegrityError:
        words = _("The security group '%(name)s' already exists for VPC '%(vpc)s'")
        raise CloudError(words % {"name": name, "vpc": vpc}, code="InvalidGroup.Duplicate") from None
    return group


def why_not_delete(group: SecurityGroup) -> CloudError | None:
    """What is in the way: an interface carries it, another group's rule names it, or it is the default one."""
    if group.name == "default":
        words = _('the specified group: "%(id)s" name: "default" cannot be deleted by a user')
        return CloudError(words % {"id": group.ec2_id}, code="CannotDelete")
    carrier = NetworkInterface.objects.filter(groups=group).first()
    if carrier is not None:
        words = (
            _(
                "resource %(id)s has a dependent object: %(interface)s of instance %(instance)s carries it; give that"
                " other groups first"
            )
            if carrier.instance_id
            else _(
                "resource %(id)s has a dependent object: interface %(interface)s carries it; give that other groups"
                " first"
            )
        )
        values = {"id": group.ec2_id, "interface": carrier, "instance": carrier.instance_id}
        return CloudError(words % values, code="DependencyViolation")
    naming = SecurityGroupRule.objects.filter(peer_group=group).exclude(group=group).select_related("group").first()
    if naming is not None:
        words = _("resource %(id)s has a dependent object: a rule of %(other)s names it; revoke it first")
        return CloudError(words % {"id": group.ec2_id, "other": naming.group.ec2_id}, code="DependencyViolation")
    return None


@transaction.atomic
def delete_security_group(group: SecurityGroup, *, actor: Actor) -> None:
    """Raises CloudError while something is in the way."""
    if refusal := why_not_delete(group):
        raise refusal
    rule_ids = list(group.rules.values_list("ec2_id", flat=True))
    Tag.objects.filter(resource_id__in=[group.ec2_id, *rule_ids]).delete()
    audit.record(actor, "delete", KIND, [group.ec2_id], tenant=group.tenant, name=group.name)
    group.rules.all().delete()
    group.delete()


def authorize(
    group: SecurityGroup,
    rules: Sequence[Rule],
    *,
    is_egress: bool,
    actor: Actor,
    tags: Mapping[str, str] | None = None,
) -> list[SecurityGroupRule]:
    """Add rules, all or none.  Raises CloudError for one that is there already."""
    check_tags(tags or {})
    _refuse_duplicates(group, rules, is_egress)
    try:
        with transaction.atomic():
            made = SecurityGroupRule.objects.bulk_create(
                SecurityGroupRule(
                    group=group,
                    is_egress=is_egress,
                    protocol=rule.protocol,
                    from_port=rule.from_port,
                    to_port=rule.to_port,
                    cidr_ipv4=rule.cidr_ipv4,
                    cidr_ipv6=rule.cidr_ipv6,
                    peer_group=rule.peer_group,
                    description=rule.description,
                )
                for rule in rules
            )
            add_tags(group.tenant, RULE_KIND, [rule.ec2_id for rule in made], tags or {})
            _record("authorize", group, rules, is_egress, actor)
    except IntegrityError:  # somebody added it meanwhile
        _refuse_duplicates(group, rules, is_egress)
        raise
    return made


def _refuse_duplicates(group: SecurityGroup, rules: Sequence[Rule], is_egress: bool) -> None:
    keys = {key_of(rule) for rule in group.rules.filter(is_egress=is_egress)}
    if len(keys) + len(rules) > MAX_RULES:
        words = _("%(id)s would have %(count)s rules; a group takes %(most)s each way")
        values = {"id": group.ec2_id, "count": len(keys) + len(rules), "most": MAX_RULES}
        raise CloudError(words % values, code="RulesPerSecurityGroupLimitExceeded")
    for rule in rules:
        if rule.key in keys:
            words = _("the specified rule %(rule)s already exists")
            raise CloudError(words % {"rule": rule}, code="InvalidPermission.Duplicate")
        keys.add(rule.key)


def key_of(rule: SecurityGroupRule) -> tuple[object, ...]:
    """Comparable with ``Rule.key``."""
    return (rule.protocol, rule.from_port, rule.to_port, rule.cidr_ipv4, rule.cidr_ipv6, rule.peer_group_id)


@transaction.atomic
def revoke(group: SecurityGroup, rules: Sequence[Rule], *, is_egress: bool, actor: Actor) -> list[SecurityGroupRule]:
    """Remove rules, all or none.  Raises CloudError for one that is not there."""
    there = {key_of(rule): rule for rule in group.rules.filter(is_egress=is_egress)}
    for rule in rules:
        if rule.key not in there:
            raise CloudError(
                f"The specified rule {rule} does not exist in security group {group.ec2_id}",
                code="InvalidPermission.NotFound",
            )
    return _remove(group, {there[rule.key].pk: there[rule.key] for rule in rules}.values(), is_egress, actor)


@transaction.atomic
def revoke_by_id(
    group: SecurityGroup, rule_ids: Sequence[str], *, is_egress: bool, actor: Actor
) -> list[SecurityGroupRule]:
    found = {rule.ec2_id: rule for rule in group.rules.filter(is_egress=is_egress, ec2_id__in=rule_ids)}
    for rule_id in rule_ids:
        if rule_id not in found:
            raise CloudError(
                f"The security group rule ID '{rule_id[:40]}' does not exist in {group.ec2_id}",
                code="InvalidSecurityGroupRuleId.NotFound",
            )
    return _remove(group, found.values(), is_egress, actor)


def _remove(
    group: SecurityGroup, rules: Iterable[SecurityGroupRule], is_egress: bool, actor: Actor
) -> list[SecurityGroupRule]:
    gone = list(rules)
    Tag.objects.filter(resource_id__in=[rule.ec2_id for rule in gone]).delete()
    SecurityGroupRule.objects.filter(pk__in=[rule.pk for rule in gone]).delete()
    _record("revoke", group, gone, is_egress, actor)
    return gone


def _record(verb: str, group: SecurityGroup, rules: Sequence[object], is_egress: bool, actor: Actor) -> None:
    way = "egress" if is_egress else "ingress"
    audit.record(actor, f"{verb} {way}", KIND, [group.ec2_id], tenant=group.tenant, rules=[str(r) for r in rules])
