"""Choosing a host: filter, rank, explain.  Pure; the claim is the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scheduling.filters import FILTERS, Hosts, Request, words
from scheduling.ranks import POLICIES, nearness

NAMED = 20  # refused hosts listed by name for each reason


@dataclass(frozen=True, slots=True)
class Decision:
    """Hosts that fit, best first, and why the others do not."""

    policy: str
    order: tuple[str, ...]
    scores: tuple[float, ...]
    refusals: Mapping[str, list[str]]  # filter -> hosts that it was the first to refuse
    considered: int
    summary: str
    group: str = ""  # the placement group that had a say


def decide(hosts: Hosts, request: Request, policy: str = "packing") -> Decision:
    """Rank the hosts for one request; equal scores fall back to the name, so a replay gives the same answer."""
    fits = np.full(len(hosts), True)
    refusals: dict[str, list[str]] = {}
    for name, accepts in FILTERS.items():
        accepted = accepts(hosts, request)
        refused = fits & ~accepted
        if refused.any():
            refusals[name] = [hosts.names[i] for i in np.flatnonzero(refused)]
        fits &= accepted
    score = POLICIES[policy](hosts, request)
    keys = (np.array(hosts.names), -score, -nearness(hosts, request))
    chosen = [i for i in np.lexsort(keys) if fits[i]] if len(hosts) else []
    return Decision(
        policy=policy,
        order=tuple(hosts.names[i] for i in chosen),
        scores=tuple(float(score[i]) for i in chosen),
        refusals=refusals,
        considered=len(hosts),
        summary=summarise(hosts, request, refusals),
        group=request.group.name if request.group else "",
    )


def summarise(hosts: Hosts, request: Request, refusals: Mapping[str, list[str]]) -> str:
    """In words: "3 hosts: 1 takes it, 2 lack memory; the nearest lacks 512 MiB"."""
    if not len(hosts):
        return "there is no host yet"
    fit = len(hosts) - sum(map(len, refusals.values()))
    parts = [f"{fit} could take it"] if fit else []
    group = request.group.name if request.group else ""
    parts += [f"{len(names)} {words(reason, group)}" for reason, names in refusals.items()]
    summary = f"{len(hosts)} host{'s' if len(hosts) > 1 else ''}: " + ", ".join(parts)
    if not fit and "memory" in refusals:
        free = hosts.memory_mib - hosts.memory_allocated_mib
        index = {name: i for i, name in enumerate(hosts.names)}
        lacks = request.memory_mib - max(free[index[name]] for name in refusals["memory"])
        summary += f"; the nearest lacks {lacks:.0f} MiB"
    return summary
