"""What tenants type about instances."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from compute.listing import Search
from compute.models import Instance, InstanceType, ShutdownBehavior
from compute.placement_groups import MAX_NAME as MAX_GROUP_NAME
from compute.placement_groups import MAX_PARTITIONS
from compute.states import InstanceState
from portal.models import Tenant
from portal.models.tag import MAX_KEY, MAX_VALUE
from scheduling.models import Strategy
from storage.images import MAX_DESCRIPTION


class SearchForm(forms.Form):
    """Filters of the list.  What makes no sense is left out rather than refused."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=80,
        widget=forms.SearchInput(attrs={"placeholder": _("Name, id or address")}),
    )
    state = forms.ChoiceField(label=_("State"), required=False)
    type = forms.ChoiceField(label=_("Type"), required=False)
    tag = forms.CharField(
        label=_("Tag"), required=False, max_length=400, widget=forms.TextInput(attrs={"placeholder": _("key=value")})
    )

    def __init__(self, data: Any, *, tenant: Tenant) -> None:
        super().__init__(data, auto_id="filter_%s")
        types = InstanceType.objects.filter(instances__in=tenant.instances.visible()).distinct()
        self.fields["state"] = _choice(_("State"), [("", _("Any")), *InstanceState.choices])
        self.fields["type"] = _choice(_("Type"), [("", _("Any")), *((t.name, t.name) for t in types)])

    def search(self) -> Search:
        self.is_valid()
        found = self.cleaned_data
        return Search(
            text=found.get("q", "").strip(),
            state=found.get("state", ""),
            instance_type=found.get("type", ""),
            tag=found.get("tag", "").strip(),
        )


def _choice(label: Any, choices: list[Any]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=choices)


class NameForm(forms.Form):
    name = forms.CharField(label=_("Name"), required=False, max_length=MAX_VALUE)


class TagForm(forms.Form):
    key = forms.CharField(label=_("Key"), max_length=MAX_KEY)
    value = forms.CharField(label=_("Value"), required=False, max_length=MAX_VALUE)


class AttributesForm(forms.Form):
    """What an instance is told to do; the names are the model's."""

    disable_api_termination = forms.BooleanField(
        label=_("Protect against termination"),
        required=False,
        help_text=_("Nobody can terminate it until this is switched off again."),
    )
    disable_api_stop = forms.BooleanField(
        label=_("Protect against being stopped"),
        required=False,
        help_text=_("Nobody can stop it until this is switched off again."),
    )
    shutdown_behavior = forms.ChoiceField(
        label=_("When the guest shuts itself down"),
        choices=[
            (ShutdownBehavior.STOP, _("stop it, and keep its disk")),
            (ShutdownBehavior.TERMINATE, _("terminate it, and delete its disk")),
        ],
    )

    def __init__(self, data: Any = None, *, instance: Instance) -> None:
        super().__init__(data, initial={name: getattr(instance, name) for name in self.base_fields}, label_suffix="")


class KeyPairForm(forms.Form):
    """A key pair to be made here."""

    name = forms.CharField(label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    key_type = forms.ChoiceField(
        label=_("Kind"),
        choices=[("ed25519", _("ED25519: short and modern")), ("rsa", _("RSA: for old SSH clients"))],
        initial="ed25519",
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="new_key_%s", label_suffix="")


class PublicKeyForm(forms.Form):
    """A public key that its owner made elsewhere."""

    name = forms.CharField(label=_("Name"), max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    public_key = forms.CharField(
        label=_("Public key"),
        widget=forms.Textarea(
            attrs={"rows": 4, "class": "mono", "spellcheck": "false", "placeholder": "ssh-ed25519 AAAA…"}
        ),
        help_text=_("One line, from a file such as ~/.ssh/id_ed25519.pub"),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="import_key_%s", label_suffix="")

    def clean_public_key(self) -> str:
        """As one line; editors and terminals like to break it."""
        text: str = self.cleaned_data["public_key"]
        if "PRIVATE KEY" in text:
            raise forms.ValidationError(
                _("This is a private key. Keep it to yourself, and give the public one, from the file ending in .pub.")
            )
        return " ".join(text.split()) if text.startswith(("ssh-", "ecdsa-")) else text


class PlacementGroupForm(forms.Form):
    """A placement group to be made; how many partitions is asked of partition groups alone."""

    name = forms.CharField(
        label=_("Name"), max_length=MAX_GROUP_NAME, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    strategy = forms.ChoiceField(
        label=_("Strategy"),
        choices=Strategy.choices,
        help_text=_(
            "Spread and partition are kept to strictly: an instance for which no host is left is not started. A cluster"
            " is a preference."
        ),
    )
    partition_count = forms.IntegerField(
        label=_("Partitions"),
        required=False,
        min_value=1,
        max_value=MAX_PARTITIONS,
        help_text=_("Of a partition group only; two if you leave it empty."),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, label_suffix="")


class MakeImageForm(forms.Form):
    """An image of an instance; ``reboot`` is for a running one."""

    name = forms.CharField(
        label=_("Name"), min_length=3, max_length=128, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    description = forms.CharField(label=_("Description"), required=False, max_length=MAX_DESCRIPTION)
    reboot = forms.BooleanField(
        label=_("Shut it down for a moment"),
        required=False,
        initial=True,
        help_text=_(
            "What its guest has not written to its disks yet is in the image then. It is started again by itself."
        ),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="image_%s", label_suffix="")
