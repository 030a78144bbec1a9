"""Decisions: where an instance went, and why not elsewhere."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Placement(models.Model):
    """One decision.  ``host`` is empty where no host would do."""

    instance_id = models.CharField(max_length=40, db_index=True)
    host = models.CharField(_("host"), max_length=80, blank=True)
    policy = models.CharField(_("policy"), max_length=40)
    score = models.FloatField(null=True, blank=True)
    considered = models.PositiveIntegerField(default=0)
    refusals = models.JSONField(default=dict, blank=True)  # {"memory": {"count": 7, "hosts": ["h1", ...]}}
    summary = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-decided_at", "-pk"]
        verbose_name = _("placement")
        verbose_name_plural = _("placements")

    def __str__(self) -> str:
        return f"{self.instance_id} on {self.host or 'no host'}"
