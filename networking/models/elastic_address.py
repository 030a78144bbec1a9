"""Public addresses that a tenant keeps and moves from one interface to another."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from networking.models.interface import NetworkInterface
from portal.ids import new_id
from portal.models import Tenant


def new_allocation_id() -> str:
    return new_id("eipalloc")


class ElasticAddress(models.Model):
    """A public address of a tenant.  While it is associated, it is its interface's ``public_ip``, too."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_allocation_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="elastic_addresses")
    public_ip = models.GenericIPAddressField(_("public address"), protocol="IPv4", unique=True)
    interface = models.OneToOneField(
        NetworkInterface, null=True, blank=True, on_delete=models.PROTECT, related_name="elastic_address"
    )
    association_id = models.CharField(max_length=40, blank=True, db_index=True)  # a new one each time
    associated_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(_("allocated at"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("elastic address")
        verbose_name_plural = _("elastic addresses")
        constraints = [
            models.CheckConstraint(
                condition=Q(interface=None, association_id="") | (Q(interface__isnull=False) & ~Q(association_id="")),
                name="associated_by_an_id",
            )
        ]

    def __str__(self) -> str:
        return f"{self.public_ip} ({self.ec2_id})"
