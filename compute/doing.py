"""What a page asks of one or several instances, and what came of it in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compute import services
from compute.listing import Shown
from compute.states import InstanceState
from portal.audit import Actor
from portal.errors import CloudError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

S = InstanceState


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing that can be done.  ``already`` are the states in which it is done or under way."""

    service: Callable[..., None]
    label: StrOrPromise
    begun: StrOrPromise
    already: frozenset[InstanceState]
    sensible: frozenset[InstanceState]  # where a page offers it
    wrong_state: StrOrPromise


DOINGS: dict[str, Doing] = {
    "start": Doing(
        services.start_instances,
        gettext_lazy("Start"),
        gettext_lazy("Starting %(names)s."),
        frozenset({S.PENDING, S.RUNNING}),
        frozenset({S.STOPPED}),
        gettext_lazy("%(name)s is %(state)s; it can be started once it is stopped."),
    ),
    "stop": Doing(
        services.stop_instances,
        gettext_lazy("Stop"),
        gettext_lazy("Stopping %(names)s."),
        frozenset({S.STOPPING, S.STOPPED}),
        frozenset({S.RUNNING}),
        gettext_lazy("%(name)s is %(state)s; it can be stopped once it is running."),
    ),
    "reboot": Doing(
        services.reboot_instances,
        gettext_lazy("Reboot"),
        gettext_lazy("Rebooting %(names)s."),
        frozenset(),
        frozenset({S.RUNNING}),
        gettext_lazy("%(name)s is %(state)s; it can be rebooted once it is running."),
    ),
    "terminate": Doing(
        services.terminate_instances,
        gettext_lazy("Terminate"),
        gettext_lazy("Terminating %(names)s."),
        frozenset({S.SHUTTING_DOWN, S.TERMINATED}),
        frozenset({S.PENDING, S.RUNNING, S.STOPPING, S.STOPPED}),
        gettext_lazy("%(name)s is %(state)s; it can not be terminated now."),
    ),
}
PROTECTED = {
    "terminate": gettext_lazy(
        "%(name)s is protected against termination. Open its page, switch the protection off and try again."
    ),
    "stop": gettext_lazy(
        "%(name)s is protected against being stopped. Open its page, switch the protection off and try again."
    ),
}


@dataclass(slots=True)
class Outcome:
    """Lines for the messages area."""

    done: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def carry_out(verb: str, rows: Sequence[Shown], *, actor: Actor) -> Outcome:
    """Ask for all at once; if that is refused, for each by itself, so that one does not hold up the others."""
    doing, outcome = DOINGS[verb], Outcome()
    already = [row for row in rows if row.instance.state in doing.already]
    wanted = [row for row in rows if row not in already]
    outcome.passed_over = [
        _("%(name)s is %(state)s already.") % {"name": row.called, "state": row.instance.get_state_display()}
        for row in already
    ]
    for group in [wanted, *([[row] for row in wanted] if len(wanted) > 1 else [])]:
        if not group:
            continue
        try:
            doing.service([row.instance for row in group], actor=actor)
        except CloudError as error:
            if len(group) == 1:
                outcome.refused.append(refusal(verb, group[0], error))
            continue
        outcome.done += [row.called for row in group]
        if group is wanted:
            break
    return outcome


def refusal(verb: str, row: Shown, error: CloudError) -> str:
    """Why not, and what to do, in the reader's language where there are words for it."""
    values = {"name": row.called, "state": row.instance.get_state_display()}
    if error.code == "IncorrectInstanceState":
        return str(DOINGS[verb].wrong_state) % values
    if error.code == "OperationNotPermitted" and verb in PROTECTED:
        return str(PROTECTED[verb]) % values
    return str(format_lazy("{}: {}", row.called, error.message))


def offered(row: Shown) -> list[tuple[str, Doing]]:
    """What makes sense now, for the buttons of one instance."""
    return [(verb, doing) for verb, doing in DOINGS.items() if row.instance.state in doing.sensible]
