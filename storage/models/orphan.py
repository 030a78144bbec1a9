"""Files of datastores that belong to no row."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from storage.models.datastore import Datastore


class Orphan(models.Model):
    """A file, or an instance's directory, that was found and belongs to nothing; removed when an operator says so."""

    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="orphans")
    name = models.CharField(_("name"), max_length=500)
    used_bytes = models.PositiveBigIntegerField(_("space taken"), default=0)
    modified_at = models.DateTimeField(_("last changed"))
    found_at = models.DateTimeField(_("found"), default=timezone.now)

    class Meta:
        ordering = ["datastore", "name"]
        verbose_name = _("orphaned file")
        verbose_name_plural = _("orphaned files")
        constraints = [models.UniqueConstraint(fields=["datastore", "name"], name="one_orphan_per_file")]

    def __str__(self) -> str:
        return self.name
