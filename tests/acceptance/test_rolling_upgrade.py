"""Old programs go on working while a new one has already upgraded the database.

Every revision must be one that its predecessor's programs can live with: they know the old
columns only, and write rows without the new ones. Holds for every revision there will be.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    MetaData,
    Numeric,
    Table,
    insert,
    select,
    update,
)

from scheduler.store import Database, schema

#: Tables that changed beyond this rule in a revision because no program before it used them.
NEVER_USED_BEFORE = {("0003", "provider_state")}


def _pairs() -> list[tuple[str, str]]:
    """Each revision with the one before it, oldest first."""
    scripts = ScriptDirectory(str(schema.FOLDER)).walk_revisions()
    return [(str(s.down_revision), s.revision) for s in scripts if s.down_revision][::-1]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    name = "new_postgresql_url" if request.param == "postgresql" else ""
    url = request.getfixturevalue(name) if name else f"sqlite:///{tmp_path}/course.db"
    db = Database(url)
    yield db
    db.close()


def upgraded(db: Database, revision: str) -> MetaData:
    """Bring the database to this revision; what its tables then look like."""
    with db._begin(db._migrator) as tx:
        command.upgrade(schema._config(tx), revision)
    found = MetaData()
    with db.read() as tx:
        found.reflect(tx)
    found.remove(found.tables["alembic_version"])
    return found


def write_and_read(tx: Connection, table: Table) -> None:
    """Insert a row with these columns, change all of them, read it back."""
    row = {column.name: _sample(column) for column in table.columns}
    tx.execute(insert(table).values(row))
    tx.execute(update(table).values({name: table.c[name] for name in row}))
    found = tx.execute(select(table)).mappings().one()
    assert set(found) == set(row)


def _sample(column: Column[Any]) -> Any:
    """A value that fits, and the same for a row and for what refers to it."""
    kind = column.type
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, DateTime):
        return datetime(2026, 11, 23, 8, tzinfo=UTC if kind.timezone else None)
    if isinstance(kind, Integer | Float | Numeric):
        return 1
    return "1"


@pytest.mark.parametrize(("before", "after"), _pairs())
def test_programs_of_the_revision_before_can_still_read_and_write(
    fresh: Database, before: str, after: str
) -> None:
    old = upgraded(fresh, before)
    upgraded(fresh, after)
    with fresh.write() as tx:
        for table in old.sorted_tables:
            if (after, table.name) in NEVER_USED_BEFORE:
                continue
            write_and_read(tx, table)
