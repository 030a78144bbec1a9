"""What tenants type about images and snapshots."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from storage.images import MAX_DESCRIPTION, NewImage
from storage.importing import MAX_URL, Source


class ImageForm(forms.Form):
    """What is said of every image that is made."""

    name = forms.CharField(
        label=_("Name"),
        min_length=3,
        max_length=128,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "debian-12"}),
    )
    description = forms.CharField(label=_("Description"), required=False, max_length=MAX_DESCRIPTION)
    login_user = forms.RegexField(
        r"^[a-z_][a-z0-9_-]{0,31}$",
        label=_("User to log in as"),
        initial="root",
        help_text=_("Whom cloud-init lets in: debian, ubuntu, fedora, almalinux and so on, as the image's maker says."),
        error_messages={"invalid": _("Small letters, digits, - and _; such as debian.")},
    )

    def __init__(self, data: Any = None, *, prefix: str = "image", initial: Any = None) -> None:
        super().__init__(data, auto_id=f"{prefix}_%s", initial=initial, label_suffix="")

    def image(self, **more: Any) -> NewImage:
        names = ("name", "description", "login_user")
        return NewImage(**{name: self.cleaned_data[name] for name in names if name in self.cleaned_data}, **more)


def _checksum_field() -> forms.CharField:
    return forms.RegexField(
        r"^[0-9A-Fa-f]{64}$",
        label=_("SHA-256 checksum"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"class": "mono", "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("As the maker publishes it; a file that does not have it is refused."),
        error_messages={"invalid": _("64 hexadecimal digits.")},
    )


class UploadForm(ImageForm):
    """Of a file that is sent by tus; the file itself is no field of it."""

    sha256 = _checksum_field()

    def source(self, size_bytes: int, file_name: str) -> Source:
        return Source(size_bytes=size_bytes, file_name=file_name, sha256=self.cleaned_data["sha256"])


class FetchForm(ImageForm):
    """Of a file at a URL."""

    url = forms.CharField(
        label=_("Address"),
        max_length=MAX_URL,
        widget=forms.URLInput(attrs={"placeholder": "https://…/debian-12-genericcloud-amd64.qcow2"}),
    )
    sha256 = _checksum_field()
    field_order = ["url", "name", "description", "login_user", "sha256"]

    def source(self) -> Source:
        return Source(url=self.cleaned_data["url"].strip(), sha256=self.cleaned_data["sha256"])


class DescriptionForm(forms.Form):
    """What can be changed of an image."""

    description = forms.CharField(label=_("Description"), required=False, max_length=MAX_DESCRIPTION)
    login_user = ImageForm.base_fields["login_user"]

    def __init__(self, data: Any = None, *, initial: Any = None) -> None:
        super().__init__(data, auto_id="change_%s", initial=initial, label_suffix="")


class ShareForm(forms.Form):
    """One more tenant that may use it."""

    account_id = forms.RegexField(
        r"^[0-9]{12}$",
        label=_("Account id"),
        help_text=_("Twelve digits; the other tenant's members see theirs in the menu behind their name."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "mono"}),
        error_messages={"invalid": _("An account id has twelve digits.")},
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="share_%s", label_suffix="")


class DeprecateForm(forms.Form):
    """From when on an image is not shown to others any more unless they ask."""

    day = forms.DateField(label=_("From"), widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="deprecate_%s", label_suffix="")


class CopyForm(forms.Form):
    """A copy of an image or of a snapshot; ``name`` is an image's only."""

    name = forms.CharField(label=_("Name"), min_length=3, max_length=128)
    description = forms.CharField(label=_("Description"), required=False, max_length=MAX_DESCRIPTION)
    encrypt = forms.BooleanField(
        label=_("Encrypt the copy"),
        required=False,
        help_text=_("Takes a while, and the room of a whole disk; otherwise both share the same blocks."),
    )

    def __init__(self, data: Any = None, *, with_name: bool = True, initial: Any = None) -> None:
        super().__init__(data, auto_id="copy_%s", initial=initial, label_suffix="")
        if not with_name:
            del self.fields["name"]
