"""The schema: migrations build exactly the tables, once, and refuse a newer database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.schema import CreateIndex, CreateTable

from scheduler.errors import DatabaseDamaged, DatabaseOutdated
from scheduler.store import Database, people, schema, sqlite
from scheduler.store.tables import metadata


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/course.db"
    else:
        url = request.getfixturevalue("new_postgresql_url")
    db = Database(url)
    yield db
    db.close()


def test_a_fresh_upgrade_builds_exactly_the_tables(fresh: Database) -> None:
    assert not fresh.is_current()
    assert fresh.upgrade()
    assert fresh.is_current()
    with fresh.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_table_and_index_is_spelled_as_in_tables_py(fresh: Database) -> None:
    """Alembic's comparison does not see the conditions of partial indexes; this does."""
    fresh.upgrade()
    with fresh.read() as tx:
        migrated = spelling(tx)
    with fresh.write() as tx:
        tx.execute(text("DROP TABLE alembic_version"))
        metadata.drop_all(tx)
        metadata.create_all(tx)
    with fresh.read() as tx:
        assert migrated == spelling(tx)


def spelling(tx: Connection) -> set[tuple[str, ...]]:
    """Every definition in its parts, sorted: the order of constraints does not matter."""
    if tx.dialect.name == "sqlite":
        queries = [
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        ]
    else:
        constraint = "conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)"
        column = (
            "concat_ws(' ', table_name, column_name, data_type, character_maximum_length,"
            " is_nullable, column_default)"
        )
        queries = [
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
            f"SELECT {constraint} FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
            f"SELECT {column} FROM information_schema.columns WHERE table_schema = 'public'",
        ]
    found = [line for query in queries for line in tx.execute(text(query)).scalars()]
    return {
        tuple(sorted(" ".join(line.split()).removesuffix(" )").split(", ")))
        for line in found
        if "alembic_version" not in line
    }


def test_a_second_upgrade_changes_nothing(fresh: Database) -> None:
    assert fresh.upgrade()
    with fresh.write() as tx:
        people.set_meta(tx, "key", "value")
    assert not fresh.upgrade()
    with fresh.read() as tx:
        assert people.get_meta(tx, "key") == "value"


def test_two_programs_starting_at_once_upgrade_once(fresh: Database) -> None:
    assert started_together(fresh._url.render_as_string(hide_password=False)) == [
        False,
        False,
        True,
    ]


def test_a_new_file_opened_by_many_at_once_gets_its_journal_once(tmp_path: Path) -> None:
    # Whoever sets the journal second is told "locked" at once: only many tries show it.
    for n in range(40):
        changed = started_together(f"sqlite:///{tmp_path}/{n}.db", programs=6)
        assert changed == [False] * 5 + [True], f"try {n}"


def started_together(url: str, programs: int = 3) -> list[bool]:
    """What `upgrade` answered to each of several programs starting at one moment, sorted."""
    opened = [Database(url) for _ in range(programs)]
    barrier = threading.Barrier(programs)
    changed: list[bool] = []

    def start(db: Database) -> None:
        barrier.wait()
        changed.append(db.upgrade())

    threads = [threading.Thread(target=start, args=(db,)) for db in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for db in opened:
        db.close()
    return sorted(changed)


def test_a_database_of_a_newer_program_is_left_alone(fresh: Database) -> None:
    fresh.upgrade()
    with fresh.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not fresh.is_current()
    with pytest.raises(DatabaseOutdated, match="newer"):
        fresh.upgrade()


def test_a_failed_upgrade_leaves_everything_as_it_was(
    fresh: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tx: Connection) -> None:
        tx.execute(text("CREATE TABLE half (id INTEGER)"))
        raise RuntimeError("the power went")

    monkeypatch.setattr(schema, "upgrade", fail)
    with pytest.raises(RuntimeError):
        fresh.upgrade()
    monkeypatch.undo()
    with fresh.write() as tx:
        tx.execute(text("CREATE TABLE half (id INTEGER)"))
    assert fresh.upgrade()


def test_a_first_schema_with_people_in_it_becomes_the_newest(fresh: Database) -> None:
    with fresh.write() as tx:
        command.upgrade(schema._config(tx), "0001")
        # In plain SQL: what the program writes today may not fit that schema one day.
        tx.execute(
            text(
                "INSERT INTO learners"
                " (address, address_key, first_name, timezone, language, created_at) VALUES"
                " ('Ada@example.org', 'ada@example.org', 'Ada', 'UTC', 'en',"
                " '2026-10-09T05:00:00.000000Z')"
            )
        )
    assert not fresh.is_current()
    assert fresh.upgrade()
    assert fresh.is_current()
    with fresh.read() as tx:
        person = people.find_learner(tx, "ada@example.org")
        assert person is not None
        assert person.first_name == "Ada"
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_step_can_be_taken_back(fresh: Database) -> None:
    fresh.upgrade()
    with fresh.write() as tx:
        command.downgrade(schema._config(tx), "base")
    assert fresh.upgrade()
    assert fresh.is_current()


def older(db: Database) -> None:
    """Let the database look one revision older than the program."""
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = 'older'"))


def test_the_sqlite_file_is_copied_before_it_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database(f"sqlite:///{tmp_path}/course.db")
    db.upgrade()
    assert not list(tmp_path.glob("*.before-*"))
    with db.write() as tx:
        people.set_meta(tx, "key", "value")
    older(db)
    monkeypatch.setattr(schema, "upgrade", lambda tx: None)
    db.upgrade()
    db.close()
    copy = Database(f"sqlite:///{tmp_path}/course.db.before-older")
    with copy.read() as tx:
        assert people.get_meta(tx, "key") == "value"
    copy.close()


def test_an_upgrade_that_would_orphan_rows_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database(f"sqlite:///{tmp_path}/course.db")
    db.upgrade()
    older(db)

    def careless(tx: Connection) -> None:
        tx.execute(
            text(
                "INSERT INTO consents (learner_id, action, text, source, at, ip_hash, user_agent)"
                " VALUES (99, 'signup', '', '', '', '', '')"
            )
        )

    monkeypatch.setattr(schema, "upgrade", careless)
    with pytest.raises(DatabaseDamaged, match="nothing was changed"):
        db.upgrade()
    with db.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM consents")).scalar_one() == 0
    db.close()


def test_foreign_keys_are_on_again_after_an_upgrade(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/course.db")
    db.upgrade()
    with db.write() as tx:
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    db.close()


def test_every_column_says_what_it_means_in_the_line_above_it() -> None:
    source = Path(sqlite.__file__).with_name("tables.py").read_text().splitlines()
    columns = [n for n, line in enumerate(source) if line.strip().startswith("Column(")]
    silent = [source[n].strip() for n in columns if not source[n - 1].strip().startswith("#")]
    assert len(columns) > 90
    assert silent == []


def test_tables_can_be_spelled_for_both_databases() -> None:
    for table in metadata.sorted_tables:
        assert str(CreateTable(table))
        for index in table.indexes:
            assert str(CreateIndex(index))
