"""Between the rows and the scheduler: a snapshot of the hosts in, a claim and a Placement row out."""

from __future__ import annotations

import numpy as np
from django.db import transaction

from compute.models import GroupMember, Host, HostState, Instance
from operations.performers import Refused, TryLater
from scheduling.filters import Group, Hosts, Request
from scheduling.models import Placement, PlacementGroup
from scheduling.placement import NAMED, Decision, decide

ROUNDS = 3  # in which others may be faster before it is tried again later


def snapshot() -> Hosts:
    """All hosts as arrays, in one query."""
    hosts = list(Host.objects.order_by("name"))
    return Hosts(
        names=tuple(host.name for host in hosts),
        zones=np.array([host.zone for host in hosts], dtype=str),
        architectures=np.array([host.architecture for host in hosts], dtype=str),
        is_up=np.array([host.is_up for host in hosts], dtype=bool),
        is_enabled=np.array([host.state == HostState.ENABLED for host in hosts], dtype=bool),
        vcpus=np.array([host.vcpus * host.cpu_overcommit for host in hosts], dtype=float),
        vcpus_allocated=np.array([host.vcpus_allocated for host in hosts], dtype=float),
        memory_mib=np.array([host.memory_mib * host.memory_overcommit for host in hosts], dtype=float),
        memory_allocated_mib=np.array([host.memory_allocated_mib for host in hosts], dtype=float),
    )


def place(instance: Instance, *, patient: bool = False) -> Host:
    """The host this instance has claimed; claims one, and says why that one, if it has none.

    Raises Refused with the summary if no host will do; TryLater if it is ``patient`` and one that is down might.
    """
    if instance.host is not None:
        return instance.host
    kind = instance.instance_type
    for _round in range(ROUNDS):
        group = group_of(instance)
        request = Request(
            kind.vcpus, kind.memory_mib, zone=instance.zone, architecture=instance.image.architecture, group=group
        )
        decision = decide(snapshot(), request)
        for name, score in zip(decision.order, decision.scores, strict=True):
            if claim_host(instance, name):
                _write(instance, decision, name, score)
            host = Host.objects.filter(instances=instance).first()
            if host is not None:  # ours, or the claim of another worker that was faster
                instance.refresh_from_db()
                return host
        if not decision.order:
            break
    else:
        raise TryLater("every host that fitted was taken by others meanwhile")
    if decision.refusals.get("down") and patient:
        raise TryLater(f"waiting for a host: {decision.summary}")
    _write(instance, decision, "", None)
    raise Refused(f"Server.InsufficientInstanceCapacity: {decision.summary}")


def member_of(instance: Instance) -> GroupMember | None:
    """Its place in a placement group, if it has one."""
    return getattr(instance, "group_member", None)


def group_of(instance: Instance) -> Group | None:
    """The placement group of this instance, with the hosts of its other members as they are now; one query."""
    member = member_of(instance)
    if member is None:
        return None
    others = GroupMember.objects.filter(group=member.group_id, instance__host__isnull=False).exclude(pk=member.pk)
    rows = list(others.values_list("instance__host__name", "partition_number"))
    return Group(
        name=member.group.name,
        strategy=member.group.strategy,
        hosts=tuple(host for host, _partition in rows),
        partitions=tuple(partition or 0 for _host, partition in rows),
        partition=member.partition_number or 0,
    )


@transaction.atomic
def claim_host(instance: Instance, name: str) -> bool:
    """Claim the host's capacity for the instance.

    False if the host is full by now, if the instance has another, or if another member of its placement group has
    come there: members of one group claim one after the other, so that each sees where those before it went.
    """
    kind = instance.instance_type
    if (member := member_of(instance)) is not None:
        list(PlacementGroup.objects.select_for_update().filter(pk=member.group_id).values_list("pk"))
        group = group_of(instance)
        if group is not None and name in group.closed:
            return False
    if not Host.objects.claim(name, vcpus=kind.vcpus, memory_mib=kind.memory_mib):
        return False
    held = Instance.objects.filter(pk=instance.pk, host=None).update(
        host=Host.objects.get(name=name), vcpus_claimed=kind.vcpus, memory_claimed_mib=kind.memory_mib
    )
    if not held:
        transaction.set_rollback(True)
    return bool(held)


def _write(instance: Instance, decision: Decision, host: str, score: float | None) -> None:
    Placement.objects.create(
        instance_id=instance.ec2_id,
        host=host,
        policy=decision.policy,
        score=score,
        considered=decision.considered,
        refusals={
            reason: {"count": len(names), "hosts": names[:NAMED]}
            | ({"group": decision.group} if decision.group else {})
            for reason, names in decision.refusals.items()
        },
        summary=decision.summary[:500],
    )


def unplace(instance: Instance) -> None:
    """Give the host's capacity back; in the transaction that ends the need for it."""
    if instance.host_id is None:
        return
    cleared = Instance.objects.filter(pk=instance.pk, host=instance.host_id).update(
        host=None, vcpus_claimed=0, memory_claimed_mib=0
    )
    if cleared:
        Host.objects.all().release(
            instance.host_id, vcpus=instance.vcpus_claimed, memory_mib=instance.memory_claimed_mib
        )
    instance.host, instance.vcpus_claimed, instance.memory_claimed_mib = None, 0, 0
