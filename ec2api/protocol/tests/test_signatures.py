"""Signatures that botocore makes are taken, in every form that clients send them; anything else is refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import examples
from ec2api.protocol.errors import ApiError
from ec2api.protocol.signature import (
    Credential,
    SignedRequest,
    read_credential,
    unknown_access_key,
    verify,
)

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials(KEY, SECRET)
BODY = b"Action=DescribeRegions&Version=2016-11-15"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def as_sent(request: AWSRequest) -> SignedRequest:
    """What arrives of a request that botocore has signed; the HTTP library adds Host."""
    parts = urlsplit(request.url)
    headers = [(name, value if isinstance(value, str) else value.decode()) for name, value in request.headers.items()]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.append(("Host", parts.netloc))
    body = request.data.encode() if isinstance(request.data, str) else request.data or b""
    return SignedRequest(request.method, parts.path, parts.query, headers, body)


def signed(
    *,
    method: str = "POST",
    url: str = "http://localhost:8000/",
    body: bytes = BODY,
    headers: dict[str, str] | None = None,
    service: str = "ec2",
    region: str = "us-east-1",
    credentials: Credentials = CREDENTIALS,
) -> SignedRequest:
    request = AWSRequest(method, url, headers=headers or {"Content-Type": FORM}, data=body)
    SigV4Auth(credentials, service, region).add_auth(request)
    return as_sent(request)


def presigned(*, method: str = "GET", expires: int = 300) -> SignedRequest:
    fields = {"Action": "DescribeRegions", "Version": "2016-11-15"}
    request = AWSRequest(method, "http://localhost:8000/", headers={"Content-Type": FORM}, data=fields)
    SigV4QueryAuth(CREDENTIALS, "ec2", "us-east-1", expires=expires).add_auth(request)
    return as_sent(request)


def check(request: SignedRequest, secret: str = SECRET, now: datetime | None = None) -> Credential:
    credential = read_credential(request)
    verify(request, credential, secret, now or datetime.now(UTC))
    return credential


def refusal(request: SignedRequest, secret: str = SECRET, now: datetime | None = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        check(request, secret, now)
    return caught.value


def with_header(request: SignedRequest, name: str, value: str | None) -> SignedRequest:
    """The request with that header instead of its own, or without it."""
    kept = [pair for pair in request.headers if pair[0].lower() != name.lower()]
    return replace(request, headers=kept if value is None else [*kept, (name, value)])


def rewritten(request: SignedRequest, old: str, new: str) -> SignedRequest:
    """With another Authorization header."""
    (value,) = request.header("authorization")
    assert old in value
    return with_header(request, "Authorization", value.replace(old, new))


@pytest.mark.parametrize("service", ["ec2", "sts"])
@pytest.mark.parametrize("region", ["us-east-1", "yushan-1", "undefined-12345"])
def test_a_signed_post_is_taken_for_any_region(service, region):
    credential = check(signed(service=service, region=region))

    assert (credential.access_key, credential.service, credential.region) == (KEY, service, region)
    assert not credential.presigned


def test_a_signed_get_is_taken():
    check(signed(method="GET", url="http://localhost:8000/?Version=2016-11-15&Action=DescribeRegions", body=b""))


@pytest.mark.parametrize(
    "url",
    [
        "https://cloud.example/",
        "https://cloud.example",
        "http://127.0.0.1:8000/ec2/",
        "http://127.0.0.1:8000/ec2",
        "http://127.0.0.1:8000//ec2/./x/../",
        "http://[::1]:8000/a%20b/~c/%E9%9B%B2/",
    ],
)
def test_any_endpoint_address_is_taken(url):
    check(signed(url=url))


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": FORM, "amz-sdk-invocation-id": "5f6b", "amz-sdk-request": "attempt=1", "content-length": "41"},
        {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Content-Type": FORM},
        {"X-Odd": "  much   white \t space  ", "x-empty": ""},
        {"X-Quoted": '"a   b"'},
        {"User-Agent": "libcloud/3.8"},
        {"X-Amz-Content-SHA256": sha256(BODY).hexdigest()},
        {"Date": "set by the signer"},
    ],
)
def test_any_set_of_signed_headers_is_taken(headers):
    check(signed(headers=headers))


def test_a_header_sent_twice_is_joined_by_a_comma():
    request = signed(headers={"X-Twice": "one,two  three"})

    apart = with_header(request, "X-Twice", "one")
    check(replace(apart, headers=[*apart.headers, ("x-twice", " two three ")]))


def test_a_header_that_is_not_ascii_is_taken_as_the_server_decodes_it():
    request = signed(headers={"X-Name": "雲"})

    check(with_header(request, "X-Name", "雲".encode().decode("latin-1")))


def test_headers_that_were_not_signed_may_be_added_on_the_way():
    check(with_header(signed(), "X-Forwarded-For", "192.0.2.1"))


def test_signed_headers_need_no_order_and_the_header_no_spaces():
    (value,) = signed().header("authorization")

    check(with_header(signed(), "Authorization", value.replace(", ", ",")))


def sign_as_libcloud(query_as_sent: str, canonical: str) -> SignedRequest:
    """libcloud signs a GET by the encoded pairs in order, and sends the same pairs in another spelling."""
    request = signed(method="GET", url=f"http://localhost:8000/?{canonical}", body=b"")
    return replace(request, query=query_as_sent)


def test_it_does_not_matter_how_the_query_was_spelled_or_ordered():
    pairs = [("Action", "CreateTags"), ("Tag.0.Key", "a b/c~*"), ("Tag.0.Value", "雲=&+"), ("Empty", "")]
    canonical = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(pairs))

    check(sign_as_libcloud(urlencode(pairs), canonical))
    check(sign_as_libcloud(urlencode(pairs[::-1]).replace("Empty=", "Empty"), canonical))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_presigned_query_is_taken_until_it_expires(method):
    request = presigned(method=method, expires=300)
    credential = check(request)

    assert credential.presigned
    check(request, now=credential.signed_at + timedelta(seconds=299))
    assert refusal(request, now=credential.signed_at + timedelta(seconds=301)).code == "RequestExpired"
    assert refusal(request, now=credential.signed_at - timedelta(minutes=16)).code == "RequestExpired"


def test_fifteen_minutes_of_skew_are_allowed_either_way_and_no_more():
    request = signed()
    at = read_credential(request).signed_at

    for minutes in (-14, 14):
        check(request, now=at + timedelta(minutes=minutes))
    for minutes in (-16, 16):
        error = refusal(request, now=at + timedelta(minutes=minutes))
        assert error.code == "RequestExpired"
        assert error.status == 400


def test_a_date_header_may_have_any_zone():
    request = signed(headers={"Date": "set by the signer"})
    at = read_credential(request).signed_at

    assert read_credential(with_header(request, "Date", format_datetime(at))).signed_at == at


def test_the_wrong_secret_is_refused():
    error = refusal(signed(), secret="another")

    assert error.code == "SignatureDoesNotMatch"
    assert error.status == 403


@pytest.mark.parametrize(
    "tamper",
    [
        lambda r: replace(r, method="GET"),
        lambda r: replace(r, path="/other"),
        lambda r: replace(r, query="Action=TerminateInstances"),
        lambda r: replace(r, body=BODY + b"&DryRun=true"),
        lambda r: with_header(r, "Host", "localhost"),
        lambda r: with_header(r, "Host", "localhost:8001"),
        lambda r: replace(r, headers=[*r.headers, ("Host", "localhost:8000")]),
        lambda r: with_header(r, "Content-Type", "text/plain"),
        lambda r: with_header(r, "Content-Type", None),
        lambda r: rewritten(r, "us-east-1", "us-east-2"),
        lambda r: rewritten(r, "/ec2/", "/sts/"),
        lambda r: rewritten(r, "host;", "content-length;host;"),
        lambda r: rewritten(r, "host;x-amz-date", "host"),
        lambda r: with_header(r, "X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
        lambda r: with_header(r, "X-Amz-Content-SHA256", sha256(b"").hexdigest()),
    ],
)
def test_a_request_changed_after_signing_is_refused(tamper):
    assert refusal(tamper(signed())).code == "SignatureDoesNotMatch"


def test_an_unsigned_payload_is_refused_even_if_the_client_signed_that_it_is():
    request = signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})

    error = refusal(request)

    assert error.code == "SignatureDoesNotMatch"
    assert "x-amz-content-sha256" in error.message


def test_a_presigned_query_changed_after_signing_is_refused():
    request = presigned()

    for old, new in (("Expires=300", "Expires=301"), ("DescribeRegions", "DescribeVpcs")):
        assert refusal(replace(request, query=request.query.replace(old, new))).code == "SignatureDoesNotMatch"
    assert refusal(replace(request, body=b"Action=TerminateInstances")).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("tamper", "code", "words"),
    [
        (lambda r: with_header(r, "Authorization", None), "MissingAuthenticationToken", "not signed"),
        (lambda r: replace(r, headers=[]), "MissingAuthenticationToken", "not signed"),
        (lambda r: with_header(r, "Authorization", "Basic YTpi"), "IncompleteSignature", "AWS4-HMAC-SHA256"),
        (lambda r: with_header(r, "Authorization", "AWS AKIA:sig"), "AuthFailure", "Signature Version 4"),
        (lambda r: rewritten(r, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "AuthFailure", "ECDSA"),
        (lambda r: rewritten(r, "Signature=", "Sig="), "IncompleteSignature", "requires 'Signature'"),
        (lambda r: rewritten(r, "Credential=", "Cred="), "IncompleteSignature", "requires 'Credential'"),
        (lambda r: rewritten(r, "SignedHeaders=", "Credential="), "IncompleteSignature", "more than once"),
        (lambda r: rewritten(r, "/aws4_request", ""), "IncompleteSignature", "exactly 5"),
        (lambda r: rewritten(r, "/ec2/", "/s3/"), "SignatureDoesNotMatch", "correct service"),
        (lambda r: rewritten(r, KEY, "<script>"), "IncompleteSignature", "malformed"),
        (lambda r: rewritten(r, "Signature=", "Signature=é"), "IncompleteSignature", "64"),
        (lambda r: rewritten(r, "host;x-amz-date", "x-amz-date"), "SignatureDoesNotMatch", "'Host'"),
        (lambda r: rewritten(r, "host;", "host;host;"), "IncompleteSignature", "twice"),
        (lambda r: rewritten(r, "host;", "host;a\nb;"), "IncompleteSignature", "SignedHeaders"),
        (lambda r: rewritten(r, "host;", "host;" + "a;" * 5000), "IncompleteSignature", "too long"),
        (lambda r: with_header(r, "X-Amz-Date", None), "IncompleteSignature", "X-Amz-Date"),
        (lambda r: with_header(r, "X-Amz-Date", "yesterday"), "IncompleteSignature", "basic format"),
        (lambda r: with_header(r, "X-Amz-Date", "20001123T091546Z"), "SignatureDoesNotMatch", "Credential scope"),
        (lambda r: with_header(r, "X-Amz-Security-Token", "t"), "AuthFailure", "Session tokens"),
        (lambda r: replace(r, query="X-Amz-Algorithm=AWS4-HMAC-SHA256"), "IncompleteSignature", "more than one"),
        (
            lambda r: with_header(replace(r, body=b"AWSAccessKeyId=A&SignatureVersion=2"), "Authorization", None),
            "AuthFailure",
            "SignatureVersion 2",
        ),
        (
            lambda r: with_header(replace(r, query="SignatureVersion=2", body=b""), "Authorization", None),
            "AuthFailure",
            "signature_version='4'",
        ),
    ],
)
def test_a_malformed_signature_is_refused_by_name(tamper, code, words):
    error = refusal(tamper(signed()))

    assert error.code == code
    assert words in error.message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("X-Amz-Expires=300", "X-Amz-Expires=0", "from 1 to 604800"),
        ("X-Amz-Expires=300", "X-Amz-Expires=604801", "from 1 to 604800"),
        ("X-Amz-Expires=300", "X-Amz-Expires=-1", "from 1 to 604800"),
        ("X-Amz-Expires=300", "", "requires 'X-Amz-Expires'"),
        ("X-Amz-Expires=300", "X-Amz-Expires=300&X-Amz-Expires=300", "more than once"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=HMAC", "not supported"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", "requires 'X-Amz-Algorithm'"),
        ("X-Amz-Date=2", "X-Amz-Security-Token=t&X-Amz-Date=2", "Session tokens"),
    ],
)
def test_a_malformed_presigned_query_is_refused_by_name(old, new, words):
    request = presigned()
    assert old in request.query

    assert words in refusal(replace(request, query=request.query.replace(old, new))).message


def test_an_unknown_key_is_told_what_its_service_says():
    assert (unknown_access_key("ec2").code, unknown_access_key("ec2").status) == ("AuthFailure", 401)
    assert (unknown_access_key("sts").code, unknown_access_key("sts").status) == ("InvalidClientTokenId", 403)


PIECES = st.sampled_from(
    [
        "AWS4-HMAC-SHA256 ",
        "Credential=",
        "SignedHeaders=",
        "Signature=",
        "host",
        "X-Amz-Algorithm=",
        "X-Amz-Expires=",
        "0" * 64,
        f"{KEY}/20261123/us-east-1/ec2/aws4_request",
        *",;/=&%+ é\ud800\n雲",
    ]
)
MESS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40)


@settings(max_examples=examples(400), deadline=None)
@given(MESS, MESS, MESS, MESS, st.binary(max_size=20))
def test_nothing_but_an_api_error_ever_comes_of_a_mess(authorization, path, query, date, body):
    headers = [("authorization", authorization), ("x-amz-date", date), ("date", date), ("host", path)]

    for kept in (headers, headers[1:], headers[2:]):
        request = SignedRequest("POST", path, query, kept, body)
        with suppress(ApiError):
            verify(request, read_credential(request), SECRET, datetime.now(UTC))


@settings(max_examples=examples(300), deadline=None)
@given(path=MESS, query=MESS, host=MESS, date=st.just("20261123T091546Z") | MESS)
def test_nothing_but_an_api_error_ever_comes_of_a_mess_around_a_good_credential(path, query, host, date):
    now = datetime(2026, 11, 23, 9, 15, 46, tzinfo=UTC)
    scope = f"{KEY}/20261123/us-east-1/ec2/aws4_request"
    value = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    request = SignedRequest("GET", path, query, [("Authorization", value), ("Host", host), ("X-Amz-Date", date)])

    with pytest.raises(ApiError):
        verify(request, read_credential(request), SECRET, now)
