"""Keys with which programs sign what they ask."""

from __future__ import annotations

import secrets
import string

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models.tenant import Tenant, User
from portal.sealing import unseal

MAX_ACCESS_KEYS = 2  # per user and tenant, as at Amazon
ALPHABET = string.ascii_uppercase + "234567"


def new_access_key_id() -> str:
    return "AKIA" + "".join(secrets.choice(ALPHABET) for _ in range(16))


class AccessKey(models.Model):
    """One user's key in one tenant.  The secret must be readable to verify a signature, so it is sealed, not hashed."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="access_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_keys")
    access_key_id = models.CharField(max_length=20, unique=True, default=new_access_key_id, editable=False)
    sealed_secret = models.TextField(editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["created_at"]
        verbose_name = _("access key")
        verbose_name_plural = _("access keys")

    def __str__(self) -> str:
        return self.access_key_id

    @property
    def secret(self) -> str:
        """The secret itself.  Raises CannotUnseal when the installation's sealing key has changed."""
        return unseal(self.sealed_secret)
