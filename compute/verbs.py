"""What can be owed to an instance."""

from __future__ import annotations

from enum import StrEnum


class Verb(StrEnum):
    START = "start"  # also the first time: a launch
    STOP = "stop"
    REBOOT = "reboot"
    TERMINATE = "terminate"
    RESTART = "restart"  # off and on again, for a snapshot of what a guest has written to its end


class HostVerb(StrEnum):
    REMOVE_DOMAIN = "remove-domain"  # one of ours that no row wants
