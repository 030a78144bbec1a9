"""Every filter that Amazon documents of an action that we have is taken; any other is refused by name."""

from __future__ import annotations

import html
import re

import pytest

from ec2api.registry import ACTIONS, load_actions
from ec2api.tests.cloud import signed
from ec2api.tests.driving import load
from ec2api.tests.driving.examples import fields, options_for
from ec2api.tests.driving.filters import documented, is_elsewhere

load()
load_actions()
FILTERED = [
    a for (service, _), a in sorted(ACTIONS.items()) if service == "ec2" and {"filter", "filters"} & a.supported
]


def answers(asker, action, own, name, *values) -> str:
    """The code and message of a refusal, or the reply."""
    sent = [*fields(action, options_for(action, own)), ("Filter.1.Name", name)]
    sent += [(f"Filter.1.Value.{number}", value) for number, value in enumerate(values, 1)]
    text = html.unescape(signed(asker, sent).content.decode())
    refusal = re.search(r"<Code>(.*?)</Code><Message>(.*?)</Message>", text, re.DOTALL)
    return f"{refusal[1]}: {refusal[2]}" if refusal else text


def test_actions_that_can_be_filtered_are():
    lacking = [
        action.operation.name
        for (service, _name), action in ACTIONS.items()
        if service == "ec2" and {"filter", "filters"} & action.operation.parameters.keys() - action.supported
    ]

    assert not lacking


def test_every_documented_filter_is_taken_and_shows_nothing_of_anothers(neighbour, theirs, own):
    faults = []
    for action in FILTERED:
        for name in documented(action):
            found = answers(neighbour, action, own, name, "*", "x", "")
            is_refused = not found.startswith("<?xml")
            if is_elsewhere(action.operation.name, name):
                assert is_refused, f"{action.operation.name}: {name} is taken; take it out of NOT_HERE"
            elif is_refused:
                faults.append(f"{action.operation.name}: {name}: {found}")
            faults += [
                f"{action.operation.name}: {name} shows another's {each}"
                for each in theirs.values()
                if re.search(rf"\b{re.escape(each)}\b", found)
            ]

    assert not faults, "\n".join([*faults, "take them, or say in NOT_HERE of ec2api/tests/driving/filters.py why not"])


@pytest.mark.parametrize("name", ["nonsense", "instance_id", "Instance-Id", "tag", "*"])
def test_any_other_filter_is_refused_by_name(neighbour, own, name):
    for action in FILTERED:
        answer = answers(neighbour, action, own, name, "x")

        assert answer == f"InvalidParameterValue: The filter '{name}' is invalid", action.operation.name


def test_filters_of_things_with_tags_know_tags(neighbour, own):
    for action in FILTERED:
        if "tag-key" in documented(action):
            for name in ("tag:x", "tag-key"):
                answer = answers(neighbour, action, own, name, "x")

                assert answer.startswith("<?xml"), f"{action.operation.name}: {name}: {answer}"
