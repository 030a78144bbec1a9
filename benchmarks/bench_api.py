"""How long the EC2 API takes to answer, on SQLite and on PostgreSQL, beside moto; prints JSON.

Signed raw HTTP on a connection kept open, from the sending of a request to the end of its reply, so that no client's
parsing is measured.  The servers take turns within each round; what is printed is the median of the rounds' medians.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.servers import Server, all_three

ROUNDS = 5
EACH = {"RunInstances": 20, "DescribeInstances by id": 40, "CreateTags": 40}  # requests a round
ALL = 1000
Fields = dict[str, str]
Signed = tuple[bytes, dict[str, str]]


@dataclass
class Client:
    """One connection to one server."""

    server: Server
    connection: HTTPConnection = field(init=False)
    image: str = ""
    instance: str = ""
    medians: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        self.image = self.found(rb"<imageId>(ami-\w+)", {"Action": "DescribeImages"})
        self.instance = self.found(rb"<instanceId>(i-\w+)", self.launch(1))

    def sign(self, fields: Fields) -> Signed:
        body = urlencode({"Version": "2016-11-15", **fields}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        request = AWSRequest("POST", f"http://127.0.0.1:{self.server.port}/", data=body, headers=headers)
        SigV4Auth(Credentials(self.server.access_key, self.server.secret), "ec2", "us-east-1").add_auth(request)
        return body, dict(request.headers.items())

    def send(self, signed: Signed) -> tuple[float, bytes]:
        """Milliseconds, and the reply."""
        began = time.perf_counter()
        self.connection.request("POST", "/", *signed)
        response = self.connection.getresponse()
        reply = response.read()
        took = (time.perf_counter() - began) * 1000
        if response.status != 200:
            raise RuntimeError(f"{self.server.name}: {reply[:1000]!r}")
        return took, reply

    def found(self, pattern: bytes, fields: Fields) -> str:
        match = re.search(pattern, self.send(self.sign(fields))[1])
        assert match, pattern
        return match[1].decode()

    def launch(self, count: int) -> Fields:
        counts = {"MinCount": str(count), "MaxCount": str(count)}
        return {"Action": "RunInstances", "ImageId": self.image, "InstanceType": "t2.nano", **counts}

    def fields_of(self, name: str, number: int) -> Fields:
        if name == "RunInstances":
            return self.launch(1)
        if name == "CreateTags":
            tag = {"Tag.1.Key": "k", "Tag.1.Value": str(number)}
            return {"Action": "CreateTags", "ResourceId.1": self.instance, **tag}
        # moto gives a hundred at a time unless asked for more.
        wanted = {"InstanceId.1": self.instance} if name.endswith("by id") else {"MaxResults": str(ALL)}
        return {"Action": "DescribeInstances", **wanted}

    def measure(self, name: str, count: int) -> None:
        """One round of one kind of request."""
        self.reconnect()
        requests = [self.sign(self.fields_of(name, number)) for number in range(count)]
        times = [self.send(request)[0] for request in requests]
        self.medians.setdefault(name, []).append(statistics.median(times))

    def reconnect(self) -> None:
        """Servers close connections that nothing comes over while others are asked."""
        self.connection.close()
        self.connection.connect()

    def fill(self) -> None:
        """Launch until there are as many instances as are to be listed."""
        self.reconnect()
        while missing := ALL - self.listed():
            self.send(self.sign(self.launch(min(100, missing))))
            self.reconnect()

    def listed(self) -> int:
        return self.send(self.sign(self.fields_of("all", 0)))[1].count(b"<amiLaunchIndex>")


def compare(clients: list[Client]) -> None:
    for client in clients:  # the first of each kind of request compiles and caches
        for name in EACH:
            client.measure(name, 3)
        client.medians.clear()
    for _round in range(ROUNDS):
        for name, count in EACH.items():
            for client in clients:
                client.measure(name, count)
    for client in clients:
        client.fill()
    for _round in range(ROUNDS):
        for client in clients:
            client.measure(f"DescribeInstances, all {ALL}", 1)


def main() -> None:
    with all_three() as servers:
        clients = [Client(server) for server in servers]
        compare(clients)
    names = clients[0].medians
    medians = {c.server.name: {n: round(statistics.median(c.medians[n]), 2) for n in names} for c in clients}
    rounds = {c.server.name: {n: [round(t, 2) for t in c.medians[n]] for n in names} for c in clients}
    reference = medians["moto"]
    ratios = {
        server: {name: round(reference[name] / took, 1) for name, took in times.items()}
        for server, times in medians.items()
        if server != "moto"
    }
    print(json.dumps({"milliseconds": medians, "times faster than moto": ratios, "rounds": rounds}, indent=1))


if __name__ == "__main__":
    main()
