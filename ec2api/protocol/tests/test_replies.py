"""Replies are what botocore reads back unchanged, with what other clients need besides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import examples
from ec2api.protocol.model import API_VERSIONS
from ec2api.protocol.response import ReplyError, render
from ec2api.protocol.tests.shapes import OPERATIONS, full, known, read_by_botocore, values

EC2_2016 = "http://ec2.amazonaws.com/doc/2016-11-15/"


def text_of(name: str, reply: dict[str, object], service: str = "ec2") -> str:
    return render(known(name, service), reply, "req-1", API_VERSIONS[service]).decode()


def test_every_member_of_every_operation_reaches_botocore():
    for service, name in OPERATIONS:
        op = known(name, service)
        reply = full(op.output) if op.output else {}
        assert isinstance(reply, dict)

        read = read_by_botocore(op, render(op, reply, "req-1", API_VERSIONS[service]))

        assert read.pop("ResponseMetadata")["RequestId"] == "req-1"
        assert read == reply, name


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_reply_reaches_botocore(data):
    service, name = data.draw(st.sampled_from(OPERATIONS))
    op = known(name, service)
    reply = data.draw(values(op.output, milliseconds=True)) if op.output else {}

    read = read_by_botocore(op, render(op, reply, "req-1", ""))

    del read["ResponseMetadata"]
    if "Return" not in reply:
        read.pop("Return", None)
    assert read == reply


@settings(max_examples=examples(200), deadline=None)
@given(st.text())
def test_no_text_can_break_the_reply(text):
    document = text_of("CreateKeyPair", {"KeyName": text})

    root = ElementTree.fromstring(document)
    assert len(root.findtext(f"{{{EC2_2016}}}keyName") or "") == len(text)


def test_what_xml_cannot_carry_becomes_the_replacement_character():
    assert "<keyName>a\ufffdb\ufffd&amp;&lt;&#13;\n</keyName>" in text_of(
        "CreateKeyPair", {"KeyName": "a\0b\ud800&<\r\n"}
    )


def test_the_namespace_is_of_the_clients_version_and_ends_in_a_slash():
    document = render(known("DescribeRegions"), {"Regions": []}, "req-1", "2015-10-01").decode()

    assert document == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2015-10-01/"><requestId>req-1</requestId>'
        "<regionInfo/></DescribeRegionsResponse>"
    )


def test_a_version_cannot_break_out_of_the_namespace():
    assert f'xmlns="{EC2_2016}"' in render(known("DescribeRegions"), {}, "r", '"><x').decode()


@pytest.mark.parametrize(
    "name",
    ["CreateTags", "DeleteVolume", "RebootInstances", "DeleteKeyPair", "AssociateAddress", "CreateSecurityGroup"],
)
def test_a_reply_without_more_to_say_says_return_true(name):
    assert text_of(name, {}).count("<return>true</return>") == 1


def test_a_given_return_is_kept():
    assert "<return>false</return>" in text_of("AuthorizeSecurityGroupIngress", {"Return": False})


def test_none_is_left_out_and_an_empty_list_is_not():
    document = text_of("DescribeKeyPairs", {"KeyPairs": [{"KeyName": None, "Tags": [], "KeyPairId": "key-1"}]})

    assert "<keySet><item><tagSet/><keyPairId>key-1</keyPairId></item></keySet>" in document.replace(
        "<keyPairId>key-1</keyPairId><tagSet/>", "<tagSet/><keyPairId>key-1</keyPairId>"
    )


def test_values_are_spelled_as_amazon_does():
    east = datetime(2026, 11, 23, 17, 15, 46, 123456, tzinfo=timezone(timedelta(hours=8)))
    volume = {"CreateTime": datetime(2026, 11, 23, 9, 15, 46, tzinfo=UTC), "Encrypted": False, "Size": 8}

    document = text_of("DescribeVolumes", {"Volumes": [volume, {"CreateTime": east}]})

    assert "<createTime>2026-11-23T09:15:46.000Z</createTime>" in document
    assert "<createTime>2026-11-23T09:15:46.123Z</createTime>" in document
    assert "<encrypted>false</encrypted>" in document
    assert "<size>8</size>" in document


def test_a_text_enumeration_is_written_by_its_value():
    class State(str, Enum):  # noqa: UP042 - its format() differs from its value, unlike a StrEnum's
        RUNNING = "running"

    state = {"CurrentState": {"Name": State.RUNNING}}
    assert "<name>running</name>" in text_of("StartInstances", {"StartingInstances": [state]})


def test_sts_has_its_own_envelope():
    document = text_of("GetCallerIdentity", {"Account": "123456789012"}, "sts")

    assert document == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        "<Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>req-1</RequestId>"
        "</ResponseMetadata></GetCallerIdentityResponse>"
    )


@pytest.mark.parametrize(
    ("name", "reply", "words"),
    [
        ("DescribeInstances", {"Reservation": []}, "DescribeInstances has no member 'Reservation'"),
        ("DescribeInstances", {"Reservations": [{}, {"Instances": [{"Id": "i"}]}]}, r"[1].Instances[0] has no member"),
        ("DescribeInstances", {"Reservations": [{"OwnerId": 12}]}, "Reservations[0].OwnerId is a string"),
        ("DescribeVolumes", {"Volumes": [{"Size": "8"}]}, "Size is a integer"),
        ("DescribeVolumes", {"Volumes": [{"Encrypted": "no"}]}, "Encrypted is a boolean"),
        ("DescribeVolumes", {"Volumes": [{"CreateTime": datetime(2026, 1, 1)}]}, "without its zone"),
        ("DescribeVolumes", {"Volumes": "vol-1"}, "Volumes is a list"),
        ("DescribeInstanceTypes", {"InstanceTypes": [{"SupportedRootDeviceTypes": "ebs"}]}, "is a list"),
        ("DeleteVolume", {"Anything": 1}, "DeleteVolume has no output"),
    ],
)
def test_a_reply_that_the_model_does_not_know_is_a_bug_named_by_its_place(name, reply, words):
    with pytest.raises(ReplyError) as caught:
        render(known(name), reply, "req-1", "")

    assert words in str(caught.value)
