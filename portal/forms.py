"""Forms of the pages about people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordResetForm, UserCreationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from portal.audit import Door
from portal.models import Role, User

if TYPE_CHECKING:
    _UserForm = forms.ModelForm[User]
    _NewUser = UserCreationForm[User]
else:
    _UserForm, _NewUser = forms.ModelForm, UserCreationForm


class SignInForm(AuthenticationForm):
    """Says when it was the directory that did not answer."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("User name and password do not match. Both are case-sensitive."),
        "directory": _("The directory of users does not answer, so nobody in it can sign in now. Try again later."),
    }

    def get_invalid_login_error(self) -> ValidationError:
        if getattr(self.request, "directory_is_down", False):
            return ValidationError(self.error_messages["directory"], code="directory")
        return ValidationError(self.error_messages["invalid_login"], code="invalid_login")


class ResetForm(PasswordResetForm):
    """Mails a link to the site's own address: the Host that a browser sends may be anything."""

    def save(self, *args: Any, **options: Any) -> None:
        site = urlsplit(settings.PUBLIC_URL)
        options |= {"domain_override": site.netloc, "use_https": site.scheme == "https"}
        super().save(*args, **options)


class NewUserForm(_NewUser):
    """Who accepts an invitation without having an account."""

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email"]


class ProfileForm(_UserForm):
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("as the browser says")), *settings.LANGUAGES],
    )

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "language"]

    def save(self, commit: bool = True) -> User:
        """An address that was changed is unproven again."""
        if "email" in self.changed_data:
            self.instance.email_is_confirmed = False
        return super().save(commit)


class InviteForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_("Leave it empty to get a link that you pass on yourself."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MEMBER)


class ActivityForm(forms.Form):
    """Filters of the audit trail; a value that makes no sense filters nothing."""

    q = forms.CharField(label=_("Resource or action"), required=False, max_length=80)
    who = forms.CharField(label=_("Who"), required=False, max_length=200)
    door = forms.ChoiceField(label=_("Through"), required=False)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["door"].choices = [("", _("any entrance")), *DOORS.items()]  # type: ignore[attr-defined]


DOORS: dict[str, Any] = {
    Door.PORTAL: _("portal"),
    Door.API: _("API"),
    Door.ADMIN: _("admin site"),
    Door.COMMAND: _("command"),
    Door.CLOUD: _("the cloud itself"),
}
