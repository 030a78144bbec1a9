"""Members of a tenant, for its administrators."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal.accounts import change_role, invite, open_invitations, remove_member, revoke_invitation
from portal.actors import actor_of
from portal.decorators import administrator_required
from portal.errors import CloudError
from portal.forms import InviteForm
from portal.mail import mail_invitation, mail_is_configured
from portal.middleware import TenantRequest
from portal.models import Invitation, Role


@require_safe
@administrator_required
def members(request: TenantRequest) -> HttpResponse:
    return _page(request, InviteForm())


def _page(request: TenantRequest, form: InviteForm, **more: object) -> HttpResponse:
    keys = Count("user__access_keys", filter=Q(user__access_keys__tenant=request.tenant))
    context = {
        "section": "members",
        "memberships": request.tenant.memberships.select_related("user").annotate(keys=keys),
        "invitations": open_invitations(request.tenant),
        "roles": Role.choices,
        "form": form,
        "has_mail": mail_is_configured(),
        **more,
    }
    return render(request, "portal/members.html", context, status=422 if form.errors else 200)


@require_POST
@administrator_required
def invite_somebody(request: TenantRequest) -> HttpResponse:
    """Invite; the answer shows the link, which nobody can read again, and says whether it was mailed."""
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    wanted = form.cleaned_data
    try:
        made, token = invite(request.tenant, email=wanted["email"], role=wanted["role"], actor=actor_of(request))
    except CloudError as error:
        form.add_error("email", error.message)
        return _page(request, form)
    link = request.build_absolute_uri(reverse("invitation", args=[token]))
    return _page(request, InviteForm(), made=made, link=link, mailed=_mail(request, made, link))


def _mail(request: TenantRequest, made: Invitation, link: str) -> bool:
    if not made.email or not mail_is_configured():
        return False
    sent = mail_invitation(made, link)
    if not sent:
        messages.warning(request, _("The mail could not be sent. Pass the link on yourself."))
    return sent


@require_POST
@administrator_required
def change(request: TenantRequest, pk: int) -> HttpResponse:
    """Give a member another role, or remove them."""
    membership = get_object_or_404(request.tenant.memberships.select_related("user"), pk=pk)
    wanted, who = request.POST.get("do", ""), membership.user.username
    try:
        if wanted == "remove":
            remove_member(membership, actor=actor_of(request))
            messages.success(
                request, _("%(user)s is no member any more; their access keys are deleted.") % {"user": who}
            )
        elif wanted in Role.values:
            change_role(membership, wanted, actor=actor_of(request))
            messages.success(
                request, _("%(user)s is now: %(role)s.") % {"user": who, "role": membership.get_role_display()}
            )
        else:
            return HttpResponse(status=400)
    except CloudError as error:
        messages.error(request, error.message)
    still = request.tenant.memberships.filter(user=request.membership.user, role=Role.ADMINISTRATOR).exists()
    return redirect("members" if still else "home")


@require_POST
@administrator_required
def revoke(request: TenantRequest, pk: int) -> HttpResponse:
    invitation = get_object_or_404(request.tenant.invitations, pk=pk)
    try:
        revoke_invitation(invitation, actor=actor_of(request))
        messages.success(request, _("The invitation is withdrawn; its link does not work any more."))
    except CloudError as error:
        messages.error(request, error.message)
    return redirect("members")
