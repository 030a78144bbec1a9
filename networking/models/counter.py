"""Numbers that only grow."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, models


def advance(model: type[models.Model], column: str, pk: int | str, step: int) -> int | None:
    """Add to a number of a row and return what it is then, in one statement; None if there is no such row."""
    table, key = model._meta.db_table, model._meta.pk.column
    statement = f'UPDATE "{table}" SET "{column}" = "{column}" + %s WHERE "{key}" = %s RETURNING "{column}"'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [step, pk])
        rows = cursor.fetchall()
    return int(rows[0][0]) if rows else None


class Counter(models.Model):
    """A number that only grows, for addresses shared by the whole installation."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"

    @classmethod
    def take(cls, name: str, count: int) -> Sequence[int]:
        """The next ``count`` numbers, nobody else's; to be called inside a transaction."""
        end = advance(cls, "value", name, count)
        if end is None:
            cls.objects.get_or_create(name=name)
            return cls.take(name, count)
        return range(end - count, end)
