"""The two ways into a database: what a transaction promises, and what an operator is told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from scheduler.errors import DatabaseDamaged, DatabaseOutdated, DatabaseUnavailable, NotAllowed
from scheduler.store import Database, people, sqlite

if TYPE_CHECKING:
    from conftest import Room


# -- transactions ----------------------------------------------------------------------------


def test_what_is_written_is_there_for_the_next_reader(room: Room) -> None:
    with room.db.write() as tx:
        people.set_meta(tx, "adopted", "https://one")
        people.set_meta(tx, "adopted", "https://two")
    with room.db.read() as tx:
        assert people.get_meta(tx, "adopted") == "https://two"
        assert people.get_meta(tx, "other") is None


def test_an_error_rolls_everything_back_and_is_not_disguised(room: Room) -> None:
    with pytest.raises(ZeroDivisionError), room.db.write() as tx:
        people.set_meta(tx, "key", "value")
        raise ZeroDivisionError
    with room.db.read() as tx:
        assert people.get_meta(tx, "key") is None


def test_a_programming_mistake_is_not_called_an_outage(room: Room) -> None:
    with pytest.raises(IntegrityError), room.db.write() as tx:
        for _ in range(2):
            tx.execute(text("INSERT INTO meta (key, value) VALUES ('k', 'v')"))


def test_a_reader_sees_one_snapshot_whatever_is_written_meanwhile(room: Room) -> None:
    with room.db.read() as reader:
        assert people.get_meta(reader, "key") is None
        with room.db.write() as tx:
            people.set_meta(tx, "key", "value")
        assert people.get_meta(reader, "key") is None


def test_a_reader_cannot_write(room: Room) -> None:
    with pytest.raises(DatabaseUnavailable, match="read"), room.db.read() as tx:
        people.set_meta(tx, "key", "value")
    with room.db.write() as tx:
        people.set_meta(tx, "key", "value")


def test_rows_without_their_parent_are_refused(room: Room) -> None:
    with pytest.raises(IntegrityError), room.db.write() as tx:
        people.add_consent(tx, 99, None, room.agreed())


def test_a_held_write_lock_is_reported_not_waited_for_for_ever(database_url: str) -> None:
    holder, db = Database(database_url), Database(database_url, busy_seconds=0.3)
    with holder.write() as tx:
        people.set_meta(tx, "key", "mine")
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="try again"), db.write() as other:
            people.set_meta(other, "key", "yours")
        assert 0.2 < time.monotonic() - began < 3
    with db.write() as tx:
        people.set_meta(tx, "key", "yours")
    holder.close()
    db.close()


def test_a_thread_of_the_same_program_waits_its_turn_and_no_longer(sqlite_url: str) -> None:
    db = Database(sqlite_url, busy_seconds=0.2)
    with db.write(), pytest.raises(DatabaseUnavailable, match="another thread"), db.write():
        pass
    with db.write() as tx:
        people.set_meta(tx, "key", "value")
    db.close()


def test_a_signup_gets_its_turn_while_a_worker_writes_without_rest(room: Room) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with room.db.write() as tx:
                people.set_meta(tx, "worker", "busy")
                time.sleep(0.01)

    worker = threading.Thread(target=work)
    worker.start()
    waits = []
    for n in range(20):
        began = time.monotonic()
        with room.db.write() as tx:
            people.set_meta(tx, f"signup-{n}", "done")
        waits.append(time.monotonic() - began)
    stop.set()
    worker.join(5)
    assert sorted(waits)[10] < 0.5


def test_forty_threads_share_one_sqlite_file(sqlite_room: Room) -> None:
    room = sqlite_room
    failures: list[BaseException] = []

    def add_one() -> None:
        try:
            for _ in range(5):
                with room.db.write() as tx:
                    value = int(people.get_meta(tx, "counter") or 0)
                    people.set_meta(tx, "counter", str(value + 1))
        except BaseException as error:  # reported below
            failures.append(error)

    threads = [threading.Thread(target=add_one) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    with room.db.read() as tx:
        assert people.get_meta(tx, "counter") == "200"


# -- what an operator is told ----------------------------------------------------------------


def test_a_database_nobody_answers_for_is_unavailable() -> None:
    db = Database("postgresql://me:secret@127.0.0.1:1/course")
    with pytest.raises(DatabaseUnavailable, match="DATABASE_URL") as caught, db.read():
        pass
    assert "secret" not in str(caught.value)
    assert "secret" not in db.describe()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense", ""])
def test_a_url_we_cannot_serve_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"sqlite:///var/course\.db"):
        Database(url)


@pytest.mark.postgres
def test_the_short_spelling_of_a_postgresql_url_is_understood(postgresql_url: str) -> None:
    db = Database(postgresql_url.replace("postgresql://", "postgres://"))
    db.check()
    assert db.dialect == "postgresql"
    db.close()


@pytest.mark.postgres
def test_a_database_without_tables_asks_for_the_upgrade(
    tmp_path: Path, new_postgresql_url: str
) -> None:
    for url in (f"sqlite:///{tmp_path}/empty.db", new_postgresql_url):
        db = Database(url)
        with pytest.raises(DatabaseOutdated, match="course db upgrade"), db.read() as tx:
            people.find_learner(tx, "ada@example.org")
        db.close()


def test_a_missing_folder_is_made_and_the_file_is_the_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "var" / "deep" / "course.db"
    db = Database(f"sqlite:///{file}")
    db.upgrade()
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(file) in db.describe()
    assert "SQLite" in db.describe()
    db.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatabaseUnavailable, match="DATABASE_URL"):
        Database(f"sqlite:///{tmp_path}/file/course.db")


def test_a_full_disk_is_said_and_loses_nothing(sqlite_room: Room) -> None:
    room = sqlite_room
    with room.db.write() as tx:
        people.set_meta(tx, "before", "kept")
    with pytest.raises(DatabaseUnavailable, match="disk space"), room.db.write() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        people.set_meta(tx, "large", "x" * 1_000_000)
    room.db.check()
    with room.db.read() as tx:
        assert people.get_meta(tx, "before") == "kept"
        assert people.get_meta(tx, "large") is None


def test_damage_is_found_and_the_cure_is_a_backup(sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    content = bytearray(file.read_bytes())
    for page in range(2, 12):
        content[page * 4096 : page * 4096 + 200] = os.urandom(200)
    file.write_bytes(content)
    db = Database(sqlite_url)
    with pytest.raises(DatabaseDamaged, match="backup"):
        db.check()
    db.close()


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "course.db"
    file.write_text("Dear diary, " * 100)
    db = Database(f"sqlite:///{file}")
    with pytest.raises(DatabaseDamaged, match="DATABASE_URL"):
        db.check()
    db.close()


# -- SQLite ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((4, 0, 0), True),
    ],
)
def test_wal_is_used_only_without_the_wal_reset_bug(version: tuple[int, ...], safe: bool) -> None:
    assert sqlite.wal_is_safe(version) is safe


def settings_of(db: Database) -> dict[str, object]:
    with db.write() as tx:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "mmap_size")
        return {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names}


def test_every_commit_is_durable_and_no_file_is_mapped(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    expected = "wal" if sqlite.wal_is_safe(sqlite.driver().sqlite_version_info) else "truncate"
    assert settings_of(db) == {
        "journal_mode": expected,
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "mmap_size": 0,
    }
    db.close()


def test_an_unsound_library_falls_back_to_the_rollback_journal(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "driver", lambda: sqlite3)
    monkeypatch.setattr(sqlite, "wal_is_safe", lambda _version: False)
    db = Database(sqlite_url)
    found = settings_of(db)
    assert (found["journal_mode"], found["synchronous"]) == ("truncate", 2)
    assert "rollback journal" in db.describe()
    with db.write() as tx:
        people.set_meta(tx, "key", "value")
    db.check()
    db.close()


def test_a_library_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "OLDEST", (99, 0, 0))
    with pytest.raises(DatabaseUnavailable, match="too old"):
        Database("sqlite://")


def test_a_writer_takes_the_lock_at_once_not_at_its_first_write(sqlite_url: str) -> None:
    db, other = Database(sqlite_url), Database(sqlite_url, busy_seconds=0.1)
    with db.write(), pytest.raises(DatabaseUnavailable, match="locked"), other.write():
        pass
    db.close()
    other.close()


def test_a_database_in_memory_keeps_its_rows_between_transactions() -> None:
    db = Database("sqlite://")
    db.upgrade()
    with db.write() as tx:
        people.set_meta(tx, "key", "value")
    with db.read() as tx:
        assert people.get_meta(tx, "key") == "value"
    assert db.is_current()
    with pytest.raises(NotAllowed):
        db.backup(Path("nowhere.db"))
    db.close()


# -- backup ----------------------------------------------------------------------------------


def test_a_backup_taken_during_work_is_whole_and_private(sqlite_room: Room, tmp_path: Path) -> None:
    room, target = sqlite_room, tmp_path / "backup.db"
    with room.db.write() as tx:
        run = room.run(tx, next_due_at=room.now + timedelta(days=1))
    target.write_text("an older backup")
    with room.db.write() as tx:
        people.set_meta(tx, "not", "yet")
        room.db.backup(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part"))
    copy = Database(f"sqlite:///{target}")
    copy.check()
    with copy.read() as tx:
        assert people.enrollment(tx, run.id) == run
        assert people.get_meta(tx, "not") is None
    copy.close()


def test_a_backup_that_cannot_be_written_is_said(sqlite_room: Room, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="permissions"):
        sqlite_room.db.backup(tmp_path / "no" / "such" / "folder.db")


@pytest.mark.postgres
def test_postgresql_is_backed_up_with_its_own_tools(postgresql_room: Room) -> None:
    with pytest.raises(NotAllowed, match="pg_dump"):
        postgresql_room.db.backup(Path("backup.db"))


def test_a_copy_of_the_files_during_work_opens_whole(sqlite_url: str, tmp_path: Path) -> None:
    """What a power cut leaves: the file and its log as they are at that instant."""
    db = Database(sqlite_url)
    with db.write() as tx:
        people.set_meta(tx, "committed", "yes")
    with db.write() as tx:
        people.set_meta(tx, "committed", "no")
        survivors = tmp_path / "after-the-cut"
        survivors.mkdir()
        for file in Path(sqlite_url.removeprefix("sqlite:///")).parent.glob("course.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, survivors)
    db.close()
    after = Database(f"sqlite:///{survivors}/course.db")
    after.check()
    with after.read() as tx:
        assert people.get_meta(tx, "committed") == "yes"
    after.close()
