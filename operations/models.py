"""What is owed to any row: claimed by a conditional update, with progress, cancel and a log."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

HOLD_S = 20  # a claim lapses this long after its worker's last sign of life
# No hold and no pause reaches further ahead.  One that does was written before the clock was set back: it is over.
AHEAD = timedelta(minutes=10)
KEEP_CLOSED = timedelta(days=90)


class LostClaim(Exception):
    """The operation was closed or taken over while this worker was busy: its result no longer counts."""


class Cancelled(Exception):
    """Somebody asked to give the operation up."""


class State(models.TextChoices):
    OPEN = "open", _("open")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    SUPERSEDED = "superseded", _("superseded")
    CANCELLED = "cancelled", _("cancelled")


class OperationQuerySet(models.QuerySet["Operation"]):
    def open(self) -> OperationQuerySet:
        return self.filter(state=State.OPEN)

    def closed(self) -> OperationQuerySet:
        return self.exclude(state=State.OPEN)

    def on(self, resource_type: str, resource_ids: Iterable[str]) -> OperationQuerySet:
        return self.filter(resource_type=resource_type, resource_id__in=list(resource_ids))

    def claimable(self) -> OperationQuerySet:
        """Open, due, held by nobody who is alive, in a lane where no other worker is still busy."""
        now = timezone.now()
        busy = Operation.objects.filter(lane=OuterRef("lane"), held_until__range=(now, now + AHEAD))
        # PostgreSQL looks at this row again once a concurrent claim of it has committed, but not at the subquery.
        free = Q(held_until=None) | Q(held_until__lt=now) | Q(held_until__gt=now + AHEAD)
        due = Q(due_at__lte=now) | Q(due_at__gt=now + AHEAD)
        return self.open().filter(free, ~Exists(busy), due)

    def owe(
        self,
        verb: str,
        resource_type: str,
        resource_ids: Iterable[str],
        *,
        actor_name: str,
        params: Mapping[str, Any] | None = None,
        lane: str = "",
        slow: bool = False,
    ) -> list[Operation]:
        """Open one operation for each resource, in the caller's transaction.

        Those in one lane never run at once: the lane is the resource's own unless another's is given, such as that of
        the instance whose disk is to be changed.  ``slow`` ones copy much, and are carried out by workers of their own.
        Raises IntegrityError if one of the resources has an open operation: supersede it first, or refuse.
        """
        return self.bulk_create(
            owed(verb, resource_type, resource_ids, actor_name=actor_name, params=params, lane=lane, slow=slow)
        )

    def supersede(self, resource_type: str, resource_ids: Iterable[str]) -> int:
        """Close what is open on these.  A worker that holds one finds out at its end; until then it keeps its hold,
        so that what comes next does not run beside it.
        """
        rows = self.open().on(resource_type, resource_ids)
        return rows.update(state=State.SUPERSEDED, closed_at=timezone.now())

    def cancel(self, resource_type: str, resource_ids: Iterable[str]) -> int:
        """Ask for the open operations on these to be given up; whoever performs them notices, at the latest when it
        tells how far it is.
        """
        now = timezone.now()
        rows = self.open().on(resource_type, resource_ids)
        return rows.update(cancel_asked_at=now, due_at=now)

    def wake(self, resource_type: str, resource_ids: Iterable[str]) -> int:
        """Make waiting operations due now, because what they wait for may have happened."""
        now = timezone.now()
        return self.open().on(resource_type, resource_ids).filter(due_at__gt=now).update(due_at=now)

    def claim(self, pk: int) -> Operation | None:
        """Take one operation for HOLD_S seconds; None if it is closed, not due or somebody's, or its lane is."""
        mark = secrets.token_hex(8)
        held_until = timezone.now() + timedelta(seconds=HOLD_S)
        taken = self.claimable().filter(pk=pk).update(claim=mark, held_until=held_until, attempts=F("attempts") + 1)
        if not taken:
            return None
        operation = self.get(pk=pk)
        return None if operation._meets_another() else operation

    def claim_next(self, *, slow: bool = False, candidates: int = 8) -> Operation | None:
        """Take the operation that has been due longest, of those nobody holds."""
        due = self.filter(is_slow=slow).claimable().order_by("due_at", "pk").values_list("pk", flat=True)
        while pks := list(due.all()[:candidates]):
            for pk in pks:
                if (operation := self.claim(pk)) is not None:
                    return operation
            due = self.filter(is_slow=slow).claimable().order_by("due_at", "pk").values_list("pk", flat=True)
        return None


def owed(
    verb: str,
    resource_type: str,
    resource_ids: Iterable[str],
    *,
    actor_name: str,
    params: Mapping[str, Any] | None = None,
    lane: str = "",
    slow: bool = False,
) -> Iterator[Operation]:
    """The rows of ``owe``, for who inserts them together with others."""
    for resource_id in resource_ids:
        yield Operation(
            verb=verb,
            resource_type=resource_type,
            resource_id=resource_id,
            actor_name=actor_name,
            params=dict(params or {}),
            lane=lane or lane_of(resource_type, resource_id),
            is_slow=slow,
        )


