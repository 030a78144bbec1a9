"""Launch templates: what a launch asks for, kept under a name in numbered versions that never change."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant

KIND = "launch-template"
MAX_NAME = 128
MAX_TOKEN = 128


def new_launch_template_id() -> str:
    return new_id("lt")


class LaunchTemplate(models.Model):
    """``last_number`` only grows: the number of a deleted version is not given again."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_launch_template_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="launch_templates")
    name = models.CharField(_("name"), max_length=MAX_NAME)
    default_number = models.PositiveIntegerField(_("default version"), default=1)
    latest_number = models.PositiveIntegerField(_("latest version"), default=1)  # of those that are there
    last_number = models.PositiveIntegerField(default=1)
    client_token = models.CharField(max_length=MAX_TOKEN, null=True, blank=True)  # noqa: DJ001 - NULLs are distinct
    digest = models.CharField(max_length=64, blank=True)
    created_by = models.CharField(_("made by"), max_length=300, blank=True)  # as EC2 says it: an ARN
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("launch template")
        verbose_name_plural = _("launch templates")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_launch_template_per_tenant_and_name"),
            models.UniqueConstraint(fields=["tenant", "client_token"], name="one_launch_template_per_client_token"),
        ]

    def __str__(self) -> str:
        return self.name


class LaunchTemplateVersion(models.Model):
    """``data`` is RequestLaunchTemplateData as the API took it, in EC2's words."""

    template = models.ForeignKey(LaunchTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    description = models.CharField(_("description"), max_length=255, blank=True)
    data = models.JSONField(_("data"))
    client_token = models.CharField(max_length=MAX_TOKEN, null=True, blank=True)  # noqa: DJ001 - NULLs are distinct
    digest = models.CharField(max_length=64, blank=True)
    created_by = models.CharField(_("made by"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["template", "number"]
        verbose_name = _("launch template version")
        verbose_name_plural = _("launch template versions")
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="one_version_per_launch_template_and_number"),
            models.UniqueConstraint(fields=["template", "client_token"], name="one_version_per_client_token"),
        ]

    def __str__(self) -> str:
        return f"{self.template_id} version {self.number}"

    @property
    def is_default(self) -> bool:
        return self.number == self.template.default_number
