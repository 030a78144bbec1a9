"""The model's names, and the errors a client sees."""

from __future__ import annotations

import pytest

from ec2api.protocol.errors import ApiError, invalid_action, render_error
from ec2api.protocol.model import check_version, find_operation, operation, operation_names, snake
from ec2api.protocol.request import PROTOCOL_FIELDS
from ec2api.protocol.tests.shapes import OPERATIONS, known, read_by_botocore


def test_an_operation_is_known_by_its_service_and_name():
    assert known("RunInstances").parameters["instance_type"].name == "InstanceType"
    assert known("GetCallerIdentity", "sts").result_wrapper == "GetCallerIdentityResult"
    assert operation("ec2", "FlyToTheMoon") is None
    assert operation("s3", "ListBuckets") is None
    assert len(operation_names("ec2")) > 700


def test_keywords_are_those_of_boto3():
    assert [snake(name) for name in ("InstanceIds", "DryRun", "Ipv6CidrBlock")] == [
        "instance_ids",
        "dry_run",
        "ipv6_cidr_block",
    ]


def test_no_two_parameters_of_an_operation_share_a_keyword():
    for service, name in OPERATIONS:
        op = known(name, service)
        assert len(op.parameters) == len(op.input.members if op.input else {}), name


def test_no_operation_has_a_parameter_that_the_protocol_takes_for_itself():
    for service, name in OPERATIONS:
        taken = {member.request_name for member in known(name, service).parameters.values()} & PROTOCOL_FIELDS
        assert not taken, name


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("FlyToTheMoon", "InvalidAction", "The action FlyToTheMoon is not valid for this web service."),
        ("", "MissingAction", "The request must contain the parameter Action"),
    ],
)
def test_an_action_that_is_not_there_is_refused_in_amazons_words(name, code, words):
    with pytest.raises(ApiError) as caught:
        find_operation("ec2", name)

    assert caught.value.code == code
    assert words in caught.value.message


def test_any_dated_version_is_answered_and_no_other():
    assert check_version("ec2", "2015-10-01") == "2015-10-01"
    assert check_version("ec2", "") == "2016-11-15"
    with pytest.raises(ApiError, match="NoSuchVersion"):
        check_version("ec2", "latest")


def test_an_ec2_error_is_the_envelope_that_clients_look_for():
    assert render_error("InvalidInstanceID.NotFound", "no <i-1> & co", "req-1", "ec2").decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code>'
        "<Message>no &lt;i-1&gt; &amp; co</Message></Error></Errors><RequestID>req-1</RequestID></Response>"
    )


@pytest.mark.parametrize(("service", "name"), [("ec2", "RunInstances"), ("sts", "GetCallerIdentity")])
def test_botocore_reads_our_errors(service, name):
    op = known(name, service)

    read = read_by_botocore(op, render_error("AuthFailure", "bad \0 key", "req-1", service), 401)

    assert read["Error"]["Code"] == "AuthFailure"
    assert read["Error"]["Message"] == "bad \ufffd key"
    assert read["ResponseMetadata"]["RequestId"] == "req-1"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AuthFailure", 401),
        ("SignatureDoesNotMatch", 403),
        ("UnauthorizedOperation", 403),
        ("DryRunOperation", 412),
        ("InsufficientInstanceCapacity", 500),
        ("InternalError", 500),
        ("RequestLimitExceeded", 503),
        ("InvalidInstanceID.NotFound", 400),
    ],
)
def test_the_status_follows_from_the_code(code, status):
    assert ApiError(code, "").status == status


def test_a_long_action_is_cut():
    assert len(invalid_action("x" * 10_000).message) < 300
