"""What clients look for and there is none of: empty lists, which is the truth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from ec2api.filters import Filters, checked, invalid
from ec2api.pagination import Page
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action


def _none(
    call: Call,
    member: str,
    *,
    filters: Filters = (),
    known: Collection[str] = (),
    max_results: int | None = None,
    next_token: str = "",
    ids: Sequence[str] = (),
    not_found: tuple[str, str] = ("", ""),
    least: int = 5,
) -> dict[str, Any]:
    """An empty list, or what Amazon would say of filters, pages and ids that are no good."""
    Page(call, max_results, next_token, least=least)
    for name, _values in checked(filters):
        if name not in known and not ("tag-key" in known and name.startswith("tag:")):
            raise invalid(name)
    if ids:
        code, word = not_found
        raise ApiError(code, f"The {word} '{', '.join(ids[:100])[:1000]}' does not exist")
    return {member: []}


@action()
def describe_iam_instance_profile_associations(
    call: Call,
    *,
    association_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    return _none(
        call,
        "IamInstanceProfileAssociations",
        filters=filters,
        known=("instance-id", "state"),
        max_results=max_results,
        next_token=next_token,
        ids=association_ids,
        not_found=("InvalidAssociationID.NotFound", "association ID"),
    )


@action()
def describe_hosts(
    call: Call,
    *,
    host_ids: Sequence[str] = (),
    filter: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """Hosts of a tenant's own; those of the cloud belong to its operators."""
    return _none(
        call,
        "Hosts",
        filters=filter,
        known=(
            "auto-placement", "availability-zone", "client-token", "host-reservation-id", "instance-type", "state",
            "tag-key",
        ),
        max_results=max_results,
        next_token=next_token,
        ids=host_ids,
        not_found=("InvalidHostID.NotFound", "host ID"),
    )  # fmt: skip


@action(ignores=["offering_class", "offering_type"])
def describe_reserved_instances(
    call: Call, *, reserved_instances_ids: Sequence[str] = (), filters: Filters = ()
) -> Reply:
    return _none(
        call,
        "ReservedInstances",
        filters=filters,
        known=(
            "availability-zone", "availability-zone-id", "duration", "end", "fixed-price", "instance-type", "scope",
            "product-description", "reserved-instances-id", "start", "state", "tag-key", "usage-price",
        ),
        ids=reserved_instances_ids,
        not_found=("InvalidReservedInstancesId", "reserved instances ID"),
    )  # fmt: skip


@action(
    ignores=["instance_types", "product_descriptions", "availability_zone", "availability_zone_id"],
)
def describe_spot_price_history(
    call: Call,
    *,
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    if start_time and end_time and start_time > end_time:
        raise ApiError("InvalidParameterCombination", "The StartTime is after the EndTime")
    return _none(
        call,
        "SpotPriceHistory",
        filters=filters,
        known=(
            "availability-zone", "availability-zone-id", "instance-type", "product-description", "spot-price",
            "timestamp",
        ),
        max_results=max_results,
        next_token=next_token,
        least=1,
    )  # fmt: skip


@action()
def get_ebs_encryption_by_default(call: Call) -> Reply:
    """Not here: a volume is encrypted when that is asked for."""
    return {"EbsEncryptionByDefault": False}
