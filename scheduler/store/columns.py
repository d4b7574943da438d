"""Column types of our own. Refuses naive datetimes: an instant without a zone is a guess."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator, TypeEngine


@lru_cache(maxsize=4096)  # a batch carries few different instants
def to_text(instant: datetime) -> str:
    """An aware instant as fixed-width UTC text, which sorts as time does.

    `2026-10-09T05:00:00.000000Z`: readable in any SQLite shell, known to its date functions
    and to PostgreSQL's `timestamptz`. Raises `ValueError` on a naive datetime.
    """
    if instant.tzinfo is None:
        raise ValueError("the store keeps aware datetimes only: add a time zone (tzinfo=UTC)")
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="microseconds")[:26] + "Z"


class UtcTime(TypeDecorator[datetime]):
    """Aware in, aware UTC out: `timestamptz` on PostgreSQL, fixed-width text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type this dialect stores."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Refuse naive values; text for SQLite."""
        as_text = dialect.name == "sqlite"

        def process(value: datetime | None) -> Any:
            if value is None:
                return None
            text = to_text(value)
            return text if as_text else value

        return process

    def result_processor(
        self,
        dialect: Dialect,
        coltype: object,  # noqa: ARG002
    ) -> Callable[[Any], datetime | None] | None:
        """Always aware, always UTC: PostgreSQL answers so by itself, in a session set to UTC."""
        if dialect.name != "sqlite":
            return None
        return _from_text


@lru_cache(maxsize=8192)
def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
