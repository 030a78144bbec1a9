"""What the queue calls.  A task says only "look": which work there is stands in the rows."""

from __future__ import annotations

import logging
import threading
import time

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django_q.brokers import get_broker
from django_q.tasks import async_task

from operations.models import HOLD_S, Heartbeat, LostClaim, Operation, State
from operations.performers import Again, Refused, TryLater, performer_of

logger = logging.getLogger(__name__)

BUDGET_S = 15  # a task ends well before the queue's time-out, and rings again if more is due
WORKER = "worker"


def ring(bells: int = 1) -> None:
    """Wake workers once this transaction commits.  Losing a ring loses nothing: the sweep rings again.

    Where the queue is in this database, too, the ring commits or is rolled back with what it rings for.
    """

    def go() -> None:
        for _ in range(min(bells, settings.QUEUE_WORKERS)):
            try:
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
    except Exception as error:
        logger.exception("%s failed", operation)
        if performer.tries is not None and operation.attempts >= performer.tries:
            _give_up(operation, f"{type(error).__name__}: {error}")
        else:
            operation.put_off(2.0 ** min(operation.attempts, 5), f"{type(error).__name__}: {error}", counts=True)


def _give_up(operation: Operation, why: str) -> None:
    logger.warning("%s failed: %s", operation, why)
    with operation.closing(State.FAILED, why):
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


def is_queue_waiting() -> bool:
    """Whether rings enough wait already: if nobody hears them, more would only pile up."""
    return bool(get_broker().queue_size() >= settings.QUEUE_WORKERS)


def beat() -> None:
    """A sign that the queue and a worker are alive; asked for by the watcher, read by /healthz."""
    Heartbeat.beat(WORKER)


def sweep() -> int:
    """Ring for what is due and held by nobody; returns how much that is."""
    close_old_connections()
    due = Operation.objects.claimable().count()
    if due and not is_queue_waiting():
        ring(due)
    return due
