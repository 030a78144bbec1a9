"""What a version of a launch template says, in words."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Words = Callable[[Any], str]


def _disks(mappings: list[Mapping[str, Any]]) -> str:
    found = []
    for each in mappings:
        size = each.get("Ebs", {}).get("VolumeSize")
        found.append(f"{each.get('DeviceName', '?')}: {size} GiB" if size else str(each.get("DeviceName", "?")))
    return ", ".join(found)


def _interfaces(interfaces: list[Mapping[str, Any]]) -> str:
    return "; ".join(
        ", ".join([str(each.get("SubnetId") or _("default subnet")), *each.get("Groups", ())]) for each in interfaces
    )


def _tags(specifications: list[Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{each.get('ResourceType', '')}: "
        + ", ".join(f"{tag.get('Key', '')}={tag.get('Value', '')}" for tag in each.get("Tags", ()))
        for each in specifications
    )


def _user_data(encoded: str) -> str:
    try:
        size = len(b64decode(encoded))
    except ValueError:
        return "?"
    return ngettext("%(n)s byte", "%(n)s bytes", size) % {"n": size}


def _placement(placement: Mapping[str, Any]) -> str:
    return ", ".join(str(value) for name, value in placement.items() if value and name != "Tenancy")


def _list(names: list[str]) -> str:
    return ", ".join(names)


KNOWN: dict[str, tuple[StrOrPromise, Words]] = {
    "ImageId": (gettext_lazy("Image"), str),
    "InstanceType": (gettext_lazy("Size"), str),
    "KeyName": (gettext_lazy("Key pair"), str),
    "SecurityGroupIds": (gettext_lazy("Security groups"), _list),
    "SecurityGroups": (gettext_lazy("Security groups"), _list),
    "NetworkInterfaces": (gettext_lazy("Network interfaces"), _interfaces),
    "BlockDeviceMappings": (gettext_lazy("Disks"), _disks),
    "UserData": (gettext_lazy("User data"), _user_data),
    "TagSpecifications": (gettext_lazy("Tags"), _tags),
    "Placement": (gettext_lazy("Placement"), _placement),
}


def facts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the launch page knows by its words; the rest as EC2 calls it."""
    for name, (label, words) in KNOWN.items():
        if data.get(name) and (text := words(data[name])):
            yield str(label), text
    for name, value in data.items():
        if name not in KNOWN:
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
