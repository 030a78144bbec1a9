"""The end of a tenant: refused while it has anything, complete when it has not."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from compute.models import Instance
from networking.models import ElasticAddress, NetworkInterface, SecurityGroupRule
from portal.errors import CloudError
from portal.models import Tenant
from storage.models import Image, ImageState, Volume


def why_not_delete(tenant: Tenant) -> str:
    """What the tenant still has, and what to do about it; empty where it may go."""
    live = Instance.objects.owned_by(tenant).live()
    volumes = Volume.objects.filter(tenant=tenant)
    images = Image.objects.filter(tenant=tenant).exclude(state=ImageState.DEREGISTERED)
    used = Image.objects.filter(tenant=tenant, instances__isnull=False).exclude(instances__tenant=tenant)
    values = {"tenant": tenant}
    if count := live.count():
        first = live.first()
        text = _("%(tenant)s has %(count)s live instances, such as %(first)s (%(state)s); terminate them first.")
        return text % {**values, "count": count, "first": first, "state": first and first.get_state_display()}
    if count := volumes.count():
        text = _("%(tenant)s has %(count)s volumes, such as %(first)s; delete them first.")
        return text % {**values, "count": count, "first": volumes.first()}
    if images.exists():
        return _("%(tenant)s has images, such as %(first)s; deregister them first.") % {
            **values,
            "first": images.first(),
        }
    if used.exists():
        return _("Other tenants launched from images of %(tenant)s, such as %(first)s.") % {
            **values,
            "first": used.first(),
        }
    return ""


@transaction.atomic
def delete_tenant(tenant: Tenant) -> None:
    """Delete the tenant and what is only history of it; its part of the audit trail stays.

    Raises CloudError, and deletes nothing, while it has something that runs or takes room.
    """
    Tenant.objects.select_for_update().get(pk=tenant.pk)
    if reason := why_not_delete(tenant):
        raise CloudError(reason, code="DependencyViolation")
    # what others point at with PROTECT goes after what points
    Instance.objects.owned_by(tenant).delete()
    ElasticAddress.objects.filter(tenant=tenant).delete()
    NetworkInterface.objects.filter(tenant=tenant).delete()
    SecurityGroupRule.objects.filter(group__tenant=tenant).delete()
    tenant.delete()
