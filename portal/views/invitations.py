"""The page behind an invitation's link."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.accounts import accept_as_new_user, accept_invitation, invitation_of
from portal.actors import actor_of
from portal.errors import CloudError
from portal.forms import NewUserForm
from portal.middleware import work_in
from portal.models import Invitation, User

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join with the account one is signed in with, or make one; opening the link alone changes nothing."""
    try:
        found = invitation_of(token)
    except CloudError as error:
        return render(request, "registration/invitation_refused.html", {"why": error.message}, status=410)
    if isinstance(request.user, User):
        return _join(request, token, found, request.user)
    form = NewUserForm(request.POST or None, initial={"email": found.email})
    if request.method == "POST" and form.is_valid():
        try:
            user = accept_as_new_user(token, form.save(commit=False), address=actor_of(request).address)
        except CloudError as error:
            form.add_error(None, error.message)
        else:
            login(request, user, backend=MODEL_BACKEND)
            return _welcome(request, found)
    context = {"invitation": found, "form": form}
    return render(request, "registration/invitation.html", context, status=422 if form.errors else 200)


def _join(request: HttpRequest, token: str, found: Invitation, user: User) -> HttpResponse:
    if request.method == "POST":
        try:
            accept_invitation(token, user=user, actor=actor_of(request))
        except CloudError as error:
            messages.error(request, error.message)
            return redirect("home")
        return _welcome(request, found)
    return render(request, "registration/invitation.html", {"invitation": found})


def _welcome(request: HttpRequest, found: Invitation) -> HttpResponse:
    work_in(request, found.tenant)
    messages.success(request, _("Welcome to %(tenant)s.") % {"tenant": found.tenant})
    return redirect("home")
