"""Who may see a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _

from portal.middleware import TenantRequest

P = ParamSpec("P")
View = Callable[Concatenate[TenantRequest, P], HttpResponseBase]
PlainView = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def tenant_required(view: View[P]) -> PlainView[P]:
    """For members: others are sent to sign in, or told how to become one.  Pages of a tenant are never cached."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_sign_in(request)
        if getattr(request, "membership", None) is None:
            return render(request, "portal/no_tenant.html", status=403)
        response = view(cast(TenantRequest, request), *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return cast(PlainView[P], wrapped)


def administrator_required(view: View[P]) -> PlainView[P]:
    """For administrators of the tenant."""

    @wraps(view)
    def checked(request: TenantRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.membership.is_administrator:
            raise PermissionDenied(
                _("Only administrators of tenant %(tenant)s may do this; ask one of them.") % {"tenant": request.tenant}
            )
        return view(request, *args, **kwargs)

    return tenant_required(cast(Any, checked))


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and back afterwards; htmx is told to take the whole page there."""
    login_url = resolve_url(settings.LOGIN_URL)
    if request.headers.get("HX-Request") == "true":
        back = request.headers.get("HX-Current-URL", "")
        path = "/" + back.split("/", 3)[3] if back.count("/") >= 3 else "/"
        target = redirect_to_login(path, login_url).url
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/", login_url)
