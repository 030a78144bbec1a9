"""Carrying out what is owed to instances: idempotent driver calls, no transaction held while a host is asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import transaction

from compute import drivers
from compute.consoles import KEPT_BYTES, console_log_of, store_consoles
from compute.domains import prepare
from compute.drivers.base import Driver, DriverError, HostUnreachable, Power
from compute.models import Host, Instance
from compute.models.instance import KIND
from compute.placing import place
from compute.reconcile import HOST, leftover_of, observe, settle_running, settle_stopped, settle_terminated
from compute.states import InstanceState
from compute.verbs import HostVerb, Verb
from networking.services import release_interfaces
from operations.models import LostClaim, Operation
from operations.performers import Again, Performer, Refused, TryLater, register
from storage.backends.base import StorageError
from storage.files import backend_of, delete_files
from storage.freezing import hold_volumes, settle_snapshots
from storage.models import AttachmentState, Datastore, Volume, VolumeState
from storage.services import forget_volumes

logger = logging.getLogger(__name__)
S = InstanceState

INTERNAL_ERROR = "Server.InternalError: Internal error on launch"  # Amazon's words
START_WITHIN_S = 600  # a host that does not answer for so long fails the start
WAIT_FOR_HOSTS_S = 60  # that are down, before a start fails for lack of capacity
INSIST_EVERY_S = 10
POLL_S = 5  # while a guest shuts down; an event comes sooner
ASK_AGAIN_S = 15


@contextmanager
def or_fail() -> Iterator[None]:
    """What a host that answers, or a datastore, refuses ends the operation."""
    try:
        yield
    except HostUnreachable as error:
        raise TryLater(str(error)) from error
    except (DriverError, StorageError) as error:
        raise Refused(str(error)) from error


@contextmanager
def insisting() -> Iterator[None]:
    """What must come to its end is tried until it does: nothing may be left of an instance that was given up."""
    try:
        yield
    except (DriverError, StorageError) as error:
        raise TryLater(str(error), after_s=INSIST_EVERY_S) from error


def driver_of(host: Host) -> Driver:
    return drivers.driver_for(host.driver, host.settings())


def instance_of(operation: Operation) -> Instance:
    related = Instance.objects.select_related("host", "image", "instance_type", "tenant", "datastore")
    return related.get(ec2_id=operation.resource_id)


def start(operation: Operation) -> Again | None:
    """Place, prepare, create; repeated after a crash it finds what it did before and goes on."""
    instance = instance_of(operation)
    if operation.age_s > START_WITHIN_S:
        raise Refused("Server.InternalError: its host did not answer in time")
    host = place(instance, patient=operation.age_s < WAIT_FOR_HOSTS_S)
    operation.note(f"placed on {host}")
    if Operation.objects.open().on(HOST, [leftover_of(host, instance.ec2_id)]).exists():
        raise TryLater(f"{host} is removing what was left of it there", after_s=0.5)
    with or_fail():
        driver = driver_of(host)
        power = driver.power(instance.ec2_id)
        if power == Power.UNKNOWN:  # asked for by a worker that has died; it may yet come up, or fail
            raise TryLater(f"{host} is still busy with starting it", after_s=1)
        if power == Power.OFF:
            prepare(instance, host, driver)
    try:
        with operation.closing():
            Volume.objects.filter(instance_id=instance.ec2_id, attachment_state=AttachmentState.ATTACHING).update(
                state=VolumeState.IN_USE, attachment_state=AttachmentState.ATTACHED
            )
            settle_running(instance)
    except LostClaim:
        _leave_nothing(instance)
        raise
    return None


def _leave_nothing(instance: Instance) -> None:
    """This worker was away for so long that the instance has ended meanwhile; its domain is found by the watcher."""
    if Instance.objects.filter(pk=instance.pk, state=S.TERMINATED).exists():
        for datastore in Datastore.objects.all():
            backend_of(datastore).delete_instance_dir(instance.ec2_id)


def start_failed(operation: Operation, why: str) -> None:
    """A launch that fails ends its instance; a later start that fails leaves it stopped.  Nothing of it may run.

    The tenant reads a reason that begins with a code.  What a host or a datastore says, with its paths and names,
    stands on the operation, for operators.
    """
    instance = instance_of(operation)
    reason = why if why.startswith(("Server.", "Client.")) else INTERNAL_ERROR
    code = reason.split(":", 1)[0]
    if operation.params.get("launch"):
        instance.move_to(S.SHUTTING_DOWN, reason_code=code, reason=reason)
        _owe_next(Verb.TERMINATE, instance, operation)
    elif instance.host is None:
        settle_stopped(instance, reason_code=code, reason=reason)
    else:
        Instance.objects.filter(pk=instance.pk).update(reason_code=code, reason=reason)
        _owe_next(Verb.STOP, instance, operation)


def _owe_next(verb: Verb, instance: Instance, operation: Operation) -> None:
    from operations.tasks import ring

    params = {"force": True}
    Operation.objects.owe(verb, KIND, [instance.ec2_id], actor_name=operation.actor_name, params=params)
    ring()


def stop(operation: Operation) -> Again | None:
    """Ask the guest to shut down, then wait; take the power away when it does not, or when told to."""
    instance = instance_of(operation)
    if instance.host is not None:
        with insisting():
            again = power_off(driver_of(instance.host), instance, operation)
        if again is not None:
            return again
    with operation.closing():
        settle_stopped(instance)
    return None


def power_off(driver: Driver, instance: Instance, operation: Operation) -> Again | None:
    name = instance.ec2_id
    if driver.power(name) == Power.OFF:
        driver.destroy(name)
        return None
    if operation.params.get("force") or operation.age_s > settings.STOP_GRACE_S:
        operation.note("power taken away")
        driver.destroy(name)
        return None
    if operation.age_s > ASK_AGAIN_S or "asked to shut down" not in operation.log:
        driver.shutdown(name)
        if driver.power(name) == Power.OFF:
            return None
    return Again(POLL_S, "asked to shut down")


def reboot(operation: Operation) -> Again | None:
    """Ask the guest to reboot, and press the reset button if it does not within REBOOT_GRACE_S.

    The watcher, who sees it restart, wakes the operation.  One that went off meanwhile is left to the reconciler.
    """
    instance = instance_of(operation)
    is_off = False
    if instance.host is not None:
        with or_fail():
            driver = driver_of(instance.host)
            is_off = driver.power(instance.ec2_id) == Power.OFF
            if not is_off and not _restart(driver, operation):
                return Again(POLL_S, "asked to reboot")
    with operation.closing():
        pass
    if is_off:
        observe(instance_of(operation), Power.OFF)
    return None


def _restart(driver: Driver, operation: Operation) -> bool:
    """Whether the guest has restarted, by itself or by the reset button."""
    asked_at = operation.params.get("asked_at")
    if asked_at is None:  # noted first, so that the watcher misses no restart
        operation.params = {**operation.params, "asked_at": time.time()}
        Operation.objects.filter(pk=operation.pk).update(params=operation.params)
        driver.reboot(operation.resource_id)
        return False
    if not operation.progress_done:
        if time.time() - asked_at < settings.REBOOT_GRACE_S:
            return False
        driver.reset(operation.resource_id)
        operation.note("reset: the guest did not reboot by itself")
    return True


def reboot_failed(operation: Operation, why: str) -> None:
    logger.warning("reboot of %s failed: %s", operation.resource_id, why)


def terminate(operation: Operation) -> Again | None:
    """Remove domain, files and rows, in that order: a crash leaves rows that say what is still there."""
    instance = instance_of(operation)
    if instance.host is not None:
        with insisting():
            driver = driver_of(instance.host)
            driver.destroy(instance.ec2_id)
            _keep_console(instance, driver)
    volumes = Volume.objects.filter(instance_id=instance.ec2_id)
    ending = volumes.filter(state=VolumeState.DELETING)
    volumes.filter(delete_on_termination=True).update(state=VolumeState.DELETING)  # no snapshot of it any more
    with insisting():
        for volume in ending:
            settle_snapshots(volume)
            delete_files(volume)
        if instance.datastore is not None:
            backend_of(instance.datastore).delete_instance_dir(instance.ec2_id)
    with operation.closing():
        hold_volumes(volumes)
        forget_volumes(ending)
        volumes.update(
            instance_id="",
            device="",
            attachment_state=AttachmentState.NONE,
            state=VolumeState.AVAILABLE,
            attached_at=None,
        )
        release_interfaces([instance.ec2_id])
        if instance.state != S.TERMINATED:
            settle_terminated(instance)
    return None


def _keep_console(instance: Instance, driver: Driver) -> None:
    """Its last words; an instance whose serial log cannot be read ends all the same."""
    try:
        text = driver.console_output(instance.ec2_id, console_log_of(instance.ec2_id), KEPT_BYTES)
    except DriverError as error:
        logger.warning("console output of %s is lost: %s", instance, error)
    else:
        if text:
            store_consoles({instance.ec2_id: text})


def remove_domain(operation: Operation) -> Again | None:
    """Destroy a domain of ours that no row expects on this host, unless a row has come to expect it.

    A start that chooses this host from now on waits until this is over.
    """
    host = Host.objects.filter(pk=operation.params["host"]).first()
    name = operation.resource_id.split("/", 1)[1]
    expected = Instance.objects.filter(ec2_id=name, host=host).exists()
    if host is not None and not expected:
        with insisting():
            driver_of(host).destroy(name)
    with transaction.atomic(), operation.closing():
        pass
    return None


def keep_as_is(operation: Operation, why: str) -> None:
    """Nothing follows; the row of the operation says what went wrong, and the next report brings it up again."""
    logger.error("%s failed: %s", operation, why)


register(KIND, Verb.START, Performer(start, start_failed))
register(KIND, Verb.STOP, Performer(stop, keep_as_is, tries=None))
register(KIND, Verb.REBOOT, Performer(reboot, reboot_failed))
register(KIND, Verb.TERMINATE, Performer(terminate, keep_as_is, tries=None))
register(HOST, HostVerb.REMOVE_DOMAIN, Performer(remove_domain, keep_as_is))
