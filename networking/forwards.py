"""Ports of a host that lead to ports of a domain: plain values, known to networks and to drivers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PortForward:
    """A port of the host's address that leads to a port of the domain (user-mode networking)."""

    protocol: str  # "tcp" or "udp"
    address: str  # on the host, such as 127.80.0.4
    port: int
    guest_port: int
