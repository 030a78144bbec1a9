"""The way in, and the switches in the header."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import set_language

from portal.decorators import tenant_required, to_sign_in
from portal.middleware import TenantRequest, work_in
from portal.models import User


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What was sent makes no sense, or is too large."""
    return render(request, "400.html", {"is_large": isinstance(exception, RequestDataTooBig)}, status=400)


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
    work_in(request, chosen)
    messages.info(request, _("You now work in tenant %(tenant)s.") % {"tenant": chosen})
    return redirect("home")


@require_POST
def switch_language(request: HttpRequest) -> HttpResponseBase:
    """For this browser by a cookie, and for the user wherever they sign in; only one of those that pages offer."""
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise BadRequest("a language that is not offered")
    if request.user.is_authenticated:
        User.objects.filter(pk=request.user.pk).update(language=language)
    return set_language(request)
