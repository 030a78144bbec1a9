"""What there is none of is told by an empty list, and what makes no sense is refused all the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

EMPTY = {
    "describe_iam_instance_profile_associations": "IamInstanceProfileAssociations",
    "describe_hosts": "Hosts",
    "describe_reserved_instances": "ReservedInstances",
    "describe_spot_price_history": "SpotPriceHistory",
    "describe_instance_topology": "Instances",
}


@pytest.mark.parametrize(("method", "member"), EMPTY.items())
def test_there_is_none(ec2, method, member):
    assert getattr(ec2, method)()[member] == []


@pytest.mark.parametrize(
    ("method", "options", "code"),
    [
        ("describe_iam_instance_profile_associations", {"AssociationIds": ["x"]}, "InvalidAssociationID.NotFound"),
        ("describe_hosts", {"HostIds": ["h-0123456789abcdef0"]}, "InvalidHostID.NotFound"),
        ("describe_hosts", {"Filter": [{"Name": "x", "Values": ["y"]}]}, "InvalidParameterValue"),
        ("describe_hosts", {"NextToken": "x"}, "InvalidNextToken"),
        ("describe_reserved_instances", {"ReservedInstancesIds": ["x"]}, "InvalidReservedInstancesId"),
        ("describe_instance_topology", {"InstanceIds": ["i-0123456789abcdef0"]}, "InvalidInstanceID.NotFound"),
        ("describe_instance_topology", {"MaxResults": 0}, "InvalidParameterValue"),
        (
            "describe_spot_price_history",
            {"StartTime": datetime(2026, 1, 2, tzinfo=UTC), "EndTime": datetime(2026, 1, 1, tzinfo=UTC)},
            "InvalidParameterCombination",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(ec2, refused, method, options, code):
    assert refused(getattr(ec2, method), **options)[0] == code


def test_volumes_are_not_encrypted_unless_asked(ec2):
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
