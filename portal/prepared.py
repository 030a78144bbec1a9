"""Queries of the hot path, compiled by the ORM once; after that they are only run, with other values.

To build and compile a query takes Django several times as long as the database needs to answer it, each time anew, and
an API call asks half a dozen.  What is written here stays a query set, checked and translated by the ORM:

    _TYPE = Prepared(lambda: InstanceType.objects.filter(name=slot("name"), is_enabled=True).order_by())
    kind = _TYPE.one(name="t2.nano")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.constants import ROW_COUNT

Row = TypeVar("Row")


class _Slot(Value):
    """A place in a query that is filled when it is run."""

    def __init__(self, name: str, kind: Field[Any, Any] | None, *, is_many: bool = False) -> None:
        super().__init__(None, output_field=kind)
        self.name, self.kind, self.is_many = name, kind, is_many

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "(%s)" if self.is_many else "%s", (self,)

    def taken_from(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """What fills it, as the database takes it."""
        value = values[self.name]
        if not self.is_many:
            return [self._written(value)]
        return [self._written(each) for each in value] or [None]  # which nothing equals

    def _written(self, value: Any) -> Any:
        if isinstance(value, Model):
            return value.pk
        return value if self.kind is None else self.kind.get_db_prep_value(value, connection)


def slot(name: str, kind: Field[Any, Any] | None = None) -> Any:
    """Stands for a value in a query; never for None, because a query for NULL is another one.

    ``kind``: of what is computed with, and of what each database writes in its own way (times, addresses).
    """
    return _Slot(name, kind)


def slots(name: str, kind: Field[Any, Any] | None = None) -> Any:
    """Stands for any number of values after ``__in``."""
    return _Slot(name, kind, is_many=True)


class _Compiled(threading.local):
    """A thread's own: a compiler belongs to one connection."""

    compiler: SQLCompiler | None = None
    rows: QuerySet[Any, Any]
    iterable: Any  # Django's, which makes objects, tuples or values of what comes
    pieces: Sequence[str]  # of the statement, between its parameters
    parts: Sequence[Any]  # the parameters, some of them slots

    def take(self, compiler: SQLCompiler) -> None:
        sql, self.parts = compiler.as_sql()
        self.pieces = sql.split("%s")
        assert len(self.pieces) == len(self.parts) + 1, sql
        self.compiler = compiler

    def fill(self, values: Mapping[str, object]) -> SQLCompiler:
        """The compiler, which answers with the statement for these values."""
        compiler = self.compiler
        assert compiler is not None
        sql, filled = self.pieces[0], list[Any]()
        for part, piece in zip(self.parts, self.pieces[1:], strict=True):
            taken = part.taken_from(values) if isinstance(part, _Slot) else (part,)
            sql += ", ".join(["%s"] * len(taken)) + piece
            filled += taken
        compiler.as_sql = lambda *_, **__: (sql, tuple(filled))  # type: ignore[method-assign]
        return compiler


class Prepared(Generic[Row]):
    """A query set with slots."""

    def __init__(self, build: Callable[[], QuerySet[Any, Row]]) -> None:
        self._build = build
        self._compiled = _Compiled()

    def __call__(self, **values: object) -> list[Row]:
        """The rows there are for these values."""
        compiled = self._compiled
        if compiled.compiler is None:
            self._compile(compiled)
        compiled.fill(values)
        return list(compiled.iterable(compiled.rows))

    def one(self, **values: object) -> Row | None:
        """Of what there is one at most."""
        return next(iter(self(**values)), None)

    def _compile(self, compiled: _Compiled) -> None:
        rows = self._build()
        compiler: Any = rows.query.get_compiler(rows.db)
        compiled.take(compiler)
        converters = compiler.get_converters([column[0] for column in compiler.select or ()])
        compiler.get_converters = lambda _: converters
        rows.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]
        compiled.rows, compiled.iterable = rows, rows._iterable_class


class PreparedUpdate:
    """An update of a query set, with slots in its conditions and in what it sets."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]], **changes: object) -> None:
        self._build, self._changes = build, changes
        self._compiled = _Compiled()

    def __call__(self, **values: object) -> int:
        """How many rows were changed."""
        compiled = self._compiled
        if compiled.compiler is None:
            rows = self._build()
            query: Any = rows.query.chain(UpdateQuery)
            query.add_update_values(self._changes)
            compiled.take(query.get_compiler(rows.db))
        compiler: Any = compiled.fill(values)
        return int(compiler.execute_sql(ROW_COUNT))
