"""What the queue calls.  A task says only "look": which work there is stands in the rows."""

from __future__ import annotations

import logging
import threading
import time

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import Count
from django_q.brokers import get_broker
from django_q.tasks import async_task

from operations.models import HOLD_S, Cancelled, Heartbeat, LostClaim, Operation, State
from operations.performers import Again, Refused, TryLater, performer_of

logger = logging.getLogger(__name__)

BUDGET_S = 15  # a task ends well before the queue's time-out, and rings again if more is due
WORKER = "worker"
COPIER = "copier"
SLOW_QUEUE = "copies"  # the cluster of workers that carry out slow operations


def ring(bells: int = 1, *, slow: bool = False) -> None:
    """Wake workers once this transaction commits.  Losing a ring loses nothing: the sweep rings again.

    Where the queue is in this database, too, the ring commits or is rolled back with what it rings for.
    """

    def go() -> None:
        for _ in range(min(bells, settings.QUEUE_WORKERS)):
            try:
                if slow:
                    async_task("operations.tasks.work_slowly", cluster=SLOW_QUEUE)
                else:
                    async_task("operations.tasks.work")
            except Exception:  # the broker may be down; what is owed stands in the rows
                logger.exception("could not ring; the sweep will")
                return

    if "orm" in settings.Q_CLUSTER and connection.in_atomic_block:
        go()  # one commit instead of two: a disk takes as long for each
    else:
        transaction.on_commit(go)


def work() -> None:
    """Carry out due operations until none is left or the time is up."""
    until = time.monotonic() + BUDGET_S
    while time.monotonic() < until:
        operation = Operation.objects.claim_next()
        if operation is None:
            return
        run(operation)
    ring()


def work_slowly() -> None:
    """Carry out one slow operation, which may take an hour, and ring for the next."""
    operation = Operation.objects.claim_next(slow=True)
    if operation is not None:
        run(operation)
        ring(slow=True)


def run(operation: Operation) -> None:
    """Carry out one claimed operation; whatever happens is written on its row."""
    try:
        _run(operation)
    except LostClaim:
        logger.info("let go of %s: it was closed or taken over", operation)
        if operation.let_go():
            ring()  # what took its place may begin


def _run(operation: Operation) -> None:
    """Raises LostClaim if the operation is not ours any more when its result is to be written."""
    performer = performer_of(operation)
    try:
        if performer.tries is not None and operation.attempts > performer.tries:
            raise Refused("the worker died each time it tried")
        if operation.cancel_asked_at is not None:
            raise Cancelled(str(operation))
        with _Hold(operation):
            again = performer.perform(operation)
        if isinstance(again, Again):
            operation.put_off(again.after_s, again.why, counts=False)
    except LostClaim:
        raise
    except TryLater as error:
        logger.warning("%s later: %s", operation, error)
        operation.put_off(error.after_s, str(error), counts=False)
    except Refused as error:
        _give_up(operation, str(error))
    except Cancelled:
        _give_up(operation, "cancelled", State.CANCELLED)
    except Exception as error:
        logger.exception("%s failed", operation)
        if performer.tries is not None and operation.attempts >= performer.tries:
            _give_up(operation, f"{type(error).__name__}: {error}")
        else:
            operation.put_off(2.0 ** min(operation.attempts, 5), f"{type(error).__name__}: {error}", counts=True)


def _give_up(operation: Operation, why: str, state: State = State.FAILED) -> None:
    logger.warning("%s failed: %s", operation, why)
    with operation.closing(state, why):
        performer_of(operation).give_up(operation, why)


class _Hold:
    """Keeps the claim while a long operation runs, so that a hold may be short and a dead worker soon replaced."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        try:
            while not self._over.wait(HOLD_S / 4):
                try:
                    self._operation.hold()
                except DatabaseError:  # busy or away; the hold lasts for some more tries
                    logger.exception("could not hold on to %s", self._operation)
                    connection.close()
        finally:
            connection.close()


def is_queue_waiting(*, slow: bool = False) -> bool:
    """Whether rings enough wait already: if nobody hears them, more would only pile up."""
    broker = get_broker(SLOW_QUEUE) if slow else get_broker()
    return bool(broker.queue_size() >= settings.QUEUE_WORKERS)


def ask_for_signs() -> None:
    """Let a worker of each queue give a sign of life, unless nobody hears."""
    if not is_queue_waiting():
        async_task("operations.tasks.beat")
    if not is_queue_waiting(slow=True):
        async_task("operations.tasks.beat", COPIER, cluster=SLOW_QUEUE)


def beat(name: str = WORKER) -> None:
    """A sign that a queue and a worker of it are alive; asked for by the watcher, read by /healthz."""
    Heartbeat.beat(name)


def sweep() -> int:
    """Ring for what is due and held by nobody; returns how much that is."""
    close_old_connections()
    due = dict(Operation.objects.claimable().order_by().values_list("is_slow").annotate(Count("pk")))
    for slow, count in due.items():
        if not is_queue_waiting(slow=slow):
            ring(count, slow=slow)
    return sum(due.values())
