"""What the model says only in words, for people."""

from __future__ import annotations

import re

from ec2api.protocol.model import Operation

_WITHIN = re.compile(r"(<li>(?:(?!</?li>|</?ul>).)*)<ul>(?:(?!</?ul>).)*</ul>", re.DOTALL)  # lists in lists: values
_LISTED = re.compile(r"<li>\s*<p>\s*<code>(?!tag<)([a-zA-Z][\w.-]*)</code>(?!\s*:)")


def documented_filters(found: Operation) -> list[str]:
    """The filters that an action is said to have, without ``tag:<key>``; empty for one without filters."""
    member = found.parameters.get("filters") or found.parameters.get("filter")
    return _LISTED.findall(_WITHIN.sub(r"\1", member.documentation)) if member else []
