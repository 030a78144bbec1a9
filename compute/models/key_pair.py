"""Public keys that instances are given."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_id
from portal.models import Tenant


def new_key_pair_id() -> str:
    return new_id("key")


class KeyPair(models.Model):
    """Only the public half is kept."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_key_pair_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="key_pairs")
    name = models.CharField(_("name"), max_length=255)
    key_type = models.CharField(_("type"), max_length=10)  # "rsa" or "ed25519"
    public_key = models.TextField(_("public key"))
    fingerprint = models.CharField(_("fingerprint"), max_length=100)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("key pair")
        verbose_name_plural = _("key pairs")
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_key_pair_per_tenant_and_name")]

    def __str__(self) -> str:
        return self.name
