"""A list of tuples becomes one bound value that SQL reads as a table.

This keeps a batch at one statement whatever its size: no variable limit is met, and the
compiled statement is the same for 5 rows and for 500. Refuses to know any table of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    FromClause,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.types import TypeEngine

from scheduler.store.columns import to_text

#: Columns of a batch, by name, in the order of the packed tuples.
Shape: TypeAlias = dict[str, TypeEngine[Any]]

#: Name of the one bound value.
BATCH = "batch"


def table(dialect: str, columns: Shape) -> FromClause:
    """The bound batch as a table `b` with these columns, in the order of the packed tuples."""
    if dialect == "postgresql":
        return (
            func.json_to_recordset(cast(bindparam(BATCH, type_=Text()), JSON))
            .table_valued(*(column(n, t) for n, t in columns.items()), name="b")
            .render_derived(name="b", with_types=True)
        )
    each = func.json_each(bindparam(BATCH, type_=Text())).table_valued("value", name="each_row")
    if len(columns) == 1:
        # A bare list: SQLite reads that in half the time.
        ((name, type_),) = columns.items()
        return select(type_coerce(each.c.value, type_).label(name)).subquery("b")
    return select(
        *(
            func.json_extract(each.c.value, literal_column(f"'$[{i}]'"), type_=t).label(n)
            for i, (n, t) in enumerate(columns.items())
        )
    ).subquery("b")


def pack(dialect: str, names: Iterable[str], rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """The parameters for a statement on `table`; datetimes must be aware."""
    keys = tuple(names)
    data: list[Any]
    if dialect == "postgresql":
        data = [dict(zip(keys, row, strict=True)) for row in rows]
    elif len(keys) == 1:
        data = [value for (value,) in rows]
    else:
        data = list(rows)
    return {BATCH: _JSON.encode(data)}


#: Persian and Indic names are spelled with these, invisible as they are.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def line(text: str, limit: int = 500) -> str:
    """Somebody else's words as one storable line: no control characters, no lone surrogates."""
    if text.isascii() and text.isprintable():
        return text[:limit]
    printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)
    return " ".join(printable.split())[:limit]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return to_text(value)
    raise TypeError(f"a batch cannot carry {type(value).__name__}")


_JSON = json.JSONEncoder(default=_plain, separators=(",", ":"))
