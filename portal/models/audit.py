"""The audit trail: every change, by whom, from where, through which door."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models.tenant import Tenant, User


class AuditEntry(models.Model):
    """Never changed once written.  The names are kept beside the keys, for when the rows are gone."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.SET_NULL, related_name="audit_entries")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    who = models.CharField(_("who"), max_length=200)
    door = models.CharField(_("door"), max_length=20)
    address = models.CharField(_("from"), max_length=45, blank=True)
    verb = models.CharField(_("action"), max_length=60)
    resource_type = models.CharField(max_length=40)
    resource_id = models.CharField(max_length=80)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["resource_id", "-at"])]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.who}: {self.verb} {self.resource_id}"
