"""Physical machines that run domains."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from compute.drivers.base import HostSettings

DOWN_AFTER = timedelta(seconds=10)  # without a report


class HostState(models.TextChoices):
    ENABLED = "enabled", _("enabled")
    CORDONED = "cordoned", _("cordoned")


class HostQuerySet(models.QuerySet["Host"]):
    def claim(self, name: str, *, vcpus: int, memory_mib: int) -> bool:
        """Promise capacity of a host, if it still has it: one conditional update, so nobody is promised it twice."""
        fitting = self.filter(
            name=name,
            state=HostState.ENABLED,
            vcpus_allocated__lte=F("vcpus") * F("cpu_overcommit") - vcpus,
            memory_allocated_mib__lte=F("memory_mib") * F("memory_overcommit") - memory_mib,
        )
        return bool(
            fitting.update(
                vcpus_allocated=F("vcpus_allocated") + vcpus,
                memory_allocated_mib=F("memory_allocated_mib") + memory_mib,
            )
        )

    def release(self, pk: int, *, vcpus: int, memory_mib: int) -> None:
        """Take back a promise."""
        self.filter(pk=pk).update(
            vcpus_allocated=F("vcpus_allocated") - vcpus,
            memory_allocated_mib=F("memory_allocated_mib") - memory_mib,
        )


class Host(models.Model):
    name = models.SlugField(_("name"), max_length=80, unique=True)
    driver = models.CharField(_("driver"), max_length=20)
    uri = models.CharField(_("address"), max_length=300, blank=True)
    options = models.JSONField(
        _("driver options"),
        default=dict,
        blank=True,
        help_text=_('Simulated hosts: {"delay_s": 0.1, "fail": ["create"], "hang_s": 5}'),
    )
    zone = models.CharField(_("zone"), max_length=40)
    architecture = models.CharField(_("architecture"), max_length=20, default="x86_64")
    state = models.CharField(_("state"), max_length=12, choices=HostState.choices, default=HostState.ENABLED)
    vcpus = models.PositiveIntegerField(_("vCPUs"))
    memory_mib = models.PositiveIntegerField(_("memory (MiB)"))
    cpu_overcommit = models.FloatField(_("CPU overcommit"), default=1.0)
    memory_overcommit = models.FloatField(_("memory overcommit"), default=1.0)
    vcpus_allocated = models.PositiveIntegerField(_("vCPUs allocated"), default=0, editable=False)
    memory_allocated_mib = models.PositiveIntegerField(_("memory allocated (MiB)"), default=0, editable=False)
    hypervisor = models.CharField(_("hypervisor"), max_length=200, blank=True, editable=False)
    seen_at = models.DateTimeField(_("last report"), null=True, blank=True, editable=False)
    last_error = models.TextField(_("last error"), blank=True, editable=False)

    objects = HostQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        constraints = [
            models.CheckConstraint(condition=Q(vcpus__gt=0, memory_mib__gt=0), name="a_host_has_something"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_up(self) -> bool:
        return self.seen_at is not None and self.seen_at > timezone.now() - DOWN_AFTER

    def settings(self) -> HostSettings:
        """What a driver needs to know of this host."""
        options = {**self.options, "installation": settings.INSTALLATION, "data_dir": str(settings.DATA_DIR)}
        options |= {"vcpus": self.vcpus, "memory_mib": self.memory_mib}
        return HostSettings(name=self.name, uri=self.uri, options=options)
