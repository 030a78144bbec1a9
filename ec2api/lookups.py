"""What EC2's filters need of the database.

Wildcards: ``*`` any characters, ``?`` one, a backslash takes the next one as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_ipv46_address
from django.db.models import CharField, GenericIPAddressField, Lookup, TextField
from django.db.models.fields.json import KeyTransform, KeyTransformTextLookupMixin
from django.db.models.lookups import In


def has_wildcard(pattern: str) -> bool:
    return any(character in pattern for character in "*?\\")


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(as_regex(pattern))


def as_regex(pattern: str) -> str:
    """A regular expression whose time is bounded: what follows a star matches at its first place or not at all."""
    parts = [""]
    for kind, character in _tokens(pattern):
        if kind == "*":
            parts.append("")
        else:
            parts[-1] += "." if kind == "?" else re.escape(character)
    first, *rest = parts
    if not rest:
        return rf"(?s)\A{first}\Z"
    *middle, last = rest
    return rf"(?s)\A{first}" + "".join(rf"(?>.*?{part})" for part in middle if part) + rf".*{last}\Z"


def as_like(pattern: str) -> str:
    """The same for LIKE, with the backslash as its escape."""
    signs = {"*": "%", "?": "_"}
    return "".join(
        signs.get(kind, f"\\{character}" if character in "%_\\" else character) for kind, character in _tokens(pattern)
    )


def _tokens(pattern: str) -> list[tuple[str, str]]:
    """(kind, character): kind is "*", "?" or "" for a character that stands for itself."""
    found: list[tuple[str, str]] = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            found.append(("", next(characters, "\\")))
        elif character != "*" or not found or found[-1][0] != "*":
            found.append((character if character in "*?" else "", character))
    return found


@CharField.register_lookup
@TextField.register_lookup
@GenericIPAddressField.register_lookup
class Wildcard(Lookup):
    """``name__wildcard="web-*"``: case-sensitive on every database, which LIKE is not on SQLite."""

    lookup_name = "wildcard"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, params = self.process_lhs(compiler, connection)
        if connection.vendor == "sqlite":
            return f"{column} REGEXP %s", [*params, as_regex(str(self.rhs))]
        if connection.vendor == "postgresql":
            column = f"HOST({column})" if isinstance(self.lhs.output_field, GenericIPAddressField) else column
        return f"{column} LIKE %s", [*params, as_like(str(self.rhs))]


@KeyTransform.register_lookup
class WildcardInJson(KeyTransformTextLookupMixin, Wildcard):
    """``data__ImageId__wildcard="ami-*"``: of a text in a JSON field."""


@GenericIPAddressField.register_lookup
class AmongAddresses(In):
    """``address__in=[...]``: what is no address is no row's, where PostgreSQL would refuse the whole query."""

    def get_prep_lookup(self) -> Any:
        if isinstance(self.rhs, list | tuple | set):
            self.rhs = [value for value in self.rhs if not isinstance(value, str) or _is_address(value)]
        return super().get_prep_lookup()


def _is_address(text: str) -> bool:
    """Without a scope, which Python knows and PostgreSQL does not."""
    try:
        validate_ipv46_address(text)
    except ValidationError:
        return False
    return "%" not in text
