"""Instances: what a tenant runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from compute import states
from compute.drivers.base import Power
from compute.errors import IncorrectState, InstanceNotFound
from compute.models.host import Host
from compute.models.instance_type import InstanceType
from compute.models.key_pair import KeyPair
from compute.states import InstanceState, sources_of
from portal.ids import looks_like, new_id
from portal.models import Tenant
from storage.models import Datastore, Image

KIND = "instance"


def new_instance_id() -> str:
    return new_id("i")


def new_reservation_id() -> str:
    return new_id("r")


class ShutdownBehavior(models.TextChoices):
    STOP = "stop", _("stop")
    TERMINATE = "terminate", _("terminate")


class Reservation(models.Model):
    """One call that launched instances; it carries the client's token, so that the same call again finds them."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_reservation_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="reservations")
    client_token = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs are distinct
    digest = models.CharField(max_length=64, blank=True)  # of the parameters, to notice another call with this token
    requester = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "client_token"], name="one_reservation_per_client_token")
        ]

    def __str__(self) -> str:
        return self.ec2_id


class InstanceQuerySet(models.QuerySet["Instance"]):
    def owned_by(self, tenant: Tenant) -> InstanceQuerySet:
        return self.filter(tenant=tenant)

    def live(self) -> InstanceQuerySet:
        """All but those that have ended."""
        return self.exclude(state=InstanceState.TERMINATED)

    def visible(self) -> InstanceQuerySet:
        """Live ones, and those that ended within the last hour, as EC2 shows them."""
        since = timezone.now() - settings.TERMINATED_VISIBLE_FOR
        return self.filter(~Q(state=InstanceState.TERMINATED) | Q(terminated_at__gt=since))

    def named(self, ec2_ids: Sequence[str]) -> list[Instance]:
        """These instances, in this order.  Raises InstanceNotFound naming those that are not here."""
        malformed = [ec2_id for ec2_id in ec2_ids if not looks_like("i", ec2_id)]
        if malformed:
            raise InstanceNotFound(f'Invalid id: "{malformed[0][:60]}"', code="InvalidInstanceID.Malformed")
        found = {instance.ec2_id: instance for instance in self.filter(ec2_id__in=ec2_ids)}
        missing = [ec2_id for ec2_id in ec2_ids if ec2_id not in found]
        if len(missing) == 1:
            raise InstanceNotFound(f"The instance ID '{missing[0]}' does not exist")
        if missing:
            raise InstanceNotFound(f"The instance IDs '{', '.join(missing[:100])}' do not exist")
        return [found[ec2_id] for ec2_id in dict.fromkeys(ec2_ids)]


class Instance(models.Model):
    """``state`` is what the tenant asked and was told; ``power`` is what the host last reported."""

    ec2_id = models.CharField(max_length=40, unique=True, default=new_instance_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="instances")
    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="instances")
    launch_index = models.PositiveIntegerField(default=0)
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="instances")
    instance_type = models.ForeignKey(InstanceType, on_delete=models.PROTECT, related_name="instances")
    key_pair = models.ForeignKey(KeyPair, null=True, blank=True, on_delete=models.SET_NULL, related_name="instances")
    key_name = models.CharField(max_length=255, blank=True)  # stays when the key pair is gone
    public_key = models.TextField(blank=True)
    user_data = models.BinaryField(default=bytes, blank=True)

    state = models.CharField(
        _("state"), max_length=16, choices=InstanceState.choices, default=InstanceState.PENDING, db_index=True
    )
    reason_code = models.CharField(max_length=80, blank=True)
    reason = models.TextField(blank=True)
    power = models.CharField(max_length=10, default=Power.UNKNOWN)

    host = models.ForeignKey(Host, null=True, blank=True, on_delete=models.PROTECT, related_name="instances")
    vcpus_claimed = models.PositiveIntegerField(default=0)  # of the host, while it has a claim there
    memory_claimed_mib = models.PositiveIntegerField(default=0)
    vcpus_reserved = models.PositiveIntegerField(default=0)  # of the quota, until it ends
    memory_reserved_mib = models.PositiveIntegerField(default=0)

    datastore = models.ForeignKey(Datastore, null=True, on_delete=models.PROTECT, related_name="+")  # of its directory
    zone = models.CharField(max_length=40)
    subnet_id_text = models.CharField(max_length=40, blank=True)
    vpc_id_text = models.CharField(max_length=40, blank=True)
    shutdown_behavior = models.CharField(max_length=10, choices=ShutdownBehavior.choices, default=ShutdownBehavior.STOP)
    disable_api_termination = models.BooleanField(default=False)
    disable_api_stop = models.BooleanField(default=False)
    monitoring = models.BooleanField(default=False)
    source_dest_check = models.BooleanField(default=True)
    hints = models.JSONField(default=dict, blank=True)  # EbsOptimized, CreditSpecification ...: kept and shown

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    launched_at = models.DateTimeField(default=timezone.now)  # of the last start
    state_changed_at = models.DateTimeField(default=timezone.now)
    terminated_at = models.DateTimeField(null=True, blank=True)

    objects = InstanceQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        indexes = [models.Index(fields=["tenant", "state"]), models.Index(fields=["host", "state"])]

    def __str__(self) -> str:
        return self.ec2_id

    @property
    def uuid(self) -> str:
        """The domain's UUID on every hypervisor: derived, so that it need not be remembered."""
        return str(uuid.uuid5(uuid.UUID(settings.INSTALLATION), self.ec2_id))

    @property
    def state_code(self) -> int:
        return states.CODES[InstanceState(self.state)]

    @property
    def is_steady(self) -> bool:
        return self.state in states.STEADY

    def move_to(self, target: InstanceState, *, reason_code: str = "", reason: str = "") -> None:
        """Enter ``target``, or raise IncorrectState if a concurrent writer left it unreachable."""
        now = timezone.now()
        changes: dict[str, object] = {"state": target, "state_changed_at": now}
        changes |= {"reason_code": reason_code, "reason": reason}
        if target == InstanceState.TERMINATED:
            changes["terminated_at"] = now
        if not Instance.objects.filter(pk=self.pk, state__in=sources_of(target)).update(**changes):
            self.refresh_from_db(fields=["state"])
            raise IncorrectState(f"instance {self} is {self.state}; it cannot become {target}")
        for name, value in changes.items():
            setattr(self, name, value)


def ids_of(instances: Iterable[Instance]) -> list[str]:
    return [instance.ec2_id for instance in instances]


class ConsoleOutput(models.Model):
    """The end of an instance's serial log, kept by the watcher, also after the instance has ended."""

    instance = models.OneToOneField(Instance, on_delete=models.CASCADE, related_name="console", primary_key=True)
    text = models.BinaryField(default=bytes)
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"console of {self.instance_id}"
