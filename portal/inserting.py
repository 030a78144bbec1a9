"""Inserts of the hot path: the statement is written once for each model, not anew for each row."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import AutoField, Field, Model

Row = TypeVar("Row", bound=Model)
MAX_PARAMETERS = 32_000  # of one statement, for every database that we know


class _Waiting(threading.local):
    """What is to be inserted together; None when nothing waits."""

    groups: list[_Group] | None = None


class _Group(NamedTuple):
    """New rows of one model."""

    model: type[Model]
    rows: Sequence[Model]
    unique: tuple[str, ...]
    update: tuple[str, ...]


_waiting = _Waiting()


def insert(rows: Iterable[Row], *, unique: Sequence[str] = (), update: Sequence[str] = ()) -> list[Row]:
    """Insert new rows of one model and give them their keys, as ``bulk_create`` does in twice the time.

    With ``unique`` and ``update``, columns both, a row that is there already gets the new values.  It is for plain
    models, whose key the database makes and whose other columns it leaves alone.
    """
    made = list(rows)
    if made:
        model = type(made[0])
        if _waiting.groups and _point_at_waiting(made[0]):
            write()
        step = MAX_PARAMETERS // len(_fields(model))
        groups = [
            _Group(model, made[start : start + step], tuple(unique), tuple(update))
            for start in range(0, len(made), step)
        ]
        if _waiting.groups is None:
            for group in groups:
                _write([group])
        else:
            _waiting.groups += groups
    return made


@contextmanager
def together() -> Iterator[None]:
    """What is inserted within is written at its end, on PostgreSQL: by one statement, where each takes a journey.

    Until then the rows have no keys, and no query finds them; rows that point at them may be inserted, too.
    """
    if connection.vendor != "postgresql" or _waiting.groups is not None:
        yield
        return
    _waiting.groups = []
    try:
        yield
        write()
    finally:
        _waiting.groups = None


def write() -> None:
    """Write now what waits to be written together."""
    if _waiting.groups:
        groups, _waiting.groups = _waiting.groups, []
        _write(groups)


def _point_at_waiting(row: Model) -> bool:
    return any(
        getattr(row, field.attname) is None and field.is_cached(row) and field.get_cached_value(row) is not None
        for field in _pointers(type(row))
    )


def _write(groups: Sequence[_Group]) -> None:
    statements, values = zip(*map(_statement_of, groups), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_one_of(statements), [value for each in values for value in each])
        keys = cursor.fetchall()
    rows = [row for group in groups for row in group.rows]
    for row, (key,) in zip(rows, keys, strict=True):
        row.pk = key
        row._state.adding, row._state.db = False, connection.alias


def _statement_of(group: _Group) -> tuple[str, list[Any]]:
    """The statement that inserts them, and its parameters."""
    database = connections[DEFAULT_DB_ALIAS]  # itself: to go through ``connection`` for each value takes longer
    model, rows, unique, update = group
    for field in _pointers(model):
        for row in rows:
            if getattr(row, field.attname) is None and field.is_cached(row) and (of := field.get_cached_value(row)):
                setattr(row, field.attname, of.pk)  # whose key came after the row was made
    columns = [
        [field.get_db_prep_save(field.pre_save(row, True), database) for row in rows] for field in _fields(model)
    ]
    if len(rows) > 1 and database.vendor == "postgresql":
        return _of_arrays(model, unique, update), columns
    return _of_rows(model, len(rows), unique, update), [value for row in zip(*columns, strict=True) for value in row]


def _one_of(statements: Sequence[str]) -> str:
    """One statement that answers with the keys of all, in order."""
    if len(statements) == 1:
        return statements[0]
    parts = ", ".join(f'"part{n}"("key") AS ({statement})' for n, statement in enumerate(statements))
    return f"WITH {parts} " + " UNION ALL ".join(f'SELECT "key" FROM "part{n}"' for n in range(len(statements)))  # noqa: S608


@cache
def _pointers(model: type[Model]) -> list[Any]:
    return [field for field in _fields(model) if field.is_relation]


@cache
def _fields(model: type[Model]) -> list[Field[Any, Any]]:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    assert isinstance(model._meta.pk, AutoField) or model._meta.pk.db_returning, model
    assert not any(field.generated or field.has_db_default() for field in fields), model
    return fields


@lru_cache(maxsize=512)
def _of_rows(model: type[Model], count: int, unique: Sequence[str], update: Sequence[str]) -> str:
    row = f"({', '.join(['%s'] * len(_fields(model)))})"
    return _statement(model, f"VALUES {', '.join([row] * count)}", unique, update)


@cache
def _of_arrays(model: type[Model], unique: Sequence[str], update: Sequence[str]) -> str:
    """A parameter for each column instead of each value: the same statement for any number of rows, planned once."""
    types = (re.sub(r"\(\d+\)", "", field.db_type(connection) or "") for field in _fields(model))
    arrays = ", ".join(f"%s::{each}[]" for each in types)  # without a length, to which a cast would cut in silence
    return _statement(model, f"SELECT * FROM unnest({arrays})", unique, update)  # noqa: S608 - names of ours


def _statement(model: type[Model], rows: str, unique: Sequence[str], update: Sequence[str]) -> str:
    columns = [str(field.column) for field in _fields(model)]
    there = f" ON CONFLICT ({_listed(unique)}) DO UPDATE SET " if update else ""
    there += ", ".join(f'"{column}" = EXCLUDED."{column}"' for column in update)
    table, key = model._meta.db_table, model._meta.pk.column
    return f'INSERT INTO "{table}" ({_listed(columns)}) {rows}{there} RETURNING "{key}"'


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
