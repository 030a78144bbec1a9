"""User-mode networking."""

from __future__ import annotations

from dataclasses import dataclass

from compute.drivers.base import PortForward


@dataclass(frozen=True, slots=True)
class Rule:
    protocol: str
    from_port: int
    to_port: int
    peer: str


@dataclass(frozen=True, slots=True)
class Plan:
    forwards: tuple[PortForward, ...]
    unenforceable: tuple[str, ...]


def plan_forwards(rules: list[Rule], address: str, *, avoid: frozenset[tuple[str, int]] = frozenset()) -> Plan:
    return Plan((), ())


def loopback_address(number: int, seed: str) -> str:
    return f"127.{64 + number // 62500 % 64}.{1 + number // 250 % 250}.{1 + number % 250}"
