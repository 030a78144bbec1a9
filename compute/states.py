"""The life cycle of an instance: states, EC2's codes, transitions.  Nothing else knows them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class InstanceState(models.TextChoices):
    PENDING = "pending", _("pending")
    RUNNING = "running", _("running")
    STOPPING = "stopping", _("stopping")
    STOPPED = "stopped", _("stopped")
    SHUTTING_DOWN = "shutting-down", _("shutting down")
    TERMINATED = "terminated", _("terminated")


S = InstanceState

CODES = {S.PENDING: 0, S.RUNNING: 16, S.SHUTTING_DOWN: 32, S.TERMINATED: 48, S.STOPPING: 64, S.STOPPED: 80}

TRANSITIONS: dict[InstanceState, set[InstanceState]] = {
    S.PENDING: {
        S.RUNNING,
        S.STOPPED,
        S.SHUTTING_DOWN,
        S.TERMINATED,
    },  # STOPPED: a start failed; TERMINATED: a launch did
    S.RUNNING: {S.STOPPING, S.SHUTTING_DOWN},
    S.STOPPING: {S.STOPPED, S.SHUTTING_DOWN},
    S.STOPPED: {S.PENDING, S.SHUTTING_DOWN},
    S.SHUTTING_DOWN: {S.TERMINATED},
    S.TERMINATED: set(),
}

STEADY = {S.RUNNING, S.STOPPED, S.TERMINATED}
WANTS_DOMAIN = {S.PENDING, S.RUNNING, S.STOPPING}  # in the others a running domain is one too many


def sources_of(target: InstanceState) -> list[InstanceState]:
    """The states from which ``target`` can be entered."""
    return [source for source, targets in TRANSITIONS.items() if target in targets]
