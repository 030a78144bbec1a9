"""What can be owed to a volume."""

from __future__ import annotations

from enum import StrEnum

VOLUME = "volume"
CHANGE = "volume-change"  # beside what else is owed to the volume: a change of its size, type or speed
CHAIN = "volume-chain"  # beside these, too: what makes the chain of its layers shorter


class VolumeVerb(StrEnum):
    CREATE = "create"
    DELETE = "delete"
    ATTACH = "attach"
    DETACH = "detach"
    MODIFY = "modify"
    COMPACT = "compact"
