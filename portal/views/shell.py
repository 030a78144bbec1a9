"""The way in, and the switches in the header."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import check_for_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import set_language

from portal.decorators import tenant_required, to_sign_in
from portal.middleware import CHOSEN_TENANT, TenantRequest
from portal.models import User


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Where one begins: the instances, or first the sign-in."""
    return redirect("instances") if request.user.is_authenticated else to_sign_in(request)


@require_POST
@tenant_required
def switch_tenant(request: TenantRequest) -> HttpResponse:
    """Work in another of one's tenants.  The page one was on may not exist there, so it begins at the start."""
    wanted = request.POST.get("tenant", "")
    chosen = next((m.tenant for m in request.memberships if m.tenant.account_id == wanted), None)
    if chosen is None:
        raise Http404
    request.session[CHOSEN_TENANT] = chosen.account_id
    messages.info(request, _("You now work in tenant %(tenant)s.") % {"tenant": chosen})
    return redirect("home")


@require_POST
def switch_language(request: HttpRequest) -> HttpResponseBase:
    """For this browser by a cookie, and for the user wherever they sign in."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language and check_for_language(language):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return set_language(request)
