"""The page of what there is says what there is."""

from __future__ import annotations

from ec2api.coverage import GROUPS, PAGE, group_of, page, reason_for, refused
from ec2api.protocol.model import operation_names
from ec2api.registry import ACTIONS, load_actions

load_actions()


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run: .venv/bin/python manage.py ec2_coverage, and commit docs/ec2-coverage.md"


def test_every_action_of_the_model_has_one_line():
    lines = [
        line.split("|")[1].strip() for line in page().splitlines() if line.startswith("| ") and "`" not in line[:5]
    ]

    assert sorted(line for line in lines if line not in ("action", "parameter", "---")) == operation_names("ec2")


def test_every_refused_parameter_has_a_reason():
    unsaid = {
        parameter: action.operation.name
        for (service, _name), action in ACTIONS.items()
        if service == "ec2"
        for parameter in refused(action)
        if not reason_for(parameter)
    }

    assert not unsaid, "say why they are refused in REFUSED of ec2api/coverage.py, or ignore or support them"


def test_every_group_has_actions():
    assert {group_of(name) for name in operation_names("ec2")} | {GROUPS[-1]} == set(GROUPS)
