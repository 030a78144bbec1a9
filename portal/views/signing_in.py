"""Signing in and out, and passwords: Django's own views with our pages around them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from portal import audit
from portal.actors import actor_of
from portal.forms import ResetForm, SignInForm
from portal.mail import mail_is_configured
from portal.models import User


class SignInView(views.LoginView):
    template_name = "registration/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        name = settings.OIDC_NAME if settings.OIDC_RP_CLIENT_ID else ""
        return super().get_context_data(oidc_name=name, has_directory=bool(settings.LDAP_URL), **kwargs)


class SignOutView(views.LogoutView):
    http_method_names = ["post", "options"]


class ChangeView(LoginRequiredMixin, views.PasswordChangeView):
    template_name = "registration/change_password.html"
    success_url = reverse_lazy("profile")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated and not request.user.has_usable_password():
            messages.info(request, _("You sign in through another service; change your password there."))
            return redirect("profile")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        _record(self.request, self.request.user, "change password")
        messages.success(self.request, _("Your password is changed. You stay signed in here; elsewhere you are not."))
        return response


class ResetView(views.PasswordResetView):
    template_name = "registration/reset_password.html"
    form_class = ResetForm
    email_template_name = "registration/reset_email.txt"
    subject_template_name = "registration/reset_subject.txt"
    success_url = reverse_lazy("password-reset-sent")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(has_mail=mail_is_configured(), **kwargs)


class ResetSentView(views.PasswordResetDoneView):
    template_name = "registration/reset_sent.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(has_mail=mail_is_configured(), **kwargs)


class ResetConfirmView(views.PasswordResetConfirmView):
    template_name = "registration/set_password.html"
    success_url = reverse_lazy("sign-in")

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        if mail_is_configured() and self.user is not None:  # who opened the link reads this mailbox
            User.objects.filter(pk=self.user.pk).update(email_is_confirmed=True)
        _record(self.request, self.user, "reset password")
        messages.success(self.request, _("Your password is set. Sign in with it."))
        return response


def _record(request: HttpRequest, user: Any, verb: str) -> None:
    actor = audit.Actor(user, audit.Door.PORTAL, actor_of(request).address)
    audit.record(actor, verb, "user", [user.get_username()], tenant=None)
