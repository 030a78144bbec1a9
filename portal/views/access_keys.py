"""Access keys: one's own, in the tenant one works in."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portal.actors import actor_of
from portal.decorators import tenant_required
from portal.errors import CloudError
from portal.middleware import TenantRequest
from portal.models import MAX_ACCESS_KEYS, AccessKey
from portal.tenants import create_access_key, delete_access_key, set_access_key_active


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_required
def access_keys(request: TenantRequest) -> HttpResponse:
    """The list; a POST makes a key and shows its secret in the answer, the only time that it can be read."""
    made, secret = None, ""
    if request.method == "POST":
        try:
            made, secret = create_access_key(request.tenant, request.membership.user, actor=actor_of(request))
        except CloudError as error:
            messages.error(request, error.message)
            return redirect("access-keys")
    keys = list(AccessKey.objects.filter(tenant=request.tenant, user=request.membership.user))
    context = {
        "section": "access-keys",
        "keys": keys,
        "made": made,
        "secret": secret,
        "most": MAX_ACCESS_KEYS,
        "may_make": len(keys) < MAX_ACCESS_KEYS,
        "endpoint": request.build_absolute_uri("/").rstrip("/"),
        "region": settings.REGION,
    }
    return render(request, "portal/access_keys.html", context)


@require_POST
@tenant_required
def change(request: TenantRequest, access_key_id: str) -> HttpResponse:
    """Activate, deactivate or delete one of one's own."""
    mine = AccessKey.objects.filter(tenant=request.tenant, user=request.membership.user)
    key = get_object_or_404(mine, access_key_id=access_key_id)
    match request.POST.get("do"):
        case "delete":
            delete_access_key(key, actor=actor_of(request))
            said = _("Access key %(key)s is deleted; what is signed with it is refused from now on.")
        case "deactivate":
            set_access_key_active(key, False, actor=actor_of(request))
            said = _("Access key %(key)s is deactivated; what is signed with it is refused until you activate it.")
        case "activate":
            set_access_key_active(key, True, actor=actor_of(request))
            said = _("Access key %(key)s works again.")
        case _other:
            return HttpResponse(status=400)
    messages.success(request, said % {"key": access_key_id})
    return redirect("access-keys")
