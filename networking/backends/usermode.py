"""User-mode networking: no root, no bridge; each instance has a loopback address on which its open ports are forwarded.

Pure but for may_bind(), which asks the kernel and can be replaced.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from networking.forwards import PortForward

MAX_FORWARDS = 100
ALTERNATIVE = 8000  # port 22 that may not be bound becomes 8022, 80 becomes 8080
LAST_PORT = 65535
# Whoever connects to 127.x.y.z comes from here, so a rule holds exactly if it admits this address.
SOURCE = ipaddress.ip_address("127.0.0.1")
# What is forwarded, in this order, of a range too wide to forward whole; SSH is first of all in any case.
FAVOURITES = {"tcp": (22, 80, 443, 3000, 3389, 5000, 5432, 5900, 8000, 8080, 8443), "udp": (53,)}
NETWORK = ipaddress.IPv4Network("127.64.0.0/10")
ELASTIC_NETWORK = ipaddress.IPv4Network("127.128.0.0/10")
USABLE = NETWORK.num_addresses // 256 * 254  # of either, without those that end in .0 and .255

MayBind = Callable[[str, int, str], bool]


@dataclass(frozen=True, slots=True)
class Ingress:
    """One rule of a security group: a protocol, its ports, and where from."""

    protocol: str  # "tcp", "udp", "icmp", "icmpv6", a number, or "-1" for all
    from_port: int = -1
    to_port: int = -1
    cidr: str = ""
    group: str = ""  # a source group's id, instead of a range of addresses

    @property
    def source(self) -> str:
        """Where from, in words."""
        return f"group {self.group}" if self.group else self.cidr

    def __str__(self) -> str:
        if self.protocol == "-1":
            what = "all protocols"
        elif self.protocol not in FAVOURITES:
            what = self.protocol if self.protocol.startswith("icmp") else f"protocol {self.protocol}"
        else:
            ports = str(self.from_port) if self.from_port == self.to_port else f"{self.from_port}-{self.to_port}"
            what = f"{self.protocol} {ports}"
        return f"{what} from {self.source}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is forwarded for an instance, and in plain words what is not."""

    forwards: tuple[PortForward, ...]
    unenforceable: tuple[str, ...]


def loopback_address(number: int, installation: str, network: ipaddress.IPv4Network = NETWORK) -> str:
    """The loopback address with a number: two numbers of an installation share none, two installations rarely do."""
    digest = hashlib.sha256(installation.encode()).digest()
    place = (int.from_bytes(digest[:8]) + number) % USABLE
    block, last = divmod(place, 254)
    return str(network.network_address + block * 256 + last + 1)


def may_bind(address: str, port: int, protocol: str) -> bool:
    """Whether a port is free and ours to bind now; another may still be faster."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just been closed is free
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                return False
            raise
    return True


def plan(rules: Iterable[Ingress], address: str, may_bind: MayBind = may_bind) -> Plan:
    """What to forward to an instance with this loopback address.

    A port that may not be bound goes to the next free one from 8000 above, after all others have had their own.
    """
    words: list[str] = []
    wanted = list(dict.fromkeys(_wanted(rules, words)))
    wanted.sort(key=lambda want: want != ("tcp", 22))  # stable: SSH first, the rest as written
    for protocol, port in wanted[MAX_FORWARDS:]:
        words.append(f"{protocol} {port}: only the first {MAX_FORWARDS} ports are forwarded")
    wanted = wanted[:MAX_FORWARDS]
    bound = {want: want[1] for want in wanted if may_bind(address, want[1], want[0])}
    for protocol, port in wanted:
        if (protocol, port) not in bound:
            taken = {other for (kind, _), other in bound.items() if kind == protocol}
            found = next((n for n in _alternatives(port) if n not in taken and may_bind(address, n, protocol)), None)
            if found is None:
                words.append(f"{protocol} {port}: no port of {address} is free")
            else:
                bound[protocol, port] = found
    forwards = tuple(
        PortForward(protocol, address, bound[protocol, port], port)
        for protocol, port in wanted
        if (protocol, port) in bound
    )
    return Plan(forwards, tuple(dict.fromkeys(words)))


def _wanted(rules: Iterable[Ingress], words: list[str]) -> Iterator[tuple[str, int]]:
    """Every protocol and port to forward; why others are not goes into ``words``."""
    for rule in rules:
        if not _admits_source(rule):
            words.append(f"{rule}: not forwarded, as sources cannot be told apart here")
            continue
        if rule.protocol not in (*FAVOURITES, "-1"):
            words.append(f"{rule}: cannot be forwarded, only tcp and udp can")
            continue
        for protocol in FAVOURITES if rule.protocol == "-1" else (rule.protocol,):
            yield from _ports(rule, protocol, words)


def _admits_source(rule: Ingress) -> bool:
    return not rule.group and SOURCE in ipaddress.ip_network(rule.cidr, strict=False)


def _ports(rule: Ingress, protocol: str, words: list[str]) -> Iterator[tuple[str, int]]:
    first, last = (1, LAST_PORT) if rule.protocol == "-1" else (max(rule.from_port, 1), min(rule.to_port, LAST_PORT))
    if last - first < MAX_FORWARDS:
        ports: Iterable[int] = range(first, last + 1)
    else:
        ports = [port for port in FAVOURITES[protocol] if first <= port <= last]
        named = ", ".join(map(str, ports)) or "none"
        words.append(f"{rule}: more than {MAX_FORWARDS} ports; of {protocol} forwarded are {named}")
    for port in ports:
        yield protocol, port


def _alternatives(port: int) -> Iterator[int]:
    start = port + ALTERNATIVE if port + ALTERNATIVE <= LAST_PORT else 1024
    yield from range(start, LAST_PORT + 1)
    yield from range(1024, start)
