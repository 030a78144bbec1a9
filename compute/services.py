"""What tenants may do to their instances.  The portal, the admin site and the EC2 API all call these."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone

from compute.errors import IncorrectState, OperationNotPermitted
from compute.models import Instance
from compute.models.instance import KIND, ids_of
from compute.states import InstanceState, sources_of
from compute.verbs import Verb
from operations.models import Operation
from operations.tasks import ring
from portal import audit, quotas
from portal.audit import Actor
from portal.models import Resource

S = InstanceState
ENDING = {S.SHUTTING_DOWN, S.TERMINATED}
BY_USER = {
    "reason_code": "Client.UserInitiatedShutdown",
    "reason": "Client.UserInitiatedShutdown: User initiated shutdown",
}


@transaction.atomic
def start_instances(instances: Sequence[Instance], *, actor: Actor) -> None:
    """Ask for a start of all; those pending or running already are passed over, which EC2 does not call an error."""
    _hold(instances)
    moved = _move(instances, S.PENDING, passed_over={S.PENDING, S.RUNNING}, verb="started")
    Instance.objects.filter(pk__in=[i.pk for i in moved]).update(launched_at=timezone.now())
    Operation.objects.filter(verb=Verb.REBOOT).supersede(KIND, ids_of(moved))
    _owe(Verb.START, moved, actor)


@transaction.atomic
def stop_instances(instances: Sequence[Instance], *, actor: Actor, force: bool = False) -> None:
    """Ask for a stop of all; those stopped or stopping already are passed over."""
    _hold(instances)
    protected = [i for i in instances if i.disable_api_stop]
    if protected:
        raise OperationNotPermitted(
            f"The instance '{protected[0]}' may not be stopped. Modify its 'disableApiStop' instance attribute"
            " and try again."
        )
    moved = _move(instances, S.STOPPING, passed_over={S.STOPPING, S.STOPPED}, verb="stopped", **BY_USER)
    Operation.objects.filter(verb__in=(Verb.REBOOT, Verb.RESTART)).supersede(KIND, ids_of(moved))
    _owe(Verb.STOP, moved, actor, force=force)
    if force:
        _hurry([i for i in instances if i not in moved])


@transaction.atomic
def reboot_instances(instances: Sequence[Instance], *, actor: Actor) -> None:
    """Ask for a reboot of all.  One that is being rebooted already is left to it."""
    _hold(instances)
    wrong = [i for i in instances if i.state != S.RUNNING]
    if wrong:
        raise IncorrectState(f"instance {wrong[0]} is {wrong[0].state}; only a running one can be rebooted")
    busy = set(Operation.objects.open().on(KIND, ids_of(instances)).values_list("resource_id", flat=True))
    _owe(Verb.REBOOT, [i for i in instances if i.ec2_id not in busy], actor)


@transaction.atomic
def terminate_instances(instances: Sequence[Instance], *, actor: Actor) -> None:
    """End them for good.  The one request that does not wait for what is under way, but takes its place."""
    _hold(instances)
    protected = [i for i in instances if i.disable_api_termination and i.state not in (S.SHUTTING_DOWN, S.TERMINATED)]
    if protected:
        raise OperationNotPermitted(
            f"The instance '{protected[0]}' may not be terminated. Modify its 'disableApiTermination' instance"
            " attribute and try again."
        )
    moved = _move(instances, S.SHUTTING_DOWN, passed_over={S.SHUTTING_DOWN, S.TERMINATED}, verb="terminated", **BY_USER)
    Operation.objects.supersede(KIND, ids_of(moved))
    _owe(Verb.TERMINATE, moved, actor)


@transaction.atomic
def set_monitoring(instances: Sequence[Instance], monitoring: bool, *, actor: Actor) -> None:
    """Detailed monitoring on or off; a wish that is kept, for what measures instances to follow."""
    if instances:
        Instance.objects.filter(pk__in=[i.pk for i in instances]).update(monitoring=monitoring)
        verb = "monitor" if monitoring else "unmonitor"
        audit.record(actor, verb, KIND, ids_of(instances), tenant=instances[0].tenant)


def _hold(instances: Sequence[Instance]) -> None:
    """Look at them as they are now, and keep them so until the transaction ends.

    Operations first, as with who closes one: two who lock in different orders would wait for each other for ever.
    """
    ids = ids_of(instances)
    if connection.features.has_select_for_update:  # a database without it lets only one write at a time
        list(Operation.objects.open().on(KIND, ids).order_by("pk").select_for_update().values_list("pk"))
    rows = Instance.objects.filter(ec2_id__in=ids).order_by("pk").select_for_update()
    names = ("state", "disable_api_stop", "disable_api_termination")
    now = {pk: facts for pk, *facts in rows.values_list("pk", *names)}
    for instance in instances:
        for name, value in zip(names, now[instance.pk], strict=True):
            setattr(instance, name, value)


def _move(
    instances: Sequence[Instance],
    target: InstanceState,
    *,
    passed_over: set[InstanceState],
    verb: str,
    reason_code: str = "",
    reason: str = "",
) -> list[Instance]:
    """Move all that are not there yet in one update; IncorrectState, naming the first, if one cannot."""
    wanted = [i for i in instances if i.state not in passed_over]
    sources = sources_of(target)
    wrong = next((i for i in wanted if i.state not in sources), None)
    if wrong is not None:
        way_out = f"; wait until it is {' or '.join(sorted(sources))}" if wrong.state not in ENDING else ", for good"
        raise IncorrectState(
            f"The instance '{wrong}' is not in a state from which it can be {verb}: it is {wrong.state}{way_out}"
        )
    now = timezone.now()
    rows = Instance.objects.filter(pk__in=[i.pk for i in wanted], state__in=sources)
    rows.update(state=target, reason_code=reason_code, reason=reason, state_changed_at=now)
    for instance in wanted:
        instance.state, instance.reason_code, instance.reason = target, reason_code, reason
    return wanted


def _owe(verb: Verb, instances: Sequence[Instance], actor: Actor, **params: object) -> None:
    if not instances:
        return
    ids = ids_of(instances)
    Operation.objects.owe(verb, KIND, ids, actor_name=actor.name, params=params)
    audit.record(actor, verb, KIND, ids, tenant=instances[0].tenant, **params)
    ring(len(ids))


def _hurry(instances: Sequence[Instance]) -> None:
    """Make a stop that waits for its guest take the power away now."""
    waiting = Operation.objects.open().on(KIND, ids_of(instances)).filter(verb=Verb.STOP)
    for operation in waiting:
        Operation.objects.filter(pk=operation.pk).update(params={**operation.params, "force": True})
    if Operation.objects.wake(KIND, ids_of(instances)):
        ring(len(instances))


@quotas.counts
def count_instances() -> dict[tuple[int, str], int]:
    """Usage of instances by tenant, from the rows."""
    rows = (
        Instance.objects.live()
        .order_by()
        .values_list("tenant_id")
        .annotate(Count("pk"), Sum("vcpus_reserved"), Sum("memory_reserved_mib"))
    )
    found: dict[tuple[int, str], int] = {}
    for tenant_id, count, vcpus, memory_mib in rows:
        found[tenant_id, Resource.INSTANCES] = count
        found[tenant_id, Resource.VCPUS] = vcpus
        found[tenant_id, Resource.MEMORY_MIB] = memory_mib
    return found
