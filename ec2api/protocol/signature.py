"""AWS Signature Version 4, verified: in the Authorization header or in a presigned query, by POST or GET.

Two steps, because the secret is found by what the first one reads::

    credential = read_credential(request)
    key = ...  # by credential.access_key; none or inactive: raise unknown_access_key(credential.service)
    verify(request, credential, key.secret, now)

Whichever headers the client chose to sign are taken as it lists them (``host`` must be one): every SDK has a set of its
own.  Both functions raise only ApiError, with the codes of "Common Error Types" in the EC2 API reference; that an
unknown key is AuthFailure 401 and a wrong secret SignatureDoesNotMatch 403 is what EC2 has been seen to answer.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from ec2api.protocol.errors import ApiError

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICES = frozenset({"ec2", "sts"})
SKEW = timedelta(minutes=15)
LONGEST_EXPIRES_S = 7 * 24 * 3600
MAX_AUTHORIZATION = 8192
MAX_SIGNED_HEADERS = 100

_ACCESS_KEY = re.compile(r"[A-Za-z0-9_]{1,128}")
_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATE = re.compile(r"[0-9]{8}")
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,256}")
_EXPIRES = re.compile(r"[0-9]{1,6}")
_PRESIGNED = re.compile(r"(^|&)X-Amz-(Algorithm|Signature)=")


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came over the wire, before any decoding.

    ``path`` and ``query`` are raw (percent-encoded, without ``?``); ``headers`` are pairs, repeated where the client
    repeated them, their values decoded as Latin-1, which is how WSGI and ASGI servers give them; Host has its port.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> list[str]:
        """Every value of a header, given in lower case."""
        return [value for key, value in self.headers if key.lower() == name]


@dataclass(frozen=True)
class Credential:
    """What a request claims about who signed it, when and how; nothing of it is true before ``verify``."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    expires_s: int | None = None  # of a presigned query only

    @property
    def presigned(self) -> bool:
        return self.expires_s is not None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def signed_at(self) -> datetime:
        return _moment(self.timestamp)


def unknown_access_key(service: str) -> ApiError:
    """What an access key that is not ours, or no longer active, is told; EC2 and STS differ."""
    if service == "sts":
        return ApiError("InvalidClientTokenId", "The security token included in the request is invalid.")
    return ApiError("AuthFailure", "AWS was not able to validate the provided access credentials")


def read_credential(request: SignedRequest) -> Credential:
    """Who claims to have signed; an error says what is missing or malformed."""
    authorization = request.header("authorization")
    presigned = _PRESIGNED.search(request.query) is not None
    if len(authorization) > 1 or (authorization and presigned):
        raise _incomplete("The request carries more than one signature; send one.")
    if authorization:
        return _from_header(request, authorization[0])
    if presigned:
        return _from_query(request)
    if "SignatureVersion=" in request.query or b"SignatureVersion=" in request.body:
        raise _not_version_4("SignatureVersion 2 (or older)")
    raise ApiError(
        "MissingAuthenticationToken", "The request is not signed. Sign it with an access key, Signature Version 4."
    )


def verify(request: SignedRequest, credential: Credential, secret: str, now: datetime) -> None:
    """Return if ``secret`` made the signature and the request is of now, within 15 minutes or until it expires."""
    _check_time(credential, now)
    string_to_sign = "\n".join(
        (ALGORITHM, credential.timestamp, credential.scope, sha256(_canonical_request(request, credential)).hexdigest())
    )
    key = _signing_key(secret, credential.date, credential.region, credential.service)
    expected = hmac.new(key, string_to_sign.encode(), sha256).hexdigest()
    if not hmac.compare_digest(expected, credential.signature):
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )


def _incomplete(message: str) -> ApiError:
    return ApiError("IncompleteSignature", message)


def _mismatch(message: str) -> ApiError:
    return ApiError("SignatureDoesNotMatch", message)


def _not_version_4(found: str) -> ApiError:
    return ApiError(
        "AuthFailure",
        f"{found} is not supported. Sign with Signature Version 4 (libcloud: signature_version='4').",
    )


