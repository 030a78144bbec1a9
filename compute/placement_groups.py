"""Placement groups: made and deleted, and which instances are in them.  The scheduler gives them their meaning."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from compute.models import GroupMember, Instance
from compute.models.instance import KIND
from compute.states import InstanceState
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.inserting import write
from portal.models import Tag, Tenant
from portal.tags import add_tags, check_tags
from scheduling.models import GROUP_KIND, PlacementGroup, Strategy

MAX_GROUPS = 500  # as Amazon has it, of one account
MAX_NAME = 255
MAX_PARTITIONS = 7
SPREAD_LEVELS = ("rack", "host")


def create_group(
    tenant: Tenant,
    name: str,
    strategy: str,
    *,
    actor: Actor,
    partition_count: int | None = None,
    spread_level: str = "",
    tags: Mapping[str, str] | None = None,
) -> PlacementGroup:
    """A new group.  A partition group has two partitions unless it is said how many."""
    _check(name, strategy, partition_count, spread_level)
    check_tags(tags or {})
    mine = PlacementGroup.objects.filter(tenant=tenant)
    if mine.filter(name=name).exists():
        raise _duplicate(name)
    if mine.count() >= MAX_GROUPS:
        text = _("a tenant has %(most)s placement groups at most; delete some first")
        raise CloudError(text % {"most": MAX_GROUPS}, code="PlacementGroupLimitExceeded")
    try:
        with transaction.atomic():
            group = PlacementGroup.objects.create(
                tenant=tenant,
                name=name,
                strategy=strategy,
                partition_count=(partition_count or 2) if strategy == Strategy.PARTITION else None,
                spread_level=(spread_level or "rack") if strategy == Strategy.SPREAD else "",
            )
            add_tags(tenant, GROUP_KIND, [group.ec2_id], tags or {})
            audit.record(actor, "create", GROUP_KIND, [group.ec2_id], tenant=tenant, name=name, strategy=strategy)
    except IntegrityError:  # somebody made one of this name meanwhile
        raise _duplicate(name) from None
    return group


def _check(name: str, strategy: str, partition_count: int | None, spread_level: str) -> None:
    if not 1 <= len(name) <= MAX_NAME or not name.isascii() or not name.isprintable():
        text = _("A placement group's name takes 1 to %(most)s printable ASCII characters; '%(name)s' is not one")
        raise CloudError(text % {"most": MAX_NAME, "name": name[:40]})
    if strategy not in Strategy.values:
        text = _("The strategy '%(strategy)s' is not offered; it is cluster, spread or partition")
        raise CloudError(text % {"strategy": strategy[:40]})
    if partition_count is not None and strategy != Strategy.PARTITION:
        text = _("A number of partitions goes with the strategy 'partition' only")
        raise CloudError(text, code="InvalidParameterCombination")
    if partition_count is not None and not 1 <= partition_count <= MAX_PARTITIONS:
        text = _("A placement group has 1 to %(most)s partitions; %(given)s were asked")
        raise CloudError(text % {"most": MAX_PARTITIONS, "given": partition_count})
    if spread_level and strategy != Strategy.SPREAD:
        text = _("A spread level goes with the strategy 'spread' only")
        raise CloudError(text, code="InvalidParameterCombination")
    if spread_level and spread_level not in SPREAD_LEVELS:
        text = _("The spread level '%(level)s' is not offered; it is rack or host")
        raise CloudError(text % {"level": spread_level[:40]})


def _duplicate(name: str) -> CloudError:
    text = _("The Placement Group '%(name)s' already exists; choose another name")
    return CloudError(text % {"name": name}, code="InvalidPlacementGroup.Duplicate")


def unknown(name: str) -> CloudError:
    text = _("The Placement Group '%(name)s' is unknown.")
    return CloudError(text % {"name": name[:MAX_NAME]}, code="InvalidPlacementGroup.Unknown")


@transaction.atomic
def delete_group(group: PlacementGroup, *, actor: Actor) -> None:
    """Raises CloudError while an instance that has not ended is in it."""
    _hold(group)
    living = group.members.exclude(instance__state=InstanceState.TERMINATED)
    first = living.values_list("instance__ec2_id", flat=True).order_by("pk").first()
    if first:
        text = _(
            "The placement group '%(name)s' is in use and may not be deleted: instance %(instance)s is in it; terminate"
            " it, or stop it and move it out, first."
        )
        values = {"name": group.name, "instance": first}
        raise CloudError(text % values, code="InvalidPlacementGroup.InUse")
    audit.record(actor, "delete", GROUP_KIND, [group.ec2_id], tenant=group.tenant, name=group.name)
    group.members.all().delete()
    Tag.objects.filter(tenant=group.tenant_id, resource_id=group.ec2_id).delete()
    PlacementGroup.objects.filter(pk=group.pk).delete()


def _hold(group: PlacementGroup) -> None:
    """One at a time; raises CloudError if it is gone."""
    if not PlacementGroup.objects.select_for_update().filter(pk=group.pk).order_by().values_list("pk"):
        raise unknown(group.name)


def check_partition(group: PlacementGroup | None, number: int | None) -> None:
    """Raises CloudError for a partition that there is not."""
    if number is None:
        return
    if group is None or not group.partition_count:
        text = _("A partition number goes with a placement group of the strategy 'partition' only")
        raise CloudError(text, code="InvalidParameterCombination")
    if not 1 <= number <= group.partition_count:
        text = _("Placement group '%(name)s' has the partitions 1 to %(count)s; %(number)s is not one")
        raise CloudError(text % {"name": group.name, "count": group.partition_count, "number": number})


def join(group: PlacementGroup, instances: Sequence[Instance], number: int | None = None) -> list[GroupMember]:
    """Put instances into the group, each into the partition with the fewest members unless one is named.

    In the caller's transaction, which keeps the group from being deleted or joined by others until it ends.
    """
    _hold(group)
    write()  # the instances, which may be waiting to be inserted
    numbers = [number] * len(instances)
    if group.partition_count and number is None:
        numbers = _emptiest(group, len(instances))
    return GroupMember.objects.bulk_create(
        GroupMember(instance=instance, group=group, partition_number=each)
        for instance, each in zip(instances, numbers, strict=True)
    )


def _emptiest(group: PlacementGroup, count: int) -> list[int | None]:
    living = group.members.exclude(instance__state=InstanceState.TERMINATED).order_by()
    taken = dict(living.values_list("partition_number").annotate(Count("pk")))
    waiting = [(taken.get(number, 0), number) for number in range(1, (group.partition_count or 0) + 1)]
    heapq.heapify(waiting)
    found: list[int | None] = []
    for _each in range(count):
        members, number = waiting[0]
        heapq.heapreplace(waiting, (members + 1, number))
        found.append(number)
    return found


@transaction.atomic
def move_instance(instance: Instance, group: PlacementGroup | None, number: int | None = None, *, actor: Actor) -> None:
    """Put a stopped instance into a group, or into none.  It counts from its next start on."""
    check_partition(group, number)
    state = Instance.objects.select_for_update(of=("self",)).values_list("state", flat=True).get(pk=instance.pk)
    if state != InstanceState.STOPPED:
        text = _("The instance '%(id)s' is not in the 'stopped' state: it is %(state)s; stop it first")
        raise CloudError(text % {"id": instance.ec2_id, "state": state}, code="InvalidInstanceState")
    GroupMember.objects.filter(instance=instance).delete()
    if group is not None:
        join(group, [instance], number)
    value = group.name if group else ""
    audit.record(
        actor, "modify", KIND, [instance.ec2_id], tenant=instance.tenant, attribute="placementGroup", value=value
    )
