"""What a tenant fills in to launch, checked field by field."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from compute.command_lines import LaunchLine
from compute.devices import free_name
from compute.launching import MAX_COUNT, MAX_USER_DATA, Launch
from compute.logging_in import opens_ssh, rule_words
from compute.models import InstanceType, KeyPair
from networking.models import SecurityGroup
from networking.services import SSH_GROUP, default_network, ssh_group
from portal.audit import Actor
from portal.models import Resource, Tenant
from portal.models.tag import MAX_VALUE
from portal.quota_views import Meter, meters
from scheduling.models import PlacementGroup
from storage.models import Image, ImageState, launchable_by
from storage.services import NewDisk, default_datastore, image_disks

LAUNCHED = (Resource.INSTANCES, Resource.VCPUS, Resource.MEMORY_MIB, Resource.VOLUMES, Resource.VOLUME_GIB)
NEW_GROUP = "new"
NO_KEY = "none"
FIELD_OF = {  # where a refusal is shown, by the resource that lacks or by the error's code
    Resource.INSTANCES: "count",
    Resource.VCPUS: "instance_type",
    Resource.MEMORY_MIB: "instance_type",
    Resource.VOLUMES: "count",
    Resource.VOLUME_GIB: "root_size_gib",
    "InstanceLimitExceeded": "count",
    "VcpuLimitExceeded": "instance_type",
    "VolumeLimitExceeded": "root_size_gib",
    "ResourceLimitExceeded": "instance_type",
    "InvalidBlockDeviceMapping": "root_size_gib",
    "InsufficientFreeAddressesInSubnet": "count",
}


if TYPE_CHECKING:
    ImageChoice = forms.ModelChoiceField[Image]
    TypeChoice = forms.ModelChoiceField[InstanceType]
else:
    ImageChoice = TypeChoice = forms.ModelChoiceField


def new_token() -> str:
    return secrets.token_hex(16)


class ImageField(ImageChoice):
    def label_from_instance(self, image: Any) -> str:
        return f"{image.name} · {image.description or image.architecture}"


class TypeField(TypeChoice):
    def label_from_instance(self, kind: Any) -> str:
        values = {"name": kind.name, "vcpus": kind.vcpus, "memory": f"{kind.memory_mib / 1024:g}"}
        return ngettext(
            "%(name)s · %(vcpus)s vCPU, %(memory)s GiB memory",
            "%(name)s · %(vcpus)s vCPUs, %(memory)s GiB memory",
            kind.vcpus,
        ) % {**values, "disk": kind.disk_gib}


MOST_DISKS, MOST_GIB = 8, 16384


class LaunchForm(forms.Form):
    """Bound to one tenant: what it offers is the tenant's own."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=MAX_VALUE,
        help_text=gettext_lazy("Kept as the tag Name. Several instances get the same name."),
    )
    image = ImageField(label=gettext_lazy("Image"), queryset=Image.objects.none(), empty_label=None)
    instance_type = TypeField(label=gettext_lazy("Size"), queryset=InstanceType.objects.none(), empty_label=None)
    count = forms.IntegerField(
        label=gettext_lazy("How many"),
        min_value=1,
        max_value=MAX_COUNT,
        initial=1,
    )
    key_pair = forms.ChoiceField(
        label=gettext_lazy("Key pair"),
        error_messages={"required": gettext_lazy("Make a key pair, import one, or choose to have none.")},
    )
    group = forms.ChoiceField(label=gettext_lazy("Security group"), widget=forms.RadioSelect)
    root_size_gib = forms.IntegerField(
        label=gettext_lazy("Root disk (GiB)"),
        required=False,
        min_value=1,
        max_value=16384,
        help_text=gettext_lazy("Empty: as large as the size says."),
    )
    more_disks = forms.CharField(
        label=gettext_lazy("More disks (GiB)"),
        required=False,
        max_length=60,
        help_text=gettext_lazy("The size of each, such as 10, 50. They are deleted with their instance."),
    )
    user_data = forms.CharField(
        label=gettext_lazy("User data"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "class": "mono", "spellcheck": "false", "placeholder": "#!/bin/sh"}),
        help_text=gettext_lazy("A script or a cloud-init file that runs at the first start; at most 16 KiB."),
    )
    user_data_file = forms.FileField(label=gettext_lazy("User data from a file"), required=False)
    user_data_filename = forms.CharField(required=False, max_length=255, widget=forms.HiddenInput)
    placement_group = forms.ChoiceField(label=gettext_lazy("Placement group"), required=False)
    template = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)
    template_version = forms.IntegerField(min_value=1, required=False, widget=forms.HiddenInput)
    client_token = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        files: Any = None,
        *,
        tenant: Tenant,
        initial: Mapping[str, Any] | None = None,
        checks_quota: bool = True,
    ) -> None:
        super().__init__(data, files, initial=dict(initial or {}), label_suffix="")
        self.tenant = tenant
        self.checks_quota = checks_quota
        self.known: dict[str, Any] = {}
        images = Image.objects.filter(launchable_by(tenant), state=ImageState.AVAILABLE)
        self._field("image").queryset = images
        self._field("instance_type").queryset = InstanceType.objects.filter(is_enabled=True)
        self.keys = list(KeyPair.objects.filter(tenant=tenant))
        self._field("key_pair").choices = [
            *(() if self.keys else [("", gettext_lazy("Make or import one below"))]),
            *((key.ec2_id, key.name) for key in self.keys),
            (NO_KEY, gettext_lazy("None: nobody can log in by SSH")),
        ]
        self.groups = _groups(tenant)
        self._field("group").choices = [*self._new_group(data), *_group_choices(self.groups)]
        self.fields["group"].initial = self.default_group()
        self.fields["client_token"].initial = new_token()
        self.placement_groups = list(PlacementGroup.objects.filter(tenant=tenant))
        if self.placement_groups:
            self._field("placement_group").choices = [("", gettext_lazy("None: any host will do")), *self._places()]
        else:
            del self.fields["placement_group"]
        if self.keys:
            self.fields["key_pair"].initial = max(self.keys, key=lambda key: key.created_at).ec2_id

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _places(self) -> Iterable[tuple[str, str]]:
        return ((group.ec2_id, f"{group.name} · {group.get_strategy_display()}") for group in self.placement_groups)

    def _new_group(self, data: Any) -> Iterable[tuple[str, GroupLabel]]:
        """Offered until there is one; accepted also afterwards, for a form that is sent twice."""
        if (data or {}).get("group") == NEW_GROUP or not any(group.name == SSH_GROUP for group in self.groups):
            yield NEW_GROUP, GroupLabel(_("Open SSH"), _('With a group "ssh" that admits SSH from everywhere.'))

    def default_group(self) -> str:
        """One that opens SSH, since that is what a newcomer needs; the fewer other rules the better."""
        opening = [group for group in self.groups if any(opens_ssh(rule) for rule in group.rules.all())]
        return min(opening, key=lambda group: len(group.rules.all())).ec2_id if opening else NEW_GROUP

    def clean_more_disks(self) -> list[int]:
        words = str(self.cleaned_data["more_disks"]).replace(",", " ").split()
        if not all(word.isascii() and word.isdecimal() and 1 <= int(word) <= MOST_GIB for word in words):
            raise ValidationError(_("Write the size of each disk as a whole number of GiB, such as 10, 50."))
        if len(words) > MOST_DISKS:
            raise ValidationError(_("At most %(most)s more disks can be asked for here.") % {"most": MOST_DISKS})
        return [int(word) for word in words]

    def disks(self, image: Image) -> list[NewDisk]:
        """Those of the image beside the root disk, and the new ones under the next free names."""
        found = image_disks(image)
        for size_gib in self.known.get("more_disks") or ():
            device = free_name(image.root_device_name, [disk.device for disk in found])
            found.append(NewDisk(device=device, size_gib=size_gib, datastore=default_datastore()))
        return found

    def new_disks(self, image: Image) -> dict[str, int]:
        """Names and sizes of those that do not come with the image."""
        if not self.known.get("more_disks"):
            return {}
        return {disk.device: disk.size_gib for disk in self.disks(image)[image.more_devices :]}

    def clean_user_data(self) -> str:
        # Browsers send a textarea's lines with CR LF, which no interpreter line survives.
        return str(self.cleaned_data["user_data"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        self.known = dict(values)  # a refusal takes its field away; what was asked is still to be shown
        upload = values.get("user_data_file")
        given = upload.size if upload else len(self.user_data_bytes())
        if given > MAX_USER_DATA:
            self.add_error(
                "user_data",
                _("This is %(given)s bytes; user data takes %(most)s. Let it fetch the rest from somewhere.")
                % {"given": given, "most": MAX_USER_DATA},
            )
        image, size = values.get("image"), values.get("root_size_gib")
        if image is not None and size and size < image.size_gib:
            self.add_error(
                "root_size_gib",
                _("Image %(image)s needs %(size)s GiB at least.") % {"image": image.name, "size": image.size_gib},
            )
        if not self.errors and self.checks_quota:
            for meter in self.meters():
                if meter.is_over:
                    self.add_error(FIELD_OF[meter.resource], ValidationError(over_quota(meter)))
        return values

    def user_data_bytes(self) -> bytes:
        upload = self.cleaned_data.get("user_data_file")
        if upload:
            content: bytes = upload.read()
            upload.seek(0)
            return content
        return str(self.cleaned_data.get("user_data", "")).encode()

    def meters(self) -> list[Meter]:
        """The tenant's quotas with what this launch would take, as far as that is known."""
        return meters(self.tenant, self.amounts(), LAUNCHED)

    def amounts(self) -> dict[str, int]:
        values = self.known
        kind, image, count = values.get("instance_type"), values.get("image"), values.get("count")
        if kind is None or image is None or not count:
            return {}
        more = values.get("more_disks") or []
        disk_gib = values.get("root_size_gib") or max(kind.disk_gib, image.size_gib)
        each = {
            Resource.INSTANCES: 1,
            Resource.VCPUS: kind.vcpus,
            Resource.MEMORY_MIB: kind.memory_mib,
            Resource.VOLUMES: 1 + image.more_devices + len(more),
            Resource.VOLUME_GIB: disk_gib + sum(more) + sum(disk.size_gib for disk in image_disks(image)),
        }
        return {resource: amount * count for resource, amount in each.items()}

    def launch(self, *, actor: Actor) -> Launch:
        """What was filled in, with the group made if it was asked for.  In a transaction with the launch."""
        values = self.cleaned_data
        return Launch(
            image=values["image"],
            instance_type=values["instance_type"],
            subnet=default_network(self.tenant).subnet,
            groups=[self.chosen_group(actor=actor)],
            placement_group=self.chosen_placement_group(),
            min_count=values["count"],
            max_count=values["count"],
            key_pair=self.chosen_key(),
            user_data=self.user_data_bytes(),
            client_token=self.token(),
            digest=self.digest(),
            instance_tags={"Name": values["name"]} if values["name"] else {},
            root_size_gib=values["root_size_gib"],
            more_disks=self.disks(values["image"]) if values["more_disks"] else None,
        )

    def token(self) -> str:
        return f"portal-{self.cleaned_data['client_token']}"[:64]

    def chosen_group(self, *, actor: Actor) -> SecurityGroup:
        """The one that was chosen, made if it is the one that opens SSH and is not there yet."""
        chosen = self.cleaned_data["group"]
        return next((g for g in self.groups if g.ec2_id == chosen), None) or ssh_group(self.tenant, actor=actor)

    def chosen_placement_group(self) -> PlacementGroup | None:
        return next((g for g in self.placement_groups if g.ec2_id == self.known.get("placement_group")), None)

    def chosen_key(self) -> KeyPair | None:
        return next((key for key in self.keys if key.ec2_id == self.known.get("key_pair")), None)

    def digest(self) -> str:
        """Of everything that was asked, so that another launch from a page kept in a tab is not taken for this one."""
        values = {name: str(value) for name, value in self.cleaned_data.items() if name != "user_data_file"}
        values["user_data"] = hashlib.sha256(self.user_data_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def line(self) -> LaunchLine | None:
        """The same as a command line, once there is enough for one."""
        values = self.known
        image, kind = values.get("image"), values.get("instance_type")
        if image is None or kind is None:
            return None
        group = values.get("group", NEW_GROUP)
        upload = values.get("user_data_filename", "")
        return LaunchLine(
            image_id=image.ec2_id,
            instance_type=kind.name,
            count=values.get("count") or 1,
            key_name=key.name if (key := self.chosen_key()) else "",
            group_id="" if group == NEW_GROUP else group,
            user_data=values.get("user_data", ""),
            user_data_file=upload,
            root_device=image.root_device_name,
            root_size_gib=values.get("root_size_gib"),
            more_disks=self.new_disks(image),
            tags={"Name": values["name"]} if values.get("name") else {},
            template_id=values.get("template", ""),
            template_version=values.get("template_version"),
            placement_group=place.name if (place := self.chosen_placement_group()) else "",
        )


def _groups(tenant: Tenant) -> list[SecurityGroup]:
    vpc = default_network(tenant).vpc
    return list(SecurityGroup.objects.filter(vpc=vpc).prefetch_related("rules__peer_group"))


@dataclass(frozen=True, slots=True)
class GroupLabel:
    """What stands beside a group's radio button."""

    name: str
    rules: str

    def __str__(self) -> str:
        return f"{self.name}: {self.rules}"


def _group_choices(groups: Iterable[SecurityGroup]) -> Iterable[tuple[str, GroupLabel]]:
    for group in groups:
        rules = [rule_words(rule) for rule in group.rules.all() if not rule.is_egress]
        closed = "" if any(opens_ssh(rule) for rule in group.rules.all()) else _("SSH is closed.")
        words = "; ".join(rules) or _("nothing may come in")
        yield group.ec2_id, GroupLabel(group.name, f"{words}. {closed}".strip())


def over_quota(meter: Meter) -> str:
    return _(
        "Quota of %(resource)s: this needs %(more)s more, %(used)s of %(limit)s are in use: %(lacking)s too many."
        " Take less, terminate what is not needed, or ask an operator for more."
    ) % {
        "more": meter.words(meter.more),
        "resource": meter.label,
        "used": meter.words(meter.used),
        "limit": meter.words(meter.limit),
        "lacking": meter.words(meter.lacking),
    }
