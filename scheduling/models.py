"""Decisions: where an instance went, and why not elsewhere; and groups of instances that belong near or apart."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant

GROUP_KIND = "placement-group"


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


def new_placement_group_id() -> str:
    return new_id("pg")


class Strategy(models.TextChoices):
    """What the members of a group want of each other."""

    CLUSTER = "cluster", _("cluster: near each other")
    SPREAD = "spread", _("spread: each on another host")
    PARTITION = "partition", _("partition: partitions share no host")


class PlacementGroup(models.Model):
    """Instances that a tenant wants placed with regard to each other.  Neither name nor strategy ever changes."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_placement_group_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="placement_groups")
    name = models.CharField(_("name"), max_length=255)
    strategy = models.CharField(_("strategy"), max_length=12, choices=Strategy.choices)
    partition_count = models.PositiveSmallIntegerField(_("partitions"), null=True, blank=True)
    spread_level = models.CharField(max_length=8, blank=True)  # EC2's "rack" or "host"; here each host is a rack
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("placement group")
        verbose_name_plural = _("placement groups")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_placement_group_per_tenant_and_name")
        ]

    def __str__(self) -> str:
        return self.name
