"""How to log in to an instance, or why one cannot yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from compute.command_lines import key_file, ssh_line
from compute.listing import Shown
from compute.states import InstanceState
from networking.models import NetworkInterface, SecurityGroupRule

S = InstanceState
SSH = 22


@dataclass(frozen=True, slots=True)
class Way:
    """``command`` is empty where there is none now; ``hint`` says why, or what else is needed."""

    command: str = ""
    hint: str = ""
    key_file: str = ""


def way_in(row: Shown, rules: Iterable[SecurityGroupRule]) -> Way:
    instance, interface = row.instance, row.interfaces[0] if row.interfaces else None
    if instance.state in (S.SHUTTING_DOWN, S.TERMINATED):
        return Way(hint=_("This instance has ended; nobody can log in to it any more."))
    if interface is None or not (interface.public_ip or interface.forwards):
        return Way(hint=_("It has no public address, so it can be reached only from other instances of its network."))
    address, port = ssh_at(interface, rules)
    if port is None:
        return Way(
            hint=_(
                "No rule of its security groups opens port 22, so SSH is closed. Launch one with a group that opens"
                " SSH, or add such a rule."
            )
        )
    if instance.state != S.RUNNING:
        waits = instance.state == S.PENDING
        return Way(hint=_("It is starting; a moment, please.") if waits else _("Start it first; it is not running."))
    user = instance.image.login_user
    command = ssh_line(address, user, key_name=instance.key_name, port=port)
    if not instance.key_name:
        return Way(command, _("It was launched without a key pair: only what its user data set up lets anyone in."))
    return Way(command, key_file=key_file(instance.key_name))


def ssh_at(interface: NetworkInterface, rules: Iterable[SecurityGroupRule]) -> tuple[str, int | None]:
    """The address and port that lead to SSH now; no port if none does.

    The address is another than the interface's if that has changed since the start.
    """
    address = interface.public_ip or ""
    for forward in interface.forwards:
        if forward.get("guest_port") == SSH and forward.get("protocol") == "tcp":
            return str(forward.get("address", address)), int(forward["port"])
    if interface.forwards:
        return address, None
    return address, SSH if any(opens_ssh(rule) for rule in rules) else None


def opens_ssh(rule: SecurityGroupRule) -> bool:
    if rule.is_egress or not (rule.cidr_ipv4 or rule.cidr_ipv6):
        return False
    return rule.protocol == "-1" or (rule.protocol == "tcp" and rule.from_port <= SSH <= rule.to_port)


def rule_words(rule: SecurityGroupRule) -> str:
    """ "TCP 22 from 0.0.0.0/0"."""
    return _("%(what)s from %(peer)s") % {"what": what_words(rule), "peer": peer_words(rule)}


def peer_words(rule: SecurityGroupRule) -> str:
    if rule.peer in ("0.0.0.0/0", "::/0"):
        return _("everywhere")
    if rule.peer_group is None:
        return rule.peer
    return _("instances of this group") if rule.peer_group_id == rule.group_id else str(rule.peer_group)


def what_words(rule: SecurityGroupRule) -> str:
    if rule.protocol == "-1":
        return _("everything")
    if rule.protocol not in ("tcp", "udp"):
        return rule.protocol.upper()
    if (rule.from_port, rule.to_port) in ((0, 65535), (-1, -1)):
        return _("all %(protocol)s ports") % {"protocol": rule.protocol.upper()}
    ports = str(rule.from_port) if rule.from_port == rule.to_port else f"{rule.from_port}–{rule.to_port}"
    return f"{rule.protocol.upper()} {ports}"


def forward_words(row: Shown) -> Sequence[str]:
    """Forwarded ports, as address and port on this side and port inside."""
    return [
        _("%(address)s:%(port)s leads to %(protocol)s port %(guest_port)s")
        % {"address": interface.public_ip, **forward, "protocol": str(forward.get("protocol", "")).upper()}
        for interface in row.interfaces
        for forward in interface.forwards
    ]


def waiting_words(row: Shown) -> Sequence[str]:
    """What was changed while the guest runs, and reaches it at its next start."""
    if row.instance.state != S.RUNNING:
        return []
    lines = []
    for interface in row.interfaces:
        values = {"interface": interface.ec2_id, "address": interface.public_ip, "own": interface.private_ip}
        if interface.waits_for_start:
            lines.append(_("Interface %(interface)s, %(own)s, reaches the guest when it is stopped and started."))
        elif any(forward.get("address", interface.public_ip) != interface.public_ip for forward in interface.forwards):
            lines.append(
                _("Ports are forwarded on %(address)s when it is stopped and started; until then as before.")
                if interface.public_ip
                else _("Ports are forwarded as before until it is stopped; then it has no public address.")
            )
        else:
            continue
        lines[-1] %= values
    return lines
