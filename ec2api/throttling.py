"""How much a tenant, and one access key of it, may ask for: token buckets as EC2 has them.

A request takes a token; a bucket holds ``burst`` of them and gets ``per_s`` anew each second.  What only looks and
what changes something have buckets of their own, and so have the instances that are launched.  The buckets are in
the memory of each web server process: several of them let through as many times as much, and a new one begins with
full buckets, which is good enough to keep one script from starving the others and costs no query.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

from django.conf import settings

from ec2api.protocol.errors import ApiError
from portal.models import AccessKey, Tenant

READS = ("Describe", "Get", "List", "Search")
MAX_BUCKETS = 10_000  # some 2 MB; those that are full are forgotten first


class Limit(NamedTuple):
    """``per_s`` 0 is no limit."""

    per_s: float
    burst: float


Wish = tuple[str, Limit]  # of a bucket of this name


class Buckets:
    """Token buckets by name.  Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MAX_BUCKETS) -> None:
        self.clock = clock
        self._most = most
        self._lock = Lock()
        self._kept: dict[str, tuple[float, float, Limit]] = {}  # tokens, when, limit

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, wishes: list[Wish], tokens: float = 1.0) -> bool:
        """Take the tokens from all of these buckets, or from none and return False.

        More tokens than a bucket can hold are had for all that it holds.
        """
        now = self.clock()
        with self._lock:
            held = []
            for name, limit in wishes:
                has = self._held(name, limit, now)
                if has < min(tokens, limit.burst):
                    return False
                held.append(has)
            for (name, limit), has in zip(wishes, held, strict=True):
                self._kept[name] = (max(0.0, has - tokens), now, limit)
            if len(self._kept) > self._most:
                self._forget(now)
        return True

    def _held(self, name: str, limit: Limit, now: float) -> float:
        kept = self._kept.get(name)
        return limit.burst if kept is None else min(limit.burst, kept[0] + (now - kept[1]) * limit.per_s)

    def _forget(self, now: float) -> None:
        """Buckets that are full are as good as new ones; beyond those, the ones that were made first."""
        rest = {n: kept for n, kept in self._kept.items() if self._held(n, kept[2], now) < kept[2].burst}
        spare = len(rest) - self._most // 2
        self._kept = dict(list(rest.items())[spare:]) if spare > 0 else rest


buckets = Buckets()


@lru_cache(8)
def _limits(per_s: float, burst: float, percent: float) -> tuple[Limit, Limit]:
    """The tenant's, and what one access key may take of it; one request at a time is always possible."""
    return Limit(per_s, burst), Limit(per_s * percent / 100, max(1.0, burst * percent / 100))


def admit(key: AccessKey, action: str) -> None:
    """Let a request of this key in, or raise RequestLimitExceeded, which SDKs answer by waiting longer each time."""
    if action.startswith(READS):
        kind, per_s, burst = "r", settings.API_READS_PER_S, settings.API_READS_BURST
    else:
        kind, per_s, burst = "w", settings.API_WRITES_PER_S, settings.API_WRITES_BURST
    if per_s <= 0:
        return
    ours, own = _limits(per_s, burst, settings.API_KEY_PERCENT)
    if not buckets.take([(kind + key.tenant.account_id, ours), (kind + key.access_key_id, own)]):
        raise exceeded()


def admit_instances(tenant: Tenant, count: int) -> None:
    """Let so many instances be launched, or raise RequestLimitExceeded."""
    limit = Limit(settings.API_INSTANCES_PER_S, settings.API_INSTANCES_BURST)
    if limit.per_s > 0 and not buckets.take([("i" + tenant.account_id, limit)], max(1, count)):
        raise exceeded()


def exceeded() -> ApiError:
    return ApiError("RequestLimitExceeded", "Request limit exceeded.")
