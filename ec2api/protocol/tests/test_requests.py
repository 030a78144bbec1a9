"""Requests are read as botocore writes them, and as less careful clients do."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import examples
from ec2api.protocol.errors import ApiError
from ec2api.protocol.request import MAX_FIELDS, parse, read_form
from ec2api.protocol.scalars import decode_base64
from ec2api.protocol.tests.shapes import OPERATIONS, as_arguments, full, known, sent_by_botocore, values


def arguments(name: str, form: str, service: str = "ec2") -> dict[str, object]:
    return parse(known(name, service), read_form(form))


def refusal(name: str, form: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        arguments(name, form)
    return caught.value


@pytest.mark.parametrize("service", ["ec2", "sts"])
def test_every_parameter_of_every_operation_is_read_as_botocore_sends_it(service):
    for name in [name for owner, name in OPERATIONS if owner == service]:
        op = known(name, service)
        sent = full(op.input) if op.input else {}
        assert isinstance(sent, dict)

        read = parse(op, read_form(sent_by_botocore(op, sent)))

        assert read == as_arguments(sent), name


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_honest_request_is_read_as_botocore_sends_it(data):
    service, name = data.draw(st.sampled_from(OPERATIONS))
    op = known(name, service)
    sent = data.draw(values(op.input)) if op.input else {}

    try:
        read = parse(op, read_form(sent_by_botocore(op, sent)))
    except ApiError as error:
        # Something required and empty cannot be told from something missing.
        if error.code != "MissingParameter":
            raise
        return

    if service == "ec2":
        assert read == as_arguments(sent)


NAMES = st.sampled_from(
    [
        "InstanceId",
        "ImageId",
        "Filter",
        "Tag",
        "Placement",
        "BlockDeviceMapping",
        "Ebs",
        "VolumeSize",
        "TagSpecification",
        "UserData",
        "MinCount",
        "MaxCount",
        "DryRun",
        "Name",
        "Value",
        "Monitoring",
        "Enabled",
        "NetworkInterface",
        "Groups",
        "SpotOptions",
        "ValidUntil",
        "0",
        "1",
        "2",
        "-1",
        "999999999",
        "01",
        "member",
        "item",
        "²",
        "٣",
        "Action",
    ]
)
KEYS = st.lists(NAMES, max_size=6).map(".".join) | st.text(max_size=20)
TEXTS = st.sampled_from(["", "1", "0", "true", "YES", "x", "2026-11-23", "0001-01-01T00:00:00+14:00", "1e400", "AA=="])


@settings(max_examples=examples(400), deadline=None)
@given(
    st.sampled_from(["RunInstances", "DescribeInstances", "CreateTags", "ModifyInstanceAttribute", "ImportKeyPair"]),
    st.lists(st.tuples(KEYS, TEXTS | st.text(max_size=30)), max_size=12),
)
def test_no_request_raises_anything_but_an_api_error(name, fields):
    with suppress(ApiError):
        parse(known(name), fields)


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=60))
def test_no_body_raises_anything_but_an_api_error(body):
    with suppress(ApiError):
        assert all(isinstance(text, str) for field in read_form(body) for text in field)


def test_lists_may_count_from_zero():
    read = arguments("CreateTags", "ResourceId.0=i-1&ResourceId.1=i-2&Tag.0.Key=a&Tag.0.Value=b")

    assert read == {"resources": ["i-1", "i-2"], "tags": [{"Key": "a", "Value": "b"}]}


def test_a_list_of_one_needs_no_number():
    assert arguments("DescribeKeyPairs", "KeyName=one") == {"key_names": ["one"]}


def test_lists_are_in_the_order_of_their_numbers_whatever_the_gaps():
    read = arguments("DescribeInstances", "InstanceId.10=c&InstanceId.9=b&InstanceId.2=a&InstanceId.5000=d")

    assert read == {"instance_ids": ["a", "b", "c", "d"]}


def test_nested_structures_keep_the_names_of_the_model():
    read = arguments(
        "RunInstances",
        "MinCount=1&MaxCount=2&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=8"
        "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=x",
    )

    assert read == {
        "min_count": 1,
        "max_count": 2,
        "block_device_mappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
        "tag_specifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "x"}]}],
    }


def test_sts_lists_carry_the_word_member():
    read = arguments("GetFederationToken", "Name=bob&Tags.member.1.Key=a&Tags.member.1.Value=b&PolicyArns=", "sts")

    assert read == {"name": "bob", "tags": [{"Key": "a", "Value": "b"}], "policy_arns": []}


def test_fields_of_the_protocol_and_of_signatures_are_no_parameters():
    form = (
        "Action=DescribeRegions&Version=2016-11-15&AWSAccessKeyId=A&SignatureVersion=2&SignatureMethod=HmacSHA256"
        "&Signature=s&Timestamp=t&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&AllRegions=true"
    )

    assert arguments("DescribeRegions", form) == {"all_regions": True}


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_booleans_are_read_in_every_spelling_that_clients_use(text, value):
    assert arguments("DescribeInstances", f"DryRun={text}") == {"dry_run": value}


@pytest.mark.parametrize("text", ["2026-11-23T09:15:46Z", "2026-11-23T09:15:46.000Z", "2026-11-23T17:15:46%2B08:00"])
def test_times_are_read_as_utc(text):
    read = arguments("DescribeSpotPriceHistory", f"StartTime={text}")

    assert read == {"start_time": datetime(2026, 11, 23, 9, 15, 46, tzinfo=UTC)}


def test_base64_may_have_line_breaks():
    read = arguments("ImportKeyPair", "KeyName=k&PublicKeyMaterial=c3No%0ALXJz%0D%0AYQ==")

    assert read["public_key_material"] == b"ssh-rsa"
    assert decode_base64("aGk=\n") == b"hi"


@pytest.mark.parametrize(
    ("name", "form", "code", "words"),
    [
        ("DescribeInstances", "Colour=red", "UnknownParameter", "The parameter Colour is not recognized"),
        ("DescribeInstances", "instanceId.1=i-1", "UnknownParameter", "instanceId is not"),
        ("DescribeInstances", "Filter.1.Colour.Hue=1", "UnknownParameter", "Filter.1.Colour is not"),
        ("DescribeInstances", "InstanceId.one=i-1", "UnknownParameter", "InstanceId.one is not"),
        ("DescribeInstances", "InstanceId.1.Name=i-1", "UnknownParameter", "InstanceId.1.Name is not"),
        ("DescribeInstances", "DryRun.1=true", "UnknownParameter", "DryRun.1 is not"),
        ("TerminateInstances", "", "MissingParameter", "The request must contain the parameter InstanceId"),
        ("RunInstances", "MinCount=1", "MissingParameter", "MaxCount"),
        ("RunInstances", "MinCount=one&MaxCount=1", "InvalidParameterValue", "Value (one) for parameter MinCount"),
        ("RunInstances", "MinCount=1_0&MaxCount=1", "InvalidParameterValue", "Expecting an integer"),
        ("RunInstances", "MinCount=2147483648&MaxCount=1", "InvalidParameterValue", "2147483647"),
        ("DescribeInstances", "DryRun=maybe", "InvalidParameterValue", "Expecting true or false"),
        ("DescribeInstances", "DryRun=true&DryRun=true", "InvalidParameterValue", "more than once"),
        ("DescribeInstances", "InstanceId.1=a&InstanceId.01=b", "InvalidParameterValue", "more than once"),
        ("DescribeInstances", "InstanceId=a&InstanceId.1=b", "InvalidParameterValue", "with and without a number"),
        ("DescribeInstances", "Filter=a", "InvalidParameterValue", "has members"),
        ("DescribeInstances", "Filter.1=a", "InvalidParameterValue", "has members"),
        ("DescribeInstances", "InstanceId.999999999=a", "InvalidParameterValue", "beyond 5000"),
        ("DescribeInstances", "InstanceId.5001=a", "InvalidParameterValue", "beyond 5000"),
        ("DescribeInstances", "InstanceId.1=a%00b", "InvalidParameterValue", "XML 1.0"),
        ("ImportKeyPair", "KeyName=k&PublicKeyMaterial=***", "InvalidParameterValue", "Invalid BASE64 encoding"),
        (
            "ModifyInstanceAttribute",
            "InstanceId=i-1&UserData.Value=***",
            "InvalidParameterValue",
            "Invalid BASE64 encoding of user data",
        ),
        ("DescribeSpotPriceHistory", "StartTime=now", "InvalidParameterValue", "Expecting a time"),
    ],
)
def test_a_bad_request_is_refused_in_words_that_name_what_is_wrong(name, form, code, words):
    error = refusal(name, form)

    assert error.code == code
    assert words in error.message


@pytest.mark.parametrize(
    "form",
    [
        "&".join(["A=1"] * 1_000_000),
        "&".join(f"InstanceId.{n}=i" for n in range(MAX_FIELDS + 1)),
        "A" * 1_000_000 + "=1",
        "Filter" + ".1" * 500_000 + "=1",
        "MinCount=" + "9" * 1_000_000,
    ],
)
def test_a_huge_request_is_refused_cheaply_and_in_few_words(form):
    began = time.process_time()
    error = refusal("RunInstances" if form.startswith("Min") else "DescribeInstances", form)

    assert error.status == 400
    assert len(error.message) < 400
    assert time.process_time() - began < 0.5
