"""Who carries out which verb on which kind of row: apps register here, operations know nothing of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from operations.models import Operation


@dataclass(frozen=True, slots=True)
class Again:
    """Not finished: look again later.  Waiting is not an attempt."""

    after_s: float
    why: str = ""


class TryLater(Exception):
    """What is needed does not answer; nothing was done that cannot be done again."""

    def __init__(self, message: str, after_s: float = 2.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Refused(Exception):
    """It cannot be done, now or later; the message says why."""


Perform = Callable[[Operation], Again | None]
GiveUp = Callable[[Operation, str], None]


@dataclass(frozen=True, slots=True)
class Performer:
    """``perform`` does the work and closes the operation, or asks to be called again; it must be safe to repeat.

    ``give_up`` writes what a failure means, inside the transaction that closes the operation.
    """

    perform: Perform
    give_up: GiveUp
    tries: int | None = 5  # None: never give up


_performers: dict[tuple[str, str], Performer] = {}


def register(resource_type: str, verb: str, performer: Performer) -> None:
    _performers[resource_type, verb] = performer


def performer_of(operation: Operation) -> Performer:
    return _performers[operation.resource_type, operation.verb]