def lane_of(resource_type: str, resource_id: str) -> str:
    return f"{resource_type}/{resource_id}"


class Operation(models.Model):
    """One thing owed to one row."""

    verb = models.CharField(_("verb"), max_length=30)
    resource_type = models.CharField(_("kind"), max_length=30)
    resource_id = models.CharField(_("resource"), max_length=80)
    lane = models.CharField(max_length=120, default="")  # in which no two run at once
    is_slow = models.BooleanField(default=False)
    params = models.JSONField(default=dict, blank=True)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.OPEN)
    actor_name = models.CharField(_("asked by"), max_length=200)
    created_at = models.DateTimeField(_("asked at"), default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    claim = models.CharField(max_length=16, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    log = models.TextField(blank=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        constraints = [
            models.UniqueConstraint(
                fields=["resource_type", "resource_id"],
                condition=Q(state="open"),
                name="one_open_operation_per_resource",
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="open"), name="open_operations"),
            models.Index(fields=["resource_id", "-created_at"], name="operations_of_a_resource"),
            models.Index(fields=["lane"], condition=Q(held_until__isnull=False), name="busy_lanes"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.resource_id}"

    @property
    def age_s(self) -> float:
        return (timezone.now() - self.created_at).total_seconds()

    def _mine(self) -> OperationQuerySet:
        return Operation.objects.open().filter(pk=self.pk, claim=self.claim)

    def _meets_another(self) -> bool:
        """Whether another worker has taken something in the same lane at the same moment; then this one lets go.

        Where rows are locked one by one, two claims may each not see the other; one that looks after its own is
        committed does.  Both may let go: the pause is of random length.
        """
        if not connection.features.has_select_for_update:
            return False
        now = timezone.now()
        others = Operation.objects.filter(lane=self.lane, held_until__range=(now, now + AHEAD)).exclude(pk=self.pk)
        if not others.exists():
            return False
        due_at = now + timedelta(seconds=random.uniform(0.05, 0.5))
        self._mine().update(claim="", held_until=None, due_at=due_at, attempts=F("attempts") - 1)
        return True

    def advance(self, done: int, total: int) -> None:
        """Say how far it is.  Raises Cancelled if that was asked, LostClaim if it is not ours any more."""
        self.progress_done, self.progress_total = done, total
        if not self._mine().update(progress_done=done, progress_total=total):
            raise LostClaim(str(self))
        self.check_cancelled()

    def check_cancelled(self) -> None:
        """Raises Cancelled if somebody asked for it."""
        if Operation.objects.filter(pk=self.pk, cancel_asked_at__isnull=False).exists():
            raise Cancelled(str(self))

    @property
    def percent(self) -> int:
        return min(100, self.progress_done * 100 // self.progress_total) if self.progress_total else 0

    def hold(self) -> None:
        """Hold on for another HOLD_S seconds; also what was superseded, while this worker is busy with it."""
        held_until = timezone.now() + timedelta(seconds=HOLD_S)
        Operation.objects.filter(pk=self.pk, claim=self.claim, held_until__isnull=False).update(held_until=held_until)

    def let_go(self) -> bool:
        """Give up the hold on an operation that was closed by somebody else; whether there was one."""
        held = Operation.objects.filter(pk=self.pk, claim=self.claim, held_until__isnull=False)
        return bool(held.update(held_until=None))

    @contextmanager
    def closing(self, state: State = State.DONE, error: str = "") -> Iterator[None]:
        """Close the operation and write its result in one transaction.

        Raises LostClaim, and nothing is written, if it is not ours any more.
        """
        with transaction.atomic():
            line = f"{state.label}: {error}" if error else str(state.label)
            closed = self._mine().update(
                state=state, error=error, closed_at=timezone.now(), log=self.log + self._line(line), held_until=None
            )
            if not closed:
                raise LostClaim(str(self))
            yield
        self.state, self.error = state, error

    def put_off(self, seconds: float, why: str, *, counts: bool) -> None:
        """Let go of the claim until later, at most AHEAD.  ``counts``: as one of the attempts, which are only so many.

        Raises LostClaim if it is not ours any more.
        """
        self.note(why)
        attempts = self.attempts if counts else self.attempts - 1
        due_at = timezone.now() + min(timedelta(seconds=seconds), AHEAD)
        changes = {"claim": "", "held_until": None, "due_at": due_at, "attempts": attempts, "log": self.log}
        if not self._mine().update(**changes):
            raise LostClaim(str(self))

    def note(self, line: str) -> None:
        """Add a line to the log, to be written with the next change; one that says the same again is left out."""
        if line and not self.log.rstrip("\n").endswith(line):
            self.log += self._line(line)

    @staticmethod
    def _line(text: str) -> str:
        return f"{timezone.now():%Y-%m-%d %H:%M:%S} {text}\n"


class Heartbeat(models.Model):
    """The last sign of life of a process that has no other."""

    name = models.CharField(max_length=80, primary_key=True)
    at = models.DateTimeField()
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"

    @classmethod
    def beat(cls, name: str, **detail: object) -> None:
        cls.objects.update_or_create(name=name, defaults={"at": timezone.now(), "detail": detail})
