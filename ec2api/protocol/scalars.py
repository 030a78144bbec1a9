"""Single values of a request: from the text a client sent to what Python calls them."""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime

from ec2api.protocol.errors import ApiError
from ec2api.protocol.model import Shape
from ec2api.protocol.text import is_fit

Convert = Callable[[str, str], object]

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_BITS = {"integer": 31, "long": 63}


def quoted(text: str) -> str:
    """A client's text cut to what fits into an error message."""
    return text if len(text) <= 100 else text[:100] + "..."


def _invalid(text: str, name: str, expected: str) -> ApiError:
    return ApiError(
        "InvalidParameterValue", f"Value ({quoted(text)}) for parameter {name} is invalid. Expecting {expected}."
    )


def decode_base64(text: str, what: str = "user data") -> bytes:
    """Bytes of a base64 text, line breaks allowed (openssl makes them).

    Also for members that the model calls strings although they are base64, which is RunInstances' ``UserData``.
    """
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise ApiError("InvalidParameterValue", f"Invalid BASE64 encoding of {what}") from None


def encode_base64(data: bytes) -> str:
    """For members that the model calls strings although clients decode them: GetConsoleOutput's ``Output``."""
    return b64encode(data).decode()


def _string(_shape: Shape) -> Convert:
    def convert(text: str, name: str) -> str:
        if not is_fit(text):
            raise ApiError(
                "InvalidParameterValue",
                f"The value of parameter {name} has characters that XML 1.0 cannot carry, such as control characters.",
            )
        return text

    return convert


def _integer(shape: Shape) -> Convert:
    """The range is the model's where it has one; enumerations are left to the actions, which may know more values."""
    bits = _BITS[shape.type]
    least = int(shape.minimum) if shape.minimum is not None else -(2**bits)
    most = int(shape.maximum) if shape.maximum is not None else 2**bits - 1

    def convert(text: str, name: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise _invalid(text, name, "an integer")
        value = int(text)
        if not least <= value <= most:
            raise _invalid(text, name, f"an integer from {least} to {most}")
        return value

    return convert


def _float(_shape: Shape) -> Convert:
    def convert(text: str, name: str) -> float:
        if not _FLOAT.fullmatch(text) or abs(value := float(text)) == float("inf"):
            raise _invalid(text, name, "a number")
        return value

    return convert


def _boolean(_shape: Shape) -> Convert:
    def convert(text: str, name: str) -> bool:
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise _invalid(text, name, "true or false")
        return value

    return convert


def _timestamp(_shape: Shape) -> Convert:
    def convert(text: str, name: str) -> datetime:
        try:
            value = datetime.fromisoformat(text)
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except (ValueError, OverflowError):
            raise _invalid(text, name, "a time such as 2026-11-23T09:15:46Z") from None

    return convert


def _blob(_shape: Shape) -> Convert:
    def convert(text: str, name: str) -> bytes:
        return decode_base64(text, "user data" if name.startswith("UserData") else f"parameter {name}")

    return convert


CONVERTERS: dict[str, Callable[[Shape], Convert]] = {
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}
