"""Whatever a client sends, it is told what is wrong with it; InternalError is for bugs of ours."""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import examples
from ec2api.protocol.model import Shape, find_operation
from ec2api.registry import ACTIONS
from ec2api.tests.cloud import signed

IDS = ["i-0123456789abcdef0", "vpc-0123456789abcdef0", "ami-1", "sg-", "-", "x" * 300]
WORDS = [
    "",
    "a",
    "*",
    "?",
    "\\",
    "tag:",
    "tag:x",
    "tag-key",
    "instance-id",
    "default",
    "true",
    "0",
    "-1",
    "99999999999",
]
NUMBERS = ["0", "1", "-1", "5", "1000", "65536", "2147483647", "9223372036854775807", "x", ""]
texts = st.sampled_from(IDS + WORDS + NUMBERS) | st.text(max_size=20)


def fields_of(shape: Shape, prefix: str, depth: int = 0) -> list[str]:
    """Names of fields that the model allows, lists with one element."""
    if shape.type == "structure":
        found = []
        for member in shape.members.values() if depth < 4 else ():
            name = f"{prefix}.{member.request_name}" if prefix else member.request_name
            found += fields_of(member.shape, name, depth + 1)
        return found
    if shape.type == "list":
        return fields_of(shape.element.shape, f"{prefix}.1", depth + 1)
    return [prefix]


@st.composite
def requests(draw, action: str):
    operation = find_operation("ec2", action)
    assert operation.input is not None
    names = [name for name in fields_of(operation.input, "") if name != "DryRun"]
    required = [operation.input.members[name].request_name for name in operation.input.required]
    needed = [name for name in names if name.split(".")[0] in required]
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=5)) if names else []
    return {"Action": action} | {name: draw(texts) for name in dict.fromkeys(needed + chosen)}


@pytest.mark.parametrize("action", sorted(name for service, name in ACTIONS if service == "ec2"))
def test_nothing_a_client_sends_is_our_fault(account, action):
    @settings(
        max_examples=examples(25),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(requests(action))
    def check(fields):
        response = signed(account, fields)

        assert response.status_code < 500, response.content
        assert connection.is_usable()

    check()


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=6))
def test_fields_of_no_action_at_all(account, fields):
    response = signed(account, [("Action", "RunInstances"), *fields])

    assert 400 <= response.status_code < 500
