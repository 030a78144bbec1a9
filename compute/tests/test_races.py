"""Several at once on real threads and the real database: nobody is told of a mishap, nothing is done twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from compute.errors import IncorrectState
from compute.models import Instance
from compute.reconcile import settle_running
from compute.services import reboot_instances, stop_instances, terminate_instances
from operations.models import Operation
from portal import quotas
from portal.models import Resource

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Run each in a thread of its own; what they raised."""
    barrier, raised = threading.Barrier(len(calls)), []

    def run(call: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            call()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("service", [reboot_instances, stop_instances, terminate_instances])
def test_the_same_request_many_times_at_once_is_one(running, actor, service):
    views = [Instance.objects.get(pk=running.pk) for _ in range(5)]

    raised = at_once(*(lambda view=view: service([view], actor=actor) for view in views))

    assert raised == []
    assert Operation.objects.open().count() == 1


def test_a_reboot_beside_a_stop_is_refused_or_gives_way(running, actor):
    one, other = (Instance.objects.get(pk=running.pk) for _ in range(2))

    raised = at_once(lambda: reboot_instances([one], actor=actor), lambda: stop_instances([other], actor=actor))

    assert {type(error) for error in raised} <= {IncorrectState}
    assert Operation.objects.open().get().verb == "stop"


def test_a_termination_beside_the_end_of_a_start_waits_for_it(launch, actor):
    [instance] = launch()
    operation = Operation.objects.claim_next()
    assert operation is not None
    closing = threading.Event()

    def end_the_start() -> None:
        with operation.closing():
            closing.set()
            time.sleep(0.3)
            settle_running(Instance.objects.get(pk=instance.pk))

    def terminate() -> None:
        assert closing.wait(10)
        terminate_instances([Instance.objects.get(pk=instance.pk)], actor=actor)

    assert at_once(end_the_start, terminate) == []
    assert Instance.objects.get().state == "shutting-down"
    assert Operation.objects.open().get().verb == "terminate"


def test_a_launch_beside_a_termination_does_not_lock_the_ledger_against_it(tenant):
    both: dict[str, int] = {Resource.INSTANCES: 1, Resource.VOLUMES: 1}
    with transaction.atomic():
        quotas.reserve(tenant, both)
    releasing = threading.Event()

    def end_one() -> None:
        with transaction.atomic():
            quotas.release(tenant, {Resource.VOLUMES: 1})
            releasing.set()
            time.sleep(0.3)
            quotas.release(tenant, {Resource.INSTANCES: 1})

    def begin_one() -> None:
        assert releasing.wait(10)
        with transaction.atomic():
            quotas.reserve(tenant, both)

    assert at_once(end_one, begin_one) == []
    used = dict(tenant.quotas.filter(used__gt=0).values_list("resource", "used"))
    assert used == both
