"""Sizes of instances."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class InstanceType(models.Model):
    name = models.CharField(_("name"), max_length=40, unique=True)
    vcpus = models.PositiveIntegerField(_("vCPUs"))
    memory_mib = models.PositiveIntegerField(_("memory (MiB)"))
    disk_gib = models.PositiveIntegerField(_("root disk (GiB)"), default=8)
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        ordering = ["vcpus", "memory_mib", "name"]
        verbose_name = _("instance type")
        verbose_name_plural = _("instance types")

    def __str__(self) -> str:
        return self.name
