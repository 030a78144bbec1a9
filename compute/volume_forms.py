"""What tenants type about volumes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from compute.volume_listing import attachable_instances
from networking.models import Subnet
from portal.models import Tenant
from portal.models.tag import MAX_VALUE
from storage.models import Snapshot, SnapshotState, Volume
from storage.volume_types import TYPES

SHOWN = 200


def _choose(form: forms.Form, name: str, choices: list[Any]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


class VolumeForm(forms.Form):
    name = forms.CharField(label=_("Name"), required=False, max_length=MAX_VALUE)
    snapshot = forms.ChoiceField(label=_("Begins as"), required=False)
    size_gib = forms.IntegerField(
        label=_("Size (GiB)"), required=False, min_value=1, help_text=_("Empty: as large as its snapshot.")
    )
    volume_type = forms.ChoiceField(
        label=_("Type"),
        choices=[(name, name) for name in TYPES if name not in ("io1", "io2")],
        help_text=_("A wish that is kept and shown; how fast it is depends on the datastore."),
    )
    zone = forms.ChoiceField(label=_("Zone"))
    is_encrypted = forms.BooleanField(label=_("Encrypted"), required=False)

    def __init__(self, *args: Any, tenant: Tenant, **options: Any) -> None:
        super().__init__(*args, **options)
        own = Snapshot.objects.owned_by(tenant).filter(state=SnapshotState.COMPLETED).order_by("-pk")[:SHOWN]
        rows = [(row.ec2_id, f"{row.ec2_id} ({row.size_gib} GiB) {row.description[:60]}") for row in own]
        wanted = str(self["snapshot"].value() or "")
        if wanted and wanted not in dict(rows):  # another's, that may be used
            found = Snapshot.objects.usable_by(tenant).filter(ec2_id=wanted).first()
            rows += [(found.ec2_id, f"{found.ec2_id} ({found.size_gib} GiB)")] if found else []
        _choose(self, "snapshot", [("", _("empty")), *rows])
        zones = {settings.DEFAULT_ZONE, *Subnet.objects.filter(tenant=tenant).values_list("zone", flat=True)}
        _choose(self, "zone", [(zone, zone) for zone in sorted(zones)])


class AttachForm(forms.Form):
    """``device`` may be left empty: then the next free one is taken."""

    instance = forms.ChoiceField(label=_("Instance"))
    device = forms.CharField(
        label=_("Device"), required=False, max_length=20, help_text=_("Such as /dev/sdf; empty: the next free one.")
    )

    def __init__(self, *args: Any, tenant: Tenant, volume: Volume, **options: Any) -> None:
        super().__init__(*args, **options)
        _choose(self, "instance", attachable_instances(tenant, volume.zone))


class GrowForm(forms.Form):
    size_gib = forms.IntegerField(
        label=_("New size (GiB)"),
        min_value=1,
        help_text=_("It can become larger, never smaller. Its guest sees so at once and extends its file system."),
    )


class SnapshotForm(forms.Form):
    description = forms.CharField(label=_("Description"), required=False, max_length=255)
