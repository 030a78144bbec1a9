"""One's own name, address and language."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from portal import audit
from portal.actors import actor_of
from portal.forms import ProfileForm
from portal.models import User


@never_cache
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(username=request.user.get_username())
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        if form.changed_data:
            form.save()
            audit.record(actor_of(request), "change", "user", [user.username], tenant=None, fields=form.changed_data)
        with translation.override(user.language or translation.get_language()):
            messages.success(request, _("Your profile is saved."))
        return redirect("profile")
    context = {"form": form, "memberships": request.memberships}  # type: ignore[attr-defined]
    return render(request, "portal/profile.html", context, status=422 if form.errors else 200)
