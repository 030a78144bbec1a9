"""Whatever a client sends, it is told what is wrong with it; InternalError is for bugs of ours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import examples
from ec2api.registry import ACTIONS, Action, load_actions
from ec2api.tests.cloud import settle, signed
from ec2api.tests.driving import load
from ec2api.tests.driving.examples import fields, options_for, scalar
from ec2api.tests.driving.filters import documented
from ec2api.tests.driving.references import leaves
from ec2api.tests.driving.tables import Things, made_by

load()
load_actions()
EC2 = [action for (service, _name), action in sorted(ACTIONS.items()) if service == "ec2"]
SHARES = 8  # of the actions, so that what they are driven with is not made for each of them

TEXTS = [
    *("", " ", "a", "*", "?", "\\", "\\*", "%", "_", "tag:", "tag:x", "aws:x", "default", "self", "true", "TRUE", "0"),
    *("-1", "+1", "1.5", "1e999", "NaN", "٣", "65536", "2147483648", "9223372036854775808", "9" * 30, "9" * 5000),
    *("2024-13-45T99:99:99", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+14:00", "2024-01-01T00:00:00"),
    *("a\x00b", "\x1b[31m", "\r\n", "\ud800", "\udfff\ud800", "\ufffe", "\U0001f600", "\u202e", "e\u0301"),
    *("x" * 256, "x" * 70_000, "\U0001f600" * 300, "<x>&]]>", "'; DROP TABLE", "eA", "eA==", "{}", "[1]"),
    *("i-", "i-0123456789abcdef0", "i-0123456789ABCDEF0", "vol-ffffffff", "ami-1", "sg-\u0661", "-", "arn:aws:x"),
    *("10.0.0.0/8", "10.0.0.1/8", "0.0.0.0/0", "10.0.0.0/99", "300.1.1.1", "::/0", "::ffff:1.2.3.4", "/dev/sda1"),
]
INDICES = [
    "0",
    "00",
    "1",
    "2",
    "7",
    "5000",
    "5001",
    "2147483648",
    "9" * 30,
    "-1",
    "x",
    "",
    "1.1",
    "\u0661",
    "1.1.1.1.1",
]
NAMES = ["", ".", "..", "X", "x" * 300, "Filter.1.Nonsense", "a.b.c.d.e.f.g", "\x00", "\ud800", "Action", "DryRun"]
texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=()), max_size=20)
Fields = list[tuple[str, str]]


def property_of(count: int) -> settings:
    return settings(
        max_examples=examples(count),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )


def optional(action: Action) -> list[tuple[str, str]]:
    """Fields for all that the action can be sent, at any depth, lists with one element, with a likely value each."""
    shape = action.operation.input
    assert shape is not None
    found = []
    for path, leaf in leaves(shape, ()):
        names, at = [], shape
        for each in path:
            at = at.element.shape if at.type == "list" else at
            member = at.members[each]
            names.append(member.request_name)
            at = member.shape
            if at.type == "list":
                names.append("1")
        found.append((".".join(names), str(scalar(leaf, path[-1])).lower()))
    return [each for each in found if each[0] != "DryRun"]


@st.composite
def mutated(draw: st.DrawFn, action: Action, own: Things) -> Fields:
    """A valid request with more in it, and some of that spoilt."""
    sent = dict(fields(action, options_for(action, own)))
    if more := optional(action):
        sent |= dict(draw(st.lists(st.sampled_from(more), max_size=4)))
    if names := documented(action):
        values = {"Filter.1.Name": draw(st.sampled_from([*names, "tag:x"])), "Filter.1.Value.1": draw(texts)}
        sent |= draw(st.sampled_from([{}, values]))
    found = list(sent.items())
    for _ in range(draw(st.integers(0, 3))):
        found = draw(spoilt(found))
    return found


@st.composite
def spoilt(draw: st.DrawFn, sent: Fields) -> Fields:
    at = draw(st.integers(0, len(sent) - 1))
    name, value = sent[at]
    match draw(st.sampled_from(["value", "value", "value", "number", "name", "twice", "deeper", "away"])):
        case "value" if name != "Action":
            return [*sent[:at], (name, draw(texts)), *sent[at + 1 :]]
        case "number":
            number = draw(st.sampled_from(INDICES))
            return [*sent[:at], (re.sub(r"\.1\b", lambda _: f".{number}", name, count=1), value), *sent[at + 1 :]]
        case "name":
            return [*sent, (draw(st.sampled_from(NAMES) | texts), value)]
        case "twice":
            return [*sent, (name, draw(texts))]
        case "deeper":
            return [*sent, (f"{name}{draw(st.sampled_from(['.1', '.x', '.', '.1.1.1']))}", value)]
        case "away" if name != "Action":
            return sent[:at] + sent[at + 1 :]
    return sent


def check(response: Any, asked: object) -> None:
    """An EC2 envelope, well-formed, with a code if it is a refusal, and never one of our own making."""
    assert response.status_code < 500, (asked, response.content)
    assert response["Content-Type"] == "text/xml;charset=UTF-8"
    root = ElementTree.fromstring(response.content)
    if response.status_code >= 400:
        code, message = root.findtext("Errors/Error/Code"), root.findtext("Errors/Error/Message")
        assert code, response.content
        assert message, response.content
        assert len(message) < 2000, (asked, len(message))
        assert re.fullmatch(r"[A-Za-z.]+", code), code
        assert root.findtext("RequestID"), response.content
    else:
        assert root.tag.endswith("Response"), response.content


@pytest.fixture
def own(account, image) -> Things:
    made = made_by(account)
    settle()
    return made | {"image": image.ec2_id}


@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_a_client_sends_is_our_fault(account, own, share):
    for action in EC2[share::SHARES]:

        @property_of(25)
        @given(mutated(action, own))
        def try_it(asked: Fields) -> None:
            with transaction.atomic():
                check(signed(account, asked), asked)
                transaction.set_rollback(True)
            assert connection.is_usable()

        try_it()


def test_what_the_tests_take_for_valid_is(account, own):
    """Or the property above would hear of nothing but missing parameters."""
    refused = {}
    for action in EC2:
        with transaction.atomic():
            response = signed(account, fields(action, options_for(action, own)))
            transaction.set_rollback(True)
        code = re.search(rb"<Code>(.*?)</Code><Message>(.*?)</Message>", response.content)
        if code and code[1] in (b"MissingParameter", b"InvalidParameterValue", b"InvalidParameterCombination"):
            refused[action.operation.name] = code[2].decode()

    assert not refused, "say what they need by needs() in ec2api/tests/driving/<the action's area>.py"


@property_of(40)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=6))
def test_fields_of_no_action_at_all(account, sent):
    response = signed(account, [("Action", "RunInstances"), *sent])

    assert 400 <= response.status_code < 500
    check(response, sent)


@property_of(60)
@given(st.binary(max_size=200), st.sampled_from(["POST", "GET"]))
def test_random_bytes_that_are_signed(account, sent, method):
    text = sent.decode("latin-1")

    check(signed(account, text if method == "POST" else re.sub(r"[^!-~]|[#]", "%FF", text), method=method), sent)


SIGNATURES = [
    *("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=", "AWS x:y", "AWS4-HMAC-SHA256 ,,,==="),
    "AWS4-HMAC-SHA256 Credential=A/20261123/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x",
    "AWS4-HMAC-SHA256 Credential=A/20261123/us-east-1/ec2/aws4_request, SignedHeaders=;;;, Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential=A/B/C/D/E, SignedHeaders=host;host, Signature=" + "0" * 64,
]


@property_of(60)
@given(
    st.binary(max_size=100),
    st.sampled_from(SIGNATURES) | st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=60),
    st.sampled_from(["", "x", "20261123T000000Z", "99999999T999999Z", "\u00b2"]),
)
def test_random_bytes_that_are_not_signed(db, body, authorization, date):
    headers = {"HTTP_AUTHORIZATION": authorization, "HTTP_X_AMZ_DATE": date}

    response = Client().generic("POST", "/", body, content_type="application/x-www-form-urlencoded", **headers)

    check(response, (body, authorization, date))


@property_of(60)
@given(st.lists(st.tuples(st.sampled_from(
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
     "Action", "AWSAccessKeyId", "Signature", "SignatureVersion"]
), texts.map(lambda text: text.encode(errors="surrogatepass").hex()) | st.sampled_from(
    ["AWS4-HMAC-SHA256", "A/20261123/us-east-1/ec2/aws4_request", "20261123T000000Z", "-1", "9" * 30, "host", "%00"]
)), min_size=1, max_size=8))  # fmt: skip
def test_queries_signed_at_random(db, pairs):
    query = "&".join(f"{name}={value}" for name, value in pairs)

    check(Client().generic("GET", f"/?Action=DescribeInstances&{query}"), query)


HUGE = {
    "a body of 10 MB": "x" * 10_000_000,
    "a million fields": "&".join(f"a.{n}=" for n in range(300_000)),
    "a million empty fields": "&" * 1_000_000,
    "a name of many parts": "Action=RunInstances&Placement" + ".x" * 1_000_000,
    "a list of lists": "Action=DescribeInstances&Filter" + ".1" * 1_000_000 + "=x",
    "numbers far apart": "Action=DescribeInstances&" + "&".join(f"InstanceId.{n}=i-1" for n in range(4000, 9000)),
    "more fields than any request has": "Action=DescribeInstances&"
    + "&".join(f"InstanceId.{n}=" for n in range(10_001)),
    "one value of 4 MB": "Action=DescribeInstances&InstanceId.1=" + "%41" * 1_300_000,
}


@pytest.mark.parametrize("body", HUGE.values(), ids=HUGE)
def test_huge_requests_are_refused_before_any_work(account, body, django_assert_max_num_queries):
    """The access key is looked up, and its use noted; nothing else is asked of the database."""
    with django_assert_max_num_queries(2) as asked:
        response = signed(account, body)

    check(response, body[:100])
    assert 400 <= response.status_code < 500
    assert not [each["sql"] for each in asked if "portal_accesskey" not in each["sql"]]
    assert len(response.content) < 2000


def test_bodies_beyond_the_limit_are_not_even_authenticated(account, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = signed(account, "x" * 10_000_000)

    assert response.status_code == 413


def test_ids_of_any_length_and_number_are_told_in_few_words(account):
    long = signed(account, {"Action": "StopInstances", "InstanceId.1": "x" * 50_000})
    many = signed(account, [("Action", "StopInstances"), *((f"InstanceId.{n}", f"i-{n:017x}") for n in range(1, 4000))])

    check(long, "a long id")
    assert len(many.content) < 3000
