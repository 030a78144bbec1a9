"""What is known of actions and things besides the model; filled by the modules of the areas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ec2api.tests.cloud import Account

Things = dict[str, str]  # by kind: "vol", or "key:name" for what is referred to by another word than its id
Make = Callable[[Account, Things], "str | tuple[str, ...]"]
Options = dict[str, Any]

THINGS: dict[tuple[str, ...], Make] = {}
NEEDS: dict[str, list[tuple[str, Options]]] = {}
EXEMPT: dict[tuple[str, str], str] = {}


def thing(*kinds: str) -> Callable[[Make], Make]:
    """Register how a tenant gets a thing of these kinds, from its account and the things it has already.

    Makers run in the order of their modules' names and may ask for others by ``made["vol"]``.
    """

    def register(make: Make) -> Make:
        THINGS[kinds] = make
        return make

    return register


class Made(Things):
    """A tenant's things, each made when it is first asked for."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account

    def __missing__(self, kind: str) -> str:
        kinds = next(kinds for kinds in THINGS if kind in kinds)
        found = THINGS[kinds](self._account, self)
        self.update(zip(kinds, (found,) if isinstance(found, str) else found, strict=True))
        return self[kind]


def made_by(account: Account) -> Things:
    """One thing of every kind."""
    made = Made(account)
    for kinds in THINGS:
        made[kinds[0]]
    return dict(made)


def known_kinds() -> set[str]:
    return {kind for kinds in THINGS for kind in kinds}


def needs(action: str, *, at: str = "", **options: Any) -> None:
    """Say what the action takes besides what the model requires; ``at``, when this parameter (or one in it) is sent."""
    NEEDS.setdefault(action, []).append((at, options))


def exempt(action: str, at: str, reason: str) -> None:
    """Say why ids in this parameter, or in what is in it, may be answered otherwise than NotFound."""
    EXEMPT[action, at] = reason


def reason_of(action: str, path: str) -> str:
    return next((why for (each, at), why in EXEMPT.items() if each == action and _is_in(path, at)), "")


def needed(action: str, path: str) -> list[Options]:
    return [options for at, options in NEEDS.get(action, ()) if not at or _is_in(path, at)]


def _is_in(path: str, at: str) -> bool:
    return path == at or path.startswith(f"{at}.")
