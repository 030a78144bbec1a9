"""Between the launch page and the data of launch templates: filled in from it, and written over it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compute.launch_form import NO_KEY, LaunchForm
from compute.launch_templates import MAX_DESCRIPTION
from compute.models import InstanceType
from compute.models.instance import KIND
from compute.models.launch_template import MAX_NAME
from networking.models import SecurityGroup
from portal.audit import Actor
from portal.models import Tenant
from scheduling.models import PlacementGroup
from storage.models import Image, launchable_by

Data = Mapping[str, Any]
ROOTS = ("/dev/sda1", "/dev/vda", "/dev/xvda")  # what clients call the root device, besides what its image says


class TemplateNameForm(forms.Form):
    """What a template, or a new version of one, is to be called."""

    save_name = forms.CharField(
        label=_("Name of the template"),
        max_length=MAX_NAME,
        help_text=_("3 to 128 letters, digits and - ( ) . / _"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    save_description = forms.CharField(label=_("Description"), required=False, max_length=MAX_DESCRIPTION)

    def __init__(self, data: Any = None, *, is_new: bool = True) -> None:
        # On the launch page a browser would not launch while a field that only saving needs is empty.
        super().__init__(data, label_suffix="", use_required_attribute=False)
        self.fields["save_name"].required = is_new


def shown(tenant: Tenant, data: Data) -> dict[str, Any]:
    """What the launch page shows of it, by field; what is no more, or not the tenant's, is left as the page has it."""
    found: dict[str, Any] = {
        "name": _name(data),
        "root_size_gib": _root(data).get("Ebs", {}).get("VolumeSize"),
        "user_data": _text(data.get("UserData", "")),
    }
    image = Image.objects.filter(launchable_by(tenant), ec2_id=data.get("ImageId", "")).first()
    kind = InstanceType.objects.filter(name=data.get("InstanceType", ""), is_enabled=True).first()
    key = tenant.key_pairs.filter(name=data["KeyName"]).first() if data.get("KeyName") else None
    group, place = _first_group(tenant, data), _place(tenant, data)
    found |= {"image": image.pk} if image else {}
    found |= {"instance_type": kind.pk} if kind else {}
    found |= {"key_pair": key.ec2_id if key else NO_KEY} if key or not data.get("KeyName") else {}
    found |= {"group": group.ec2_id} if group else {}
    found |= {"placement_group": place.ec2_id} if place else {}
    return found


def lost(data: Data, shown: Mapping[str, Any]) -> list[str]:
    """What it names and is no more, so that the page has something else chosen in its place."""
    named = {"image": data.get("ImageId"), "instance_type": data.get("InstanceType"), "key_pair": data.get("KeyName")}
    named["group"] = next(iter(_group_names(data)), None)
    placement = data.get("Placement") or {}
    named["placement_group"] = placement.get("GroupName") or placement.get("GroupId")
    return [str(name) for field, name in named.items() if name and field not in shown]


def written(form: LaunchForm, data: Data, *, actor: Actor) -> dict[str, Any]:
    """The data with what was filled in; what the page does not show, and what was left as it was, stays as it is.

    The group that opens SSH is made if it was asked for: in a transaction with what comes of it.
    """
    values, before = form.cleaned_data, shown(form.tenant, data)
    found = dict(data)
    found["ImageId"] = values["image"].ec2_id
    found["InstanceType"] = values["instance_type"].name
    key = form.chosen_key()
    _put(found, "KeyName", key.name if key else "")
    user_data = form.user_data_bytes()
    if user_data != str(before["user_data"]).encode():
        _put(found, "UserData", b64encode(user_data).decode())
    if values["root_size_gib"] != before["root_size_gib"]:
        _put(found, "BlockDeviceMappings", _with_root(found, values["image"], values["root_size_gib"]))
    if values["name"] != before["name"]:
        _put(found, "TagSpecifications", _with_name(found, values["name"]))
    if values["group"] != before.get("group"):
        _put_group(found, form.chosen_group(actor=actor))
    if "placement_group" in form.fields and values["placement_group"] != before.get("placement_group", ""):
        _put(found, "Placement", _with_place(found, form.chosen_placement_group()))
    return found


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    """Nothing is no member."""
    data.pop(name, None)
    if value:
        data[name] = value


def _text(encoded: str) -> str:
    """User data as text; empty if it is none, which can then be neither shown nor changed on a page."""
    try:
        return b64decode(encoded).decode().replace("\r\n", "\n")
    except ValueError:
        return ""


def _tags(data: Data) -> dict[str, str]:
    """Of the instance."""
    for specification in data.get("TagSpecifications", ()):
        if specification.get("ResourceType") == KIND:
            return {tag.get("Key", ""): tag.get("Value", "") for tag in specification.get("Tags", ())}
    return {}


def _name(data: Data) -> str:
    return _tags(data).get("Name", "")


def _with_name(data: Data, name: str) -> list[dict[str, Any]]:
    tags = {**_tags(data), "Name": name} if name else {k: v for k, v in _tags(data).items() if k != "Name"}
    others = [each for each in data.get("TagSpecifications", ()) if each.get("ResourceType") != KIND]
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [*others, *([{"ResourceType": KIND, "Tags": listed}] if listed else [])]


def _root(data: Data) -> dict[str, Any]:
    return next((dict(each) for each in data.get("BlockDeviceMappings", ()) if each.get("DeviceName") in ROOTS), {})


def _with_root(data: Data, image: Image, size_gib: int | None) -> list[dict[str, Any]]:
    root = _root(data) or {"DeviceName": image.root_device_name}
    ebs = {name: value for name, value in root.get("Ebs", {}).items() if name != "VolumeSize"}
    ebs |= {"VolumeSize": size_gib} if size_gib else {}
    others = [each for each in data.get("BlockDeviceMappings", ()) if each.get("DeviceName") not in ROOTS]
    return [*([{**root, "Ebs": ebs}] if ebs else []), *others]


def _first_group(tenant: Tenant, data: Data) -> SecurityGroup | None:
    """The first that it names, of its first interface or of the instance."""
    for name in _group_names(data)[:1]:
        wanted = Q(ec2_id=name) | Q(name=name, vpc__is_default=True)
        return SecurityGroup.objects.filter(wanted, tenant=tenant).first()
    return None


def _group_names(data: Data) -> list[str]:
    """By id or by name, those that count at a launch."""
    interfaces = data.get("NetworkInterfaces") or [{}]
    return [
        *interfaces[0].get("Groups", ()),
        *data.get("SecurityGroupIds", ()),
        *data.get("SecurityGroups", ()),
    ]


def _put_group(data: dict[str, Any], group: SecurityGroup) -> None:
    """An interface has its groups itself; to name others beside it is refused at launch."""
    if data.get("NetworkInterfaces"):
        first, *others = data["NetworkInterfaces"]
        data["NetworkInterfaces"] = [{**first, "Groups": [group.ec2_id]}, *others]
    else:
        _put(data, "SecurityGroups", None)
        data["SecurityGroupIds"] = [group.ec2_id]


def _place(tenant: Tenant, data: Data) -> PlacementGroup | None:
    placement = data.get("Placement") or {}
    wanted = {"ec2_id": placement.get("GroupId")} if placement.get("GroupId") else {"name": placement.get("GroupName")}
    return PlacementGroup.objects.filter(tenant=tenant, **wanted).first() if any(wanted.values()) else None


def _with_place(data: Data, group: PlacementGroup | None) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in (data.get("Placement") or {}).items()
        if name not in ("GroupName", "GroupId", "PartitionNumber")
    }
    return {**kept, "GroupName": group.name} if group else kept
