"""Identifiers as EC2 makes them."""

from __future__ import annotations

import re
import secrets

HEX_DIGITS = 17
PATTERN = re.compile(r"^([a-z]+(?:-[a-z]+)?)-([0-9a-f]{8}|[0-9a-f]{17})\Z")


def new_id(prefix: str) -> str:
    """A new identifier such as ``i-0123456789abcdef0``."""
    return f"{prefix}-{secrets.token_hex(9)[:HEX_DIGITS]}"


def looks_like(prefix: str, text: str) -> bool:
    """Whether ``text`` has the form of an identifier of this kind; EC2 calls anything else malformed."""
    match = PATTERN.match(text)
    return match is not None and match[1] == prefix


def new_account_id() -> str:
    """Twelve digits, the first of them not zero."""
    return str(secrets.randbelow(9 * 10**11) + 10**11)
