"""How people get into a tenant, what they are there, and how they leave."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import audit
from portal.audit import Actor, Door
from portal.errors import CloudError, NotFound
from portal.models import AccessKey, Invitation, Membership, Role, Tenant, User

INVITATION_VALID_FOR = timedelta(days=7)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _whom(invitation: Invitation) -> str:
    """How the audit trail names an invitation: by whom it is for, where that is known."""
    return invitation.email[:80] or f"#{invitation.pk}"


@transaction.atomic
def invite(tenant: Tenant, *, email: str = "", role: str = Role.MEMBER, actor: Actor) -> tuple[Invitation, str]:
    """An invitation and its token, which nobody can read again: only a digest is kept."""
    if email and Membership.objects.filter(tenant=tenant, user__email__iexact=email).exists():
        raise CloudError(_("%(email)s belongs to %(tenant)s already.") % {"email": email, "tenant": tenant})
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        tenant=tenant,
        email=email,
        role=role,
        digest=_digest(token),
        invited_by=actor.user,
        expires_at=timezone.now() + INVITATION_VALID_FOR,
    )
    audit.record(actor, "invite", "invitation", [_whom(invitation)], tenant=tenant, role=role)
    return invitation, token


def open_invitations(tenant: Tenant) -> QuerySet[Invitation]:
    return tenant.invitations.filter(accepted_at=None, expires_at__gt=timezone.now()).select_related("invited_by")


def invitation_of(token: str) -> Invitation:
    """The open invitation that this token is for.  Raises CloudError, saying why it cannot be used and what to do."""
    found = Invitation.objects.select_related("tenant", "invited_by").filter(digest=_digest(token)).first()
    if found is None:
        raise NotFound(_("This invitation does not exist, or was withdrawn. Ask for a new one."))
    if found.accepted_at is not None:
        raise CloudError(_("This invitation was used already. If that was you, sign in; if not, ask for a new one."))
    if not found.is_open:
        raise CloudError(
            _("This invitation expired on %(when)s. Ask for a new one.") % {"when": f"{found.expires_at:%Y-%m-%d}"}
        )
    return found


@transaction.atomic
def accept_invitation(token: str, *, user: User, actor: Actor) -> Membership:
    """Make the user a member.  Of several at once with the same token, one gets in."""
    invitation = invitation_of(token)
    tenant = invitation.tenant
    if Membership.objects.filter(tenant=tenant, user=user).exists():
        raise CloudError(_("You belong to %(tenant)s already.") % {"tenant": tenant})
    now = timezone.now()
    unused = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, expires_at__gt=now)
    if not unused.update(accepted_at=now, accepted_by=user):
        invitation_of(token)
        raise CloudError(_("This invitation cannot be used any more. Ask for a new one."))
    membership = Membership.objects.create(tenant=tenant, user=user, role=invitation.role)
    audit.record(actor, "accept invitation", "user", [user.username], tenant=tenant, role=invitation.role)
    return membership


def accept_as_new_user(token: str, user: User, *, address: str) -> User:
    """Save a new user as a member of the tenant that invites; nobody is saved where the invitation cannot be used."""
    try:
        with transaction.atomic():
            user.save()
            accept_invitation(token, user=user, actor=Actor(user, Door.PORTAL, address))
    except IntegrityError:
        raise CloudError(_("Somebody took this user name or e-mail address a moment ago. Choose another.")) from None
    return user


@transaction.atomic
def revoke_invitation(invitation: Invitation, *, actor: Actor) -> None:
    """Withdraw an invitation that nobody has used."""
    deleted, _rows = Invitation.objects.filter(pk=invitation.pk, accepted_at=None).delete()
    if not deleted:
        raise CloudError(_("This invitation was used already; remove the member instead."))
    audit.record(actor, "revoke", "invitation", [_whom(invitation)], tenant=invitation.tenant)


@transaction.atomic
def change_role(membership: Membership, role: str, *, actor: Actor) -> None:
    """Give a member another role.  Refused where it would leave the tenant without an administrator."""
    current = _locked(membership)
    if current.role == role:
        return
    _keep_one_administrator(current, role)
    Membership.objects.filter(pk=current.pk).update(role=role)
    membership.role = role
    who = current.user.username
    audit.record(actor, "change role", "user", [who], tenant=current.tenant, role=role, before=current.role)


@transaction.atomic
def remove_member(membership: Membership, *, actor: Actor) -> None:
    """End a membership, and with it the access keys that the member has in this tenant."""
    current = _locked(membership)
    _keep_one_administrator(current, None)
    forget_member(current, actor=actor)
    current.delete()


def forget_member(membership: Membership, *, actor: Actor) -> None:
    """Delete the access keys that go with a membership, and write down that it ends; in the caller's transaction."""
    tenant, user = membership.tenant, membership.user
    keys = AccessKey.objects.filter(tenant=tenant, user=user)
    audit.record(actor, "delete", "access-key", keys.values_list("access_key_id", flat=True), tenant=tenant)
    keys.delete()
    audit.record(actor, "remove member", "user", [user.username], tenant=tenant, role=membership.role)


def _locked(membership: Membership) -> Membership:
    """The membership as it is now; changes to the members of one tenant wait for one another."""
    Tenant.objects.select_for_update().get(pk=membership.tenant_id)
    current = Membership.objects.select_related("tenant", "user").filter(pk=membership.pk).first()
    if current is None:
        raise NotFound(_("This person does not belong to the tenant any more."))
    return current


def _keep_one_administrator(membership: Membership, role: str | None) -> None:
    if not membership.is_administrator or role == Role.ADMINISTRATOR:
        return
    others = Membership.objects.filter(tenant=membership.tenant, role=Role.ADMINISTRATOR, user__is_active=True)
    if not others.exclude(pk=membership.pk).exists():
        raise CloudError(
            _("%(user)s is the last administrator of %(tenant)s. Make somebody else an administrator first.")
            % {"user": membership.user, "tenant": membership.tenant}
        )
