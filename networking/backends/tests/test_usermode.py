from __future__ import annotations

import ipaddress
import socket

import pytest

from networking.backends.usermode import Ingress, loopback_address, may_bind, plan
from networking.forwards import PortForward

ANYWHERE = "0.0.0.0/0"
ADDRESS = "127.80.0.4"


def anything(_address, _port, _protocol):
    return True


def unprivileged(_address, port, _protocol):
    return port >= 1024


def ports(forwards: tuple[PortForward, ...]) -> list[tuple[str, int, int]]:
    return [(forward.protocol, forward.port, forward.guest_port) for forward in forwards]


def test_ssh_comes_first_whatever_the_order_of_the_rules():
    rules = [Ingress("tcp", 80, 81, ANYWHERE), Ingress("tcp", 22, 22, ANYWHERE), Ingress("udp", 53, 53, ANYWHERE)]

    done = plan(rules, ADDRESS, anything)

    assert ports(done.forwards) == [("tcp", 22, 22), ("tcp", 80, 80), ("tcp", 81, 81), ("udp", 53, 53)]
    assert {forward.address for forward in done.forwards} == {ADDRESS}
    assert done.unenforceable == ()


def test_ports_that_may_not_be_bound_move_8000_up():
    rules = [Ingress("tcp", port, port, ANYWHERE) for port in (22, 80, 443)]

    done = plan(rules, ADDRESS, unprivileged)

    assert ports(done.forwards) == [("tcp", 8022, 22), ("tcp", 8080, 80), ("tcp", 8443, 443)]


def test_a_moved_port_never_takes_one_that_another_rule_has():
    rules = [Ingress("tcp", 80, 80, ANYWHERE), Ingress("tcp", 8080, 8081, ANYWHERE)]

    done = plan(rules, ADDRESS, unprivileged)

    assert ports(done.forwards) == [("tcp", 8082, 80), ("tcp", 8080, 8080), ("tcp", 8081, 8081)]


def test_a_port_near_the_last_moves_to_a_valid_one():
    done = plan([Ingress("tcp", 60000, 60000, ANYWHERE)], ADDRESS, lambda _a, port, _p: port not in (60000, 1024))

    assert ports(done.forwards) == [("tcp", 1025, 60000)]


def test_overlapping_rules_forward_a_port_once():
    rules = [Ingress("tcp", 22, 23, ANYWHERE), Ingress("tcp", 22, 22, ANYWHERE)]

    assert len(plan(rules, ADDRESS, anything).forwards) == 2


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Ingress("icmp", -1, -1, ANYWHERE), "icmp from 0.0.0.0/0"),
        (Ingress("47", -1, -1, ANYWHERE), "protocol 47 from 0.0.0.0/0"),
        (Ingress("tcp", 22, 22, "10.0.0.0/8"), "tcp 22 from 10.0.0.0/8"),
        (Ingress("tcp", 22, 22, "::/0"), "tcp 22 from ::/0"),
        (Ingress("-1", -1, -1, group="sg-1"), "all protocols from group sg-1"),
    ],
)
def test_what_cannot_be_kept_here_is_said_and_not_forwarded(rule, words):
    done = plan([rule], ADDRESS, anything)

    assert done.forwards == ()
    assert len(done.unenforceable) == 1
    assert done.unenforceable[0].startswith(words)


def test_a_source_range_that_holds_this_machine_is_kept():
    assert plan([Ingress("tcp", 22, 22, "127.0.0.0/8")], ADDRESS, anything).forwards


@pytest.mark.parametrize("rule", [Ingress("tcp", 0, 65535, ANYWHERE), Ingress("-1", -1, -1, ANYWHERE)])
def test_of_a_wide_range_the_usual_ports_are_forwarded_and_the_rest_is_said(rule):
    done = plan([rule], ADDRESS, anything)

    assert ports(done.forwards)[:3] == [("tcp", 22, 22), ("tcp", 80, 80), ("tcp", 443, 443)]
    assert "more than 100 ports" in done.unenforceable[0]


def test_at_most_a_hundred_ports_are_forwarded_and_ssh_is_among_them():
    rules = [
        Ingress("tcp", 1000, 1060, ANYWHERE),
        Ingress("udp", 1000, 1060, ANYWHERE),
        Ingress("tcp", 22, 22, ANYWHERE),
    ]

    done = plan(rules, ADDRESS, anything)

    assert len(done.forwards) == 100
    assert done.forwards[0].guest_port == 22
    assert len(done.unenforceable) == 23


def test_a_port_in_use_may_not_be_bound():
    with socket.create_server(("127.80.0.4", 0)) as server:
        port = server.getsockname()[1]
        assert not may_bind("127.80.0.4", port, "tcp")
        assert may_bind("127.80.0.5", port, "tcp")
    assert may_bind("127.80.0.4", port, "tcp")


def test_loopback_addresses_differ_and_stay_in_their_range():
    found = [loopback_address(number, "inst-1") for number in range(2000)]

    assert len(set(found)) == 2000
    assert all(ipaddress.ip_address(a) in ipaddress.ip_network("127.64.0.0/10") for a in found)
    assert not {a.rsplit(".", 1)[1] for a in found} & {"0", "255"}
    assert loopback_address(0, "inst-1") != loopback_address(0, "inst-2")
    assert loopback_address(64 * 256 * 254 + 5, "inst-1") == loopback_address(5, "inst-1")
