"""Which instances are in which placement group: a row of its own, since few instances are in one."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compute.models.instance import Instance
from scheduling.models import PlacementGroup


class GroupMember(models.Model):
    """``partition_number`` is set in groups that have partitions, and there alone."""

    instance = models.OneToOneField(Instance, on_delete=models.CASCADE, related_name="group_member", primary_key=True)
    group = models.ForeignKey(PlacementGroup, on_delete=models.RESTRICT, related_name="members")
    partition_number = models.PositiveSmallIntegerField(_("partition"), null=True, blank=True)

    class Meta:
        verbose_name = _("member of a placement group")
        verbose_name_plural = _("members of placement groups")

    def __str__(self) -> str:
        return f"{self.instance_id} in {self.group_id}"
