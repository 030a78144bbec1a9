"""What the sessions of real clients wait for."""

from __future__ import annotations

import re
from pathlib import Path

from ec2api.registry import ACTIONS, load_actions


def needed() -> set[str]:
    """Every action that a session in a file beside this one asks for by needs()."""
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    calls = [call for text in texts for call in re.findall(r"^\s+needs\(([^)]+)\)", text, re.M)]
    return {name for call in calls for name in re.findall(r'"(\w+)"', call)}


def test_no_session_of_a_client_waits_for_an_action():
    load_actions()

    assert sorted(name for name in needed() if ("ec2", name) not in ACTIONS) == []


def test_the_sessions_say_what_they_need():
    assert {"CreateVolume", "CreateSnapshot", "CreateImage", "AllocateAddress"} <= needed()