# Reading.


def _from_header(request: SignedRequest, value: str) -> Credential:
    if len(value) > MAX_AUTHORIZATION:
        raise _incomplete("The Authorization header is too long.")
    algorithm, _, rest = value.strip().partition(" ")
    if algorithm != ALGORITHM:
        if algorithm.startswith("AWS"):
            raise _not_version_4(f"The algorithm {algorithm[:32]}")
        raise _incomplete(f"The Authorization header must begin with {ALGORITHM}.")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, _, text = part.strip().partition("=")
        if name in fields:
            raise _incomplete(f"The Authorization header has '{name[:32]}' more than once.")
        fields[name] = text.strip()
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not fields.get(name)]
    if missing:
        raise _incomplete(" ".join(f"Authorization header requires '{name}' parameter." for name in missing))
    _refuse_session(request.header("x-amz-security-token"), fields["Credential"])
    return _credential(
        fields["Credential"], fields["SignedHeaders"], fields["Signature"], _timestamp_of_headers(request)
    )


def _from_query(request: SignedRequest) -> Credential:
    fields: dict[str, str] = {}
    try:
        for name, value in parse_qsl(request.query, keep_blank_values=True, max_num_fields=10_000):
            if name.startswith("X-Amz-"):
                if name in fields:
                    raise _incomplete(f"The query has '{name[:32]}' more than once.")
                fields[name] = value
    except ValueError:
        raise ApiError("MalformedQueryString", "The query string has too many fields.") from None
    wanted = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    missing = [f"X-Amz-{name}" for name in wanted if not fields.get(f"X-Amz-{name}")]
    if missing:
        raise _incomplete(" ".join(f"The query requires '{name}' parameter." for name in missing))
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise _not_version_4(f"The algorithm {fields['X-Amz-Algorithm'][:32]}")
    tokens = request.header("x-amz-security-token")
    tokens += [fields["X-Amz-Security-Token"]] if "X-Amz-Security-Token" in fields else []
    _refuse_session(tokens, fields["X-Amz-Credential"])
    expires = fields["X-Amz-Expires"]
    if not _EXPIRES.fullmatch(expires) or not 1 <= int(expires) <= LONGEST_EXPIRES_S:
        raise _incomplete(f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST_EXPIRES_S}.")
    signed_headers, signature = fields["X-Amz-SignedHeaders"], fields["X-Amz-Signature"]
    return _credential(fields["X-Amz-Credential"], signed_headers, signature, fields["X-Amz-Date"], int(expires))


def _credential(
    credential: str, signed_headers: str, signature: str, timestamp: str, expires_s: int | None = None
) -> Credential:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise _incomplete(
            f"Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/aws4_request, got: '{credential[:128]}'"
        )
    access_key, date, region, service, _ = parts
    if not _ACCESS_KEY.fullmatch(access_key) or not _DATE.fullmatch(date) or not _REGION.fullmatch(region):
        raise _incomplete(f"The credential '{credential[:128]}' has a malformed key, date or region.")
    if service not in SERVICES:
        raise _mismatch(f"Credential should be scoped to correct service: 'ec2' or 'sts', not '{service[:32]}'.")
    if not _SIGNATURE.fullmatch(signature):
        raise _incomplete("The signature must be 64 lower-case hexadecimal digits.")
    if not timestamp.startswith(date):
        raise _mismatch(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date}' != '{timestamp[:8]}', from '{timestamp[:32]}'."
        )
    _moment(timestamp)
    names = _signed_names(signed_headers)
    return Credential(access_key, date, region, service, names, signature, timestamp, expires_s)


def _signed_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(";", MAX_SIGNED_HEADERS + 1))
    if len(names) > MAX_SIGNED_HEADERS or not all(_HEADER_NAME.fullmatch(name) for name in names):
        raise _incomplete("SignedHeaders must be names of headers in lower case, parted by semicolons.")
    if len(set(names)) != len(names):
        raise _incomplete("SignedHeaders names a header twice.")
    if "host" not in names:
        raise _mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return names


