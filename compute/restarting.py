"""Off and on again for snapshots: the guest writes down all it has, the volumes move on, the guest starts anew.

The snapshots themselves are another operation's, which waits for this one.  A stop or a termination that takes this
one's place lets the volumes move on, too.
"""

from __future__ import annotations

from compute.domains import prepare
from compute.drivers.base import Power
from compute.models import Instance
from compute.models.instance import KIND
from compute.snapshots import TAKE
from compute.states import InstanceState
from compute.tasks import driver_of, insisting, instance_of, or_fail, power_off
from compute.verbs import Verb
from operations.models import Operation, OperationQuerySet
from operations.performers import Again, Performer, TryLater, register
from operations.tasks import ring

WHY_NOT = "Server.InternalError: it could not be started again after its snapshots were taken"
TURN_S = 0.5


def restart(operation: Operation) -> Again | None:
    """Shut the guest down, as a stop does; then start it again.  The reconciler leaves it alone meanwhile."""
    instance = instance_of(operation)
    if instance.host is not None and instance.state == InstanceState.RUNNING:
        if not operation.params.get("is_off") and (again := _go_off(operation, instance)) is not None:
            return again
        _go_on(instance)
    with operation.closing():
        Instance.objects.filter(pk=instance.pk, state=InstanceState.RUNNING).update(power=Power.RUNNING)
        if _takes(operation).update(due_at=operation.created_at):
            ring()
    return None


def _takes(operation: Operation) -> OperationQuerySet:
    return Operation.objects.open().filter(lane=operation.lane, verb=TAKE)


def _go_off(operation: Operation, instance: Instance) -> Again | None:
    if _takes(operation).filter(params__off=True, params__next=None).exists():
        return Again(TURN_S, "another snapshot is being taken")
    assert instance.host is not None
    with insisting():
        again = power_off(driver_of(instance.host), instance, operation)
    if again is None:  # noted, so that a domain that is found running later is the new one
        operation.params = {**operation.params, "is_off": True}
        Operation.objects.filter(pk=operation.pk).update(params=operation.params)
    return again


def _go_on(instance: Instance) -> None:
    assert instance.host is not None
    with or_fail():
        driver = driver_of(instance.host)
        power = driver.power(instance.ec2_id)
        if power == Power.UNKNOWN:
            raise TryLater(f"{instance.host} is still busy with starting it", after_s=1)
        if power == Power.OFF:
            prepare(instance, instance.host, driver)


def restart_failed(operation: Operation, why: str) -> None:
    """It is stopped then, and its tenant reads why.  Nothing of it may run."""
    instance = instance_of(operation)
    if instance.state == InstanceState.RUNNING:
        instance.move_to(InstanceState.STOPPING, reason_code=WHY_NOT.split(":", 1)[0], reason=WHY_NOT)
        Operation.objects.owe(
            Verb.STOP, KIND, [instance.ec2_id], actor_name=operation.actor_name, params={"force": True}
        )
        ring()


register(KIND, Verb.RESTART, Performer(restart, restart_failed))
