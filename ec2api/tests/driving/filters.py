"""Which filters an action is documented to have."""

from __future__ import annotations

from ec2api.protocol.documentation import documented_filters
from ec2api.registry import Action


def documented(action: Action) -> list[str]:
    """Without ``tag:<key>``."""
    return documented_filters(action.operation)


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
