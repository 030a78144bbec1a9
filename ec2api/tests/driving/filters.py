"""Which filters an action is documented to have."""

from __future__ import annotations

import re

from ec2api.registry import Action

_LISTED = re.compile(r"<li>\s*<p>\s*<code>([a-zA-Z][\w.-]*)</code>(?!:)")


def documented(action: Action) -> list[str]:
    """From the list in the model's own words, without ``tag:<key>``; empty for an action without filters."""
    member = action.operation.parameters.get("filters")
    return _LISTED.findall(member.documentation) if member else []
