"""Tags that are asked for together with the thing they are on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ec2api.protocol.errors import ApiError

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationUnionTypeDef, TagTypeDef


def tags_of_list(tags: Sequence[TagTypeDef]) -> dict[str, str]:
    """Keys and values; a key may come once."""
    found: dict[str, str] = {}
    for tag in tags:
        key = tag.get("Key")
        if key is None:
            raise ApiError("MissingParameter", "The request must contain the parameter Tag.Key")
        if key in found:
            raise ApiError("InvalidParameterValue", f"Duplicate tag key '{key[:127]}' specified.")
        found[key] = tag.get("Value", "")
    return found


def tags_for(specifications: Sequence[TagSpecificationUnionTypeDef], *kinds: str) -> tuple[dict[str, str], ...]:
    """The tags for each kind of resource that the action makes; ApiError for a kind that it does not."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
    for specification in specifications:
        kind = specification.get("ResourceType", "")
        if kind not in found:
            raise ApiError(
                "InvalidParameterValue",
                f"'{kind[:60]}' is not a valid taggable resource type for this operation; it is: {', '.join(kinds)}",
            )
        if found[kind]:
            raise ApiError("InvalidParameterValue", f"Tag specification resource type '{kind}' specified twice.")
        found[kind] = tags_of_list(specification.get("Tags", ()))
    return tuple(found.values())