def _refuse_session(tokens: Sequence[str], credential: str) -> None:
    if tokens:
        code = "InvalidClientTokenId" if "/sts/" in credential else "AuthFailure"
        raise ApiError(code, "Session tokens are not supported here; sign with a user's access key alone.")


# Time.


def _timestamp_of_headers(request: SignedRequest) -> str:
    """X-Amz-Date, or Date in either of its forms, as the signature spells it."""
    values = request.header("x-amz-date") or request.header("date")
    if len(values) != 1:
        raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header, once.")
    value = values[0].strip()
    if _TIMESTAMP.fullmatch(value):
        return value
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, TypeError, OverflowError, IndexError):
        raise _bad_date(value) from None


def _bad_date(value: str) -> ApiError:
    return _incomplete(f"Date must be in ISO-8601 'basic format', such as 20261123T091546Z. Got '{value[:64]}'.")


def _moment(timestamp: str) -> datetime:
    # strptime alone would also take a date with fewer digits.
    if not _TIMESTAMP.fullmatch(timestamp):
        raise _bad_date(timestamp)
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _bad_date(timestamp) from None


def _check_time(credential: Credential, now: datetime) -> None:
    age = now - credential.signed_at
    longest = timedelta(seconds=credential.expires_s) if credential.expires_s is not None else SKEW
    if age > longest or age < -SKEW:
        raise ApiError(
            "RequestExpired",
            f"Request has expired. It is dated {credential.timestamp} and the time here is {now:%Y%m%dT%H%M%SZ}; "
            f"check the clock, or sign the request again.",
        )


# Checking.


@lru_cache(maxsize=1024)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Four rounds of HMAC, the same all day for a user of one region."""
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    return key


def _canonical_request(request: SignedRequest, credential: Credential) -> bytes:
    """What the client must have hashed.  Bytes, because header values need not be UTF-8."""
    values: dict[str, list[bytes]] = {name: [] for name in credential.signed_headers}
    for name, value in request.headers:
        found = values.get(name.lower())
        if found is not None:
            found.append(_folded(value))
    for name, found in values.items():
        if not found:
            raise _mismatch(f"'{name}' is named as a SignedHeader, but it does not exist in the HTTP request")
    head = (request.method.upper(), _canonical_path(request.path), _canonical_query(request.query, credential))
    lines = [part.encode("utf-8", "replace") for part in head]
    lines += [name.encode() + b":" + b",".join(values[name]) for name in sorted(values)]
    lines += [b"", ";".join(sorted(values)).encode(), _payload_hash(request).encode()]
    return b"\n".join(lines)


def _folded(value: str) -> bytes:
    """A header's value with its white space folded, as the bytes that came over the wire."""
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "replace")
    return b" ".join(raw.split())


def _payload_hash(request: SignedRequest) -> str:
    """Of the body as it came: what the client says of it in x-amz-content-sha256 must be true as well."""
    actual = sha256(request.body).hexdigest()
    for claimed in request.header("x-amz-content-sha256"):
        if claimed.strip() != actual:
            raise _mismatch(
                "The x-amz-content-sha256 header is not the SHA-256 of the body; unsigned payloads are not accepted."
            )
    return actual


def _canonical_path(path: str) -> str:
    """Dots and doubled slashes resolved, then encoded once more, as for every service but S3."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    tail = "/" if kept and path.endswith("/") else ""
    return quote("/" + "/".join(kept) + tail, safe="/~", errors="replace")


def _canonical_query(query: str, credential: Credential) -> str:
    """Decoded and encoded anew, so that it does not matter how the client's URL spelled it, nor in which order."""
    if not query:
        return ""
    pairs = []
    for field in query.split("&"):
        name, _, value = field.partition("=")
        key = _reencoded(name)
        if field and not (credential.presigned and key == "X-Amz-Signature"):
            pairs.append((key, _reencoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _reencoded(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", " ").encode("utf-8", "replace")), safe="-_.~")
