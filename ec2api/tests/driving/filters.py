"""Which filters an action is documented to have."""

from __future__ import annotations

import re

from ec2api.registry import Action

_WITHIN = re.compile(r"(<li>(?:(?!</?li>|</?ul>).)*)<ul>(?:(?!</?ul>).)*</ul>", re.DOTALL)  # lists in lists: values
_LISTED = re.compile(r"<li>\s*<p>\s*<code>(?!tag<)([a-zA-Z][\w.-]*)</code>(?!\s*:)")


def documented(action: Action) -> list[str]:
    """From the list in the model's own words, without ``tag:<key>``; empty for an action without filters."""
    member = action.operation.parameters.get("filters") or action.operation.parameters.get("filter")
    return _LISTED.findall(_WITHIN.sub(r"\1", member.documentation)) if member else []


# Filters that are documented and refused here: the action, how their names begin, and why.
NOT_HERE: tuple[tuple[str, str, str], ...] = (
    ("DescribeImages", "free-tier-eligible", "nothing is billed"),
    ("DescribeImages", "image-allowed", "an operator's choice of images is not kept here"),
    ("DescribeImages", "image-watermark.", "images have no watermarks here"),
    ("DescribeImages", "instance-type-specification.", "images run on every type here"),
    ("DescribeImages", "public-ssm-parameter-name", "there is no parameter store here"),
    ("DescribeImages", "scan-result.", "images are not scanned here"),
)


def is_elsewhere(action: str, name: str) -> bool:
    return any(action == each and name.startswith(start) for each, start, _reason in NOT_HERE)
