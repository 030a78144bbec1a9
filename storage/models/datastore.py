"""Places for layers, and how full they are."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

GIB = 2**30


class DatastoreQuerySet(models.QuerySet["Datastore"]):
    def release(self, pk: int, gib: int) -> None:
        """Take back a promise."""
        if gib:
            self.filter(pk=pk).update(promised_gib=F("promised_gib") - gib)


class Datastore(models.Model):
    """A place for images and volumes, reached by the hosts of a zone at one path.

    ``promised_gib`` is what its layers may grow to; written by promise() and release() alone, in the transaction of
    the layer that is made or goes.
    """

    name = models.SlugField(_("name"), max_length=40, unique=True)
    backend = models.CharField(_("backend"), max_length=20, default="directory")
    path = models.CharField(_("path"), max_length=500)
    options = models.JSONField(default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    overcommit = models.FloatField(
        _("overcommit"),
        default=1.0,
        help_text=_("Layers take only what was written to them. 1 promises no more than there is."),
    )
    promised_gib = models.PositiveBigIntegerField(_("promised (GiB)"), default=0, editable=False)
    total_gib = models.PositiveBigIntegerField(_("size (GiB)"), default=0, editable=False)
    total_bytes = models.PositiveBigIntegerField(_("size"), default=0, editable=False)
    free_bytes = models.PositiveBigIntegerField(_("free"), default=0, editable=False)
    is_full = models.BooleanField(_("full"), default=False, editable=False)  # nothing new until there is room again
    seen_at = models.DateTimeField(_("last seen"), null=True, blank=True, editable=False)
    last_error = models.TextField(_("last error"), blank=True, editable=False)

    objects = DatastoreQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("datastore")
        verbose_name_plural = _("datastores")
        constraints = [models.CheckConstraint(condition=Q(overcommit__gt=0), name="a_datastore_holds_something")]

    def __str__(self) -> str:
        return self.name
