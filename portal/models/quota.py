"""What a tenant may have and what it has: one ledger row for each kind of resource."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.models.tenant import Tenant


class Resource(models.TextChoices):
    INSTANCES = "instances", _("instances")
    VCPUS = "vcpus", _("vCPUs")
    MEMORY_MIB = "memory_mib", _("memory (MiB)")
    VOLUMES = "volumes", _("volumes")
    VOLUME_GIB = "volume_gib", _("volume storage (GiB)")
    ADDRESSES = "addresses", _("elastic addresses")
    SNAPSHOTS = "snapshots", _("snapshots")
    IMAGES = "images", _("images")


class Quota(models.Model):
    """Written by portal.quotas alone.  A limit may be set below the usage: then nothing more is granted."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="quotas")
    resource = models.CharField(max_length=20, choices=Resource.choices)
    limit = models.PositiveBigIntegerField(_("limit"))
    used = models.PositiveBigIntegerField(_("usage"), default=0, editable=False)

    class Meta:
        ordering = ["tenant", "resource"]
        constraints = [models.UniqueConstraint(fields=["tenant", "resource"], name="one_quota_per_tenant_and_resource")]
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")

    def __str__(self) -> str:
        return f"{self.tenant}: {self.used} of {self.limit} {self.get_resource_display()}"

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)
