"""How long it takes to launch by hundreds and to list thousands, on SQLite and on PostgreSQL, beside moto; prints JSON.

Instances are launched a hundred a call until there are 10,000.  Once there are 1,000 they are listed in one reply, at
the end all of them by pages of 1,000.  moto needs a minute for those, so that it is asked once.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from re import search

from benchmarks.bench_api import Client
from benchmarks.servers import all_three

HOSTS = 2000
PAGE, ALL, A_CALL = 1000, 10_000, 100
ROUNDS = 5


@dataclass
class Listing:
    """What was seen of one server."""

    client: Client
    launches_s: list[float] = field(default_factory=list)
    one_reply: list[tuple[float, int]] = field(default_factory=list)  # seconds and bytes
    by_pages: list[tuple[float, int]] = field(default_factory=list)
    there: int = 1  # a client launches one to have one

    def launch_until(self, count: int) -> None:
        self.client.reconnect()
        while self.there < count:
            wanted = min(A_CALL, count - self.there)
            took, _reply = self.client.send(self.client.sign(self.client.launch(wanted)))
            self.there += wanted
            if wanted == A_CALL:
                self.launches_s.append(took / 1000)

    def list(self) -> tuple[float, int]:
        """Seconds and bytes of all, by as many pages as there are."""
        self.client.reconnect()
        pages = list(self.pages())
        assert sum(found for _took, _size, found in pages) == self.there
        return sum(took for took, _size, _found in pages), sum(size for _took, size, _found in pages)

    def pages(self) -> Iterator[tuple[float, int, int]]:
        fields = {"Action": "DescribeInstances", "MaxResults": str(PAGE)}
        while True:
            took, reply = self.client.send(self.client.sign(fields))
            yield took / 1000, len(reply), reply.count(b"<amiLaunchIndex>")
            token = search(rb"<nextToken>(.+?)</nextToken>", reply)
            if token is None:
                return
            fields["NextToken"] = unescape(token[1].decode())

    @property
    def is_slow(self) -> bool:
        return self.client.server.name == "moto"

    def summary(self) -> dict[str, float]:
        return {
            "instances_accepted_a_second": round(A_CALL / statistics.median(self.launches_s)),
            f"{PAGE}_in_one_reply_s": _p50(self.one_reply),
            f"{PAGE}_in_one_reply_bytes": self.one_reply[-1][1],
            f"{ALL}_by_pages_s": _p50(self.by_pages),
            f"{ALL}_by_pages_bytes": self.by_pages[-1][1],
        }


def _p50(seen: Sequence[tuple[float, int]]) -> float:
    return round(statistics.median(took for took, _size in seen), 3)


def compare(listings: Sequence[Listing]) -> None:
    for listing in listings:
        listing.launch_until(PAGE)
    for _round in range(ROUNDS):
        for listing in listings:
            listing.one_reply.append(listing.list())
    for listing in listings:
        listing.launch_until(ALL)
    for number in range(ROUNDS):
        for listing in listings:
            if number == 0 or not listing.is_slow:
                listing.by_pages.append(listing.list())


def main() -> None:
    with all_three(hosts=HOSTS) as servers:
        listings = [Listing(Client(server)) for server in servers]
        compare(listings)
    print(json.dumps({each.client.server.name: each.summary() for each in listings}, indent=1))


if __name__ == "__main__":
    main()
