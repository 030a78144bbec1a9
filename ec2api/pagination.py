"""Pages of a listing: NextToken says, signed, after which row to go on and whose listing it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core import signing
from django.db.models import QuerySet

from ec2api.protocol.errors import ApiError
from ec2api.registry import Call

SALT = "ec2api.pagination"
LEAST, MOST = 5, 1000

Item = TypeVar("Item")
Rows = TypeVar("Rows", bound=QuerySet[Any, Any])


class Page:
    """One page of one listing; without MaxResults, all the rest."""

    def __init__(
        self,
        call: Call,
        max_results: int | None,
        next_token: str,
        *,
        ids: Sequence[str] = (),
        ids_name: str = "",
        least: int = LEAST,
        most: int = MOST,
    ) -> None:
        if max_results is not None and ids:
            raise ApiError(
                "InvalidParameterCombination",
                f"The parameter {ids_name} cannot be used with the parameter maxResults",
            )
        if max_results is not None and not least <= max_results <= most:
            bound, word = (least, "greater") if max_results < least else (most, "less")
            raise ApiError(
                "InvalidParameterValue",
                f"Value ( {max_results} ) for parameter maxResults is invalid."
                f" Expecting a value {word} than or equal to {bound}.",
            )
        self._listing = f"{call.action} {call.tenant.account_id}"
        self._size = max_results
        self._after = self._read(next_token) if next_token else 0

    def cut(self, rows: Rows, field: str = "pk") -> Rows:
        """This page and one row more, in the order of the rows' making."""
        rows = rows.order_by(field)
        if self._after:
            rows = rows.filter(**{f"{field}__gt": self._after})
        return rows if self._size is None else rows[: self._size + 1]

    def close(self, rows: Sequence[Item], number: Callable[[Item], int]) -> tuple[Sequence[Item], str | None]:
        """The rows of this page, and the token of the next if there is one."""
        if self._size is None or len(rows) <= self._size:
            return rows, None
        rows = rows[: self._size]
        return rows, self._write(number(rows[-1]))

    def of(self, things: Sequence[Item]) -> tuple[Sequence[Item], str | None]:
        """This page of things that are no rows, by their place in the list."""
        start = self._after
        stop = len(things) if self._size is None else start + self._size
        return things[start:stop], self._write(stop) if stop < len(things) else None

    def _write(self, number: int) -> str:
        return signing.dumps([self._listing, number], salt=SALT)

    def _read(self, token: str) -> int:
        try:
            listing, number = signing.loads(token, salt=SALT)
        except signing.BadSignature:
            listing, number = "", 0
        if listing != self._listing:
            raise ApiError("InvalidNextToken", "The specified NextToken is not of this listing; begin it anew.")
        return int(number)
