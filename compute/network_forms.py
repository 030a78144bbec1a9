"""What tenants type about security groups and addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compute.listing import Shown
from networking.groups import Rule, check_rule_description, make_rule
from networking.models import NetworkInterface, SecurityGroup
from portal.errors import CloudError

# What is often opened: its name, protocol and ports.
PRESETS: dict[str, tuple[Any, str, int, int]] = {
    "ssh": (gettext_lazy("SSH (TCP 22)"), "tcp", 22, 22),
    "http": (gettext_lazy("HTTP (TCP 80)"), "tcp", 80, 80),
    "https": (gettext_lazy("HTTPS (TCP 443)"), "tcp", 443, 443),
    "rdp": (gettext_lazy("Remote desktop (TCP 3389)"), "tcp", 3389, 3389),
    "postgresql": (gettext_lazy("PostgreSQL (TCP 5432)"), "tcp", 5432, 5432),
    "ping": (gettext_lazy("All ICMP, such as ping"), "icmp", -1, -1),
    "all-tcp": (gettext_lazy("All TCP ports"), "tcp", 0, 65535),
    "all-udp": (gettext_lazy("All UDP ports"), "udp", 0, 65535),
    "all": (gettext_lazy("Everything"), "-1", -1, -1),
}
OWN_PORTS = {"tcp": gettext_lazy("TCP ports of your own choice"), "udp": gettext_lazy("UDP ports of your own choice")}
ANYWHERE, ANYWHERE_6, MINE, RANGE = "anywhere", "anywhere-6", "mine", "range"
PORTS = re.compile(r"\s*([0-9]{1,5})\s*(?:[-–]\s*([0-9]{1,5})\s*)?")
MAX_TEXT = 255


class GroupForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=MAX_TEXT, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=MAX_TEXT,
        help_text=gettext_lazy("What it is for. It cannot be changed later."),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="group_%s", label_suffix="")


class RuleForm(forms.Form):
    """One rule, of what is often opened or of ports of one's own; ``prefix`` is the way it goes."""

    what = forms.ChoiceField(
        label=gettext_lazy("What"),
        choices=[*((name, preset[0]) for name, preset in PRESETS.items()), *OWN_PORTS.items()],
    )
    ports = forms.CharField(
        label=gettext_lazy("Ports"),
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "placeholder": "8080"}),
        help_text=gettext_lazy("One, such as 8080, or the first and last, such as 8000-8100."),
    )
    peer = forms.ChoiceField()
    cidr = forms.CharField(
        label=gettext_lazy("Range of addresses"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": "203.0.113.0/24", "spellcheck": "false"}),
        help_text=gettext_lazy("In CIDR notation; a single address ends in /32, or in /128 for IPv6."),
    )
    description = forms.CharField(label=gettext_lazy("Description"), required=False, max_length=MAX_TEXT)

    def __init__(
        self, data: Any = None, *, prefix: str, groups: Sequence[SecurityGroup], address: str, own: SecurityGroup
    ) -> None:
        super().__init__(data, prefix=prefix, auto_id="rule_%s", label_suffix="")
        self.groups = {group.ec2_id: group for group in groups}
        self.address = address
        choices: list[tuple[str, Any]] = [
            (ANYWHERE, _("Anywhere (0.0.0.0/0)")),
            (ANYWHERE_6, _("Anywhere by IPv6 (::/0)")),
        ]
        if address:
            choices.append((MINE, _("My address (%(address)s)") % {"address": address}))
        choices.append((RANGE, _("A range of addresses")))
        named = [(group.ec2_id, _("This group") if group == own else group.name) for group in groups]
        choices.append((_("Instances of a group"), named))
        label = _("To") if prefix == "out" else _("From")
        self.fields["peer"] = forms.ChoiceField(label=label, choices=choices)

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if self.errors:
            return found
        ports = self._ports(found)
        peer = self._peer(found)
        if ports is None or peer is None:
            return found
        if rule := self._made("ports", ports, cidr_ipv4="0.0.0.0/0") and self._made(
            "cidr", ports, **peer, description=found["description"]
        ):
            found["rule"] = rule
        return found

    def clean_description(self) -> str:
        text: str = self.cleaned_data["description"]
        try:
            check_rule_description(text)
        except CloudError as error:
            raise forms.ValidationError(error.message) from error
        return text

    def _made(self, field: str, ports: tuple[str, int, int], **rest: Any) -> Rule | None:
        """The rule; or None, with what is wrong beside the field."""
        try:
            return make_rule(*ports, **rest)
        except CloudError as error:
            self.add_error(field, error.message)
            return None

    def _ports(self, found: dict[str, Any]) -> tuple[str, int, int] | None:
        if found["what"] in PRESETS:
            _label, protocol, first, last = PRESETS[found["what"]]
            return protocol, first, last
        match = PORTS.fullmatch(found["ports"])
        if match is None:
            self.add_error("ports", _("Say a port, such as 8080, or the first and last, such as 8000-8100."))
            return None
        return found["what"], int(match[1]), int(match[2] or match[1])

    def _peer(self, found: dict[str, Any]) -> dict[str, Any] | None:
        if found["peer"] in self.groups:
            return {"peer_group": self.groups[found["peer"]]}
        if found["peer"] == RANGE and not found["cidr"]:
            self.add_error("cidr", _("Say a range of addresses, such as 203.0.113.0/24."))
            return None
        mine = f"{self.address}/{128 if ':' in self.address else 32}"
        cidr = {ANYWHERE: "0.0.0.0/0", ANYWHERE_6: "::/0", MINE: mine}.get(found["peer"], found["cidr"].strip())
        return {"cidr_ipv6" if ":" in cidr else "cidr_ipv4": cidr}

    @property
    def rule(self) -> Rule:
        rule: Rule = self.cleaned_data["rule"]
        return rule


class AssociateForm(forms.Form):
    """Which interface an elastic address shall lead to."""

    interface = forms.ChoiceField(label=gettext_lazy("Instance"))

    def __init__(self, data: Any = None, *, targets: Sequence[tuple[NetworkInterface, Shown | None]]) -> None:
        super().__init__(data, auto_id="associate_%s", label_suffix="")
        self.targets = {interface.ec2_id: interface for interface, _row in targets}
        several = [row.ec2_id for _interface, row in targets if row]
        choices = [
            (interface.ec2_id, self._label(interface, row, several.count(row.ec2_id) > 1 if row else True))
            for interface, row in targets
        ]
        self.fields["interface"] = forms.ChoiceField(label=gettext_lazy("Instance"), choices=choices)

    @staticmethod
    def _label(interface: NetworkInterface, row: Shown | None, tell_interface: bool) -> str:
        parts = [row.called if row else _("no instance")]
        if tell_interface:
            parts.append(interface.ec2_id)
        parts.append(interface.private_ip)
        if interface.public_ip:
            parts.append(_("now %(address)s") % {"address": interface.public_ip})
        return " · ".join(parts)


class GroupsForm(forms.Form):
    """Which groups an instance carries."""

    groups = forms.MultipleChoiceField(
        label=gettext_lazy("Security groups"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("An instance carries at least one group.")},
    )

    def __init__(self, data: Any = None, *, groups: Sequence[SecurityGroup], carried: Sequence[str] = ()) -> None:
        super().__init__(data, auto_id="groups_%s", label_suffix="", initial={"groups": list(carried)})
        self.known = {group.ec2_id: group for group in groups}
        self.fields["groups"].choices = [(group.ec2_id, group.name) for group in groups]  # type: ignore[attr-defined]

    def chosen(self) -> list[SecurityGroup]:
        return [self.known[ec2_id] for ec2_id in self.cleaned_data["groups"]]
