"""Lanes, slow operations, and giving up."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection

from operations.models import Cancelled, LostClaim, Operation, State, lane_of
from operations.performers import Again, Performer, register
from operations.tasks import work, work_slowly

LANE = lane_of("instance", "i-1")


def owe(resource_id: str, *, verb: str = "lane-try", **more) -> Operation:
    [operation] = Operation.objects.owe(verb, "thing", [resource_id], actor_name="ann", **more)
    return operation


@pytest.fixture
def performed() -> list[str]:
    done: list[str] = []

    def perform(operation: Operation) -> None:
        done.append(operation.resource_id)
        with operation.closing():
            pass

    register("thing", "lane-try", Performer(perform, lambda operation, why: done.append(f"gave up: {why}")))
    return done


@pytest.mark.django_db
def test_two_in_one_lane_do_not_run_at_once():
    first, second, elsewhere = owe("a", lane=LANE), owe("b", lane=LANE), owe("c")
    busy = Operation.objects.claim(first.pk)

    assert Operation.objects.claim(second.pk) is None
    assert Operation.objects.claim(elsewhere.pk) is not None
    with busy.closing():
        pass
    assert Operation.objects.claim(second.pk) is not None


@pytest.mark.django_db
def test_without_a_lane_a_resource_is_its_own():
    assert owe("a").lane == lane_of("thing", "a")


@pytest.mark.django_db(transaction=True)
def test_many_workers_keep_to_the_lanes():
    busy: set[str] = set()
    clashes: list[str] = []

    def perform(operation: Operation) -> None:
        if operation.lane in busy:
            clashes.append(operation.lane)
        busy.add(operation.lane)
        time.sleep(0.01)
        busy.discard(operation.lane)
        with operation.closing():
            pass

    register("thing", "lane-race", Performer(perform, lambda *_: None))
    for number in range(24):
        owe(f"x{number}", verb="lane-race", lane=f"lane {number % 3}")

    def worker() -> None:
        try:
            while Operation.objects.open().exists():
                work()
                time.sleep(0.01)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert clashes == []
    assert set(Operation.objects.values_list("state", "attempts")) == {(State.DONE, 1)}


@pytest.mark.django_db
def test_slow_operations_have_workers_of_their_own(performed):
    owe("slow", slow=True)
    owe("quick")

    work()
    assert performed == ["quick"]

    work_slowly()
    assert performed == ["quick", "slow"]


@pytest.mark.django_db
def test_what_is_cancelled_before_it_begins_is_given_up(performed):
    owe("a")

    Operation.objects.cancel("thing", ["a"])
    work()

    assert performed == ["gave up: cancelled"]
    assert Operation.objects.get().state == State.CANCELLED


@pytest.mark.django_db
def test_a_copy_that_is_cancelled_ends_when_it_says_how_far_it_is():
    far: list[int] = []
    gave_up: list[str] = []

    def perform(operation: Operation) -> None:
        for done in range(10):
            if done == 3:
                Operation.objects.cancel("thing", ["a"])
            far.append(done)
            operation.advance(done, 10)

    register("thing", "copy", Performer(perform, lambda operation, why: gave_up.append(why)))
    owe("a", verb="copy", slow=True)

    work_slowly()

    operation = Operation.objects.get()
    assert far == [0, 1, 2, 3]
    assert gave_up == ["cancelled"]
    assert (operation.state, operation.percent) == (State.CANCELLED, 30)


@pytest.mark.django_db
def test_who_has_lost_the_claim_notices_when_it_says_how_far_it_is():
    operation = Operation.objects.claim(owe("a").pk)
    Operation.objects.supersede("thing", ["a"])

    with pytest.raises(LostClaim):
        operation.advance(1, 2)


@pytest.mark.django_db
def test_waiting_operations_are_cancelled_at_once():
    register("thing", "wait-long", Performer(lambda operation: Again(600, "not yet"), lambda *_: None))
    owe("a", verb="wait-long")
    work()
    assert Operation.objects.get().state == State.OPEN

    Operation.objects.cancel("thing", ["a"])
    work()

    assert Operation.objects.get().state == State.CANCELLED


@pytest.mark.django_db
def test_a_claimed_operation_says_that_it_was_cancelled():
    operation = Operation.objects.claim(owe("a").pk)
    Operation.objects.cancel("thing", ["a"])

    with pytest.raises(Cancelled):
        operation.check_cancelled()
