"""Tags: keys and values on anything that has an EC2 id."""

from __future__ import annotations

from django.db import models

from portal.models.tenant import Tenant

MAX_TAGS = 50
MAX_KEY = 127
MAX_VALUE = 256


class Tag(models.Model):
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="tags")
    resource_type = models.CharField(max_length=40)  # as EC2 spells it: "instance", "key-pair"
    resource_id = models.CharField(max_length=40)
    key = models.CharField(max_length=MAX_KEY)
    value = models.CharField(max_length=MAX_VALUE, blank=True)

    class Meta:
        ordering = ["resource_id", "key"]
        constraints = [models.UniqueConstraint(fields=["resource_id", "key"], name="one_tag_per_resource_and_key")]
        indexes = [models.Index(fields=["tenant", "key", "value"])]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"
