"""Claims: one worker at a time, and none for ever."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from operations.models import LostClaim, Operation, State
from operations.performers import Again, Performer, Refused, TryLater, register
from operations.tasks import BUDGET_S, run, work

pytestmark = pytest.mark.django_db


def owe(*ids: str, verb: str = "try") -> list[Operation]:
    return Operation.objects.owe(verb, "thing", ids, actor_name="ann")


@pytest.fixture
def performed() -> list[str]:
    done: list[str] = []

    def perform(operation: Operation) -> None:
        done.append(operation.resource_id)
        with operation.closing():
            pass

    register("thing", "try", Performer(perform, lambda operation, why: done.append(f"gave up: {why}")))
    return done


def test_a_claimed_operation_is_nobody_elses():
    [operation] = owe("a")

    first, second = Operation.objects.claim(operation.pk), Operation.objects.claim(operation.pk)

    assert first is not None
    assert first.attempts == 1
    assert second is None


def test_a_dead_workers_claim_lapses():
    [operation] = owe("a")
    Operation.objects.claim(operation.pk)
    Operation.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    again = Operation.objects.claim(operation.pk)

    assert again is not None
    assert again.attempts == 2


def test_a_result_of_a_lapsed_claim_does_not_count():
    [operation] = owe("a")
    slow = Operation.objects.claim(operation.pk)
    Operation.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    Operation.objects.claim(operation.pk)

    with pytest.raises(LostClaim), slow.closing():
        pytest.fail("the slow worker must not write its result")

    assert Operation.objects.get().state == State.OPEN


def test_what_takes_the_place_of_a_held_operation_waits_for_its_worker():
    [first] = owe("a")
    busy = Operation.objects.claim(first.pk)
    Operation.objects.supersede("thing", ["a"])
    [second] = owe("a")

    assert Operation.objects.claim(second.pk) is None
    with pytest.raises(LostClaim), busy.closing():
        pass
    busy.let_go()

    assert Operation.objects.claim(second.pk) is not None


def test_a_resource_has_one_open_operation():
    owe("a")

    with pytest.raises(IntegrityError), transaction.atomic():
        owe("a")


def test_work_does_all_that_is_due(performed):
    owe("a", "b", "c")

    work()

    assert sorted(performed) == ["a", "b", "c"]
    assert set(Operation.objects.values_list("state", flat=True)) == {State.DONE}


def test_waiting_is_not_an_attempt(performed):
    register("thing", "wait", Performer(lambda operation: Again(60, "not yet"), lambda *_: None))
    owe("a", verb="wait")

    work()

    operation = Operation.objects.get()
    assert (operation.attempts, operation.state) == (0, State.OPEN)
    assert operation.due_at > timezone.now()
    assert "not yet" in operation.log
    assert Operation.objects.wake("thing", ["a"]) == 1
    assert Operation.objects.claimable().count() == 1


@pytest.mark.parametrize(
    ("error", "state", "attempts"), [(TryLater("no answer"), State.OPEN, 0), (ValueError("bug"), State.OPEN, 1)]
)
def test_an_error_is_tried_again_later(error, state, attempts):
    def perform(operation: Operation) -> None:
        raise error

    register("thing", "break", Performer(perform, lambda *_: None))
    owe("a", verb="break")

    work()

    operation = Operation.objects.get()
    assert (operation.state, operation.attempts) == (state, attempts)
    assert str(error) in operation.log


def test_a_refusal_ends_it_and_says_why():
    told: list[str] = []

    def perform(operation: Operation) -> None:
        raise Refused("it is forbidden")

    register("thing", "refuse", Performer(perform, lambda operation, why: told.append(why)))
    owe("a", verb="refuse")

    work()

    assert Operation.objects.get().state == State.FAILED
    assert told == ["it is forbidden"]


def test_after_five_deaths_it_is_given_up(performed):
    owe("a")
    Operation.objects.update(attempts=5)

    operation = Operation.objects.claim_next()
    assert operation is not None
    run(operation)

    assert Operation.objects.get().state == State.FAILED
    assert performed == ["gave up: the worker died each time it tried"]


def test_a_task_ends_before_the_queue_kills_it(settings):
    assert BUDGET_S < settings.Q_CLUSTER["timeout"] < settings.Q_CLUSTER["retry"]


@pytest.mark.parametrize("outcome", [Again(60, "not yet"), TryLater("no answer"), ValueError("bug")])
def test_what_takes_the_place_of_an_operation_that_has_to_wait_begins_at_once(outcome):
    def perform(operation: Operation) -> Again:
        Operation.objects.supersede("thing", ["a"])
        owe("a", verb="next")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    register("thing", "waits", Performer(perform, lambda *_: None))
    owe("a", verb="waits")

    operation = Operation.objects.claim_next()
    assert operation is not None
    run(operation)

    assert [o.verb for o in Operation.objects.claimable()] == ["next"]


def test_a_clock_that_was_set_back_keeps_nothing_waiting():
    [held, waiting] = owe("a", "b")
    Operation.objects.claim(held.pk)
    Operation.objects.filter(pk=held.pk).update(held_until=timezone.now() + timedelta(hours=1))
    Operation.objects.filter(pk=waiting.pk).update(due_at=timezone.now() + timedelta(hours=1))

    assert set(Operation.objects.claimable()) == {held, waiting}


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_do_each_thing_once(performed):
    owe(*(f"thing-{n}" for n in range(40)))

    def one_worker() -> None:
        try:
            work()
        finally:
            connection.close()

    workers = [threading.Thread(target=one_worker) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(performed) == 40
    assert len(set(performed)) == 40
