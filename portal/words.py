"""The audit trail's words in the reader's language; what is not here is shown as it stands."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

VERBS: dict[str, Any] = {
    "accept invitation": _("accepted an invitation"),
    "activate": _("activated"),
    "add": _("added"),
    "add member": _("added as a member"),
    "allocate": _("allocated"),
    "associate": _("associated"),
    "attach": _("attached"),
    "authorize": _("opened"),
    "change": _("changed"),
    "change role": _("given another role"),
    "create": _("made"),
    "create version": _("new version made"),
    "deactivate": _("deactivated"),
    "delete": _("deleted"),
    "delete versions": _("versions deleted"),
    "detach": _("detached"),
    "disassociate": _("disassociated"),
    "deregister": _("deregistered"),
    "guest shut down": _("shut itself down"),
    "import": _("imported"),
    "invite": _("invited"),
    "launch": _("launched"),
    "modify": _("settings changed"),
    "reboot": _("asked to reboot"),
    "release": _("released"),
    "remove member": _("removed as a member"),
    "revoke": _("withdrawn"),
    "set default": _("default version set"),
    "start": _("asked to start"),
    "stop": _("asked to stop"),
    "tag": _("tagged"),
    "terminate": _("asked to terminate"),
    "untag": _("tag removed"),
}
KINDS: dict[str, Any] = {
    "access-key": _("access key"),
    "elastic-ip": _("elastic address"),
    "image": _("image"),
    "instance": _("instance"),
    "invitation": _("invitation"),
    "key-pair": _("key pair"),
    "launch-template": _("launch template"),
    "membership": _("membership"),
    "placement-group": _("placement group"),
    "network-interface": _("network interface"),
    "security-group": _("security group"),
    "security-group-rule": _("rule of a security group"),
    "subnet": _("subnet"),
    "tenant": _("tenant"),
    "user": _("user"),
    "volume": _("volume"),
    "vpc": _("VPC"),
}
