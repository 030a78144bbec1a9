"""Network interfaces."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from networking.models.security_group import SecurityGroup
from networking.models.vpc import Subnet
from portal.ids import new_id
from portal.models import Tenant


def new_attachment_id() -> str:
    return new_id("eni-attach")


def new_interface_id() -> str:
    return new_id("eni")


class NetworkInterface(models.Model):
    """What an instance is plugged in by: its addresses and its groups.  The row goes when the address is free again.

    ``public_ip`` is the one that holds now.  While an elastic address stands in for the one that it was given at its
    launch, ``automatic_ip`` keeps that one, for the running guest still has it and it comes back afterwards.
    """

    ec2_id = models.CharField(max_length=40, unique=True, default=new_interface_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="network_interfaces")
    subnet = models.ForeignKey(Subnet, on_delete=models.PROTECT, related_name="network_interfaces")
    instance_id = models.CharField(max_length=40, blank=True, db_index=True)  # the EC2 id; empty: not attached
    attachment_id = models.CharField(max_length=40, blank=True, db_index=True)  # a new one each time
    device_index = models.PositiveSmallIntegerField(default=0)
    delete_on_termination = models.BooleanField(default=True)
    description = models.CharField(max_length=255, blank=True)
    mac = models.CharField(max_length=17, unique=True)
    private_ip = models.GenericIPAddressField(protocol="IPv4")
    public_ip = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True, unique=True)
    automatic_ip = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True, unique=True)
    source_dest_check = models.BooleanField(default=True)
    groups = models.ManyToManyField(SecurityGroup, related_name="network_interfaces")
    forwards = models.JSONField(
        default=list, blank=True
    )  # of the last start: [{"protocol", "address", "port", "guest_port"}]
    not_enforced = models.JSONField(default=list, blank=True)  # rules that this network cannot keep, in words
    waits_for_start = models.BooleanField(default=False)  # attached while the guest ran, which has not seen it yet
    client_token = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs are distinct
    client_digest = models.CharField(max_length=64, blank=True)  # of what was asked with it
    attached_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("network interface")
        verbose_name_plural = _("network interfaces")
        ordering = ["device_index", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["subnet", "private_ip"], name="one_interface_per_address"),
            models.UniqueConstraint(
                fields=["instance_id", "device_index"], condition=~Q(instance_id=""), name="one_interface_per_device"
            ),
            models.UniqueConstraint(fields=["tenant", "client_token"], name="one_interface_per_client_token"),
        ]

    def __str__(self) -> str:
        return self.ec2_id
