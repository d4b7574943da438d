"""Storage that fails in the middle of a morning: full, locked, read-only, cut off, switched off.

Whatever the database does, nothing is lost, nothing comes twice, and what was handed over is
written down. Real disks, real locks, a real server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler.dispatch import DispatchSettings
from scheduler.domain.delivery import DeliveryState
from scheduler.errors import DatabaseDamaged, DatabaseUnavailable
from scheduler.store import Database, people, sqlite
from tests.conftest import start_server
from tests.cut_connection import Line, line_to
from tests.office import Office
from tests.postgresql import Server

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LEARNERS = 12
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="only root may mount a small disk"
)


def a_morning(office: Office) -> None:
    """Learners whose first lesson and letters are due; small windows."""
    office.letterbox.window = 4
    for n in range(LEARNERS):
        office.join(f"p{n}@example.com")


def work_until_it_answers(office: Office, passes: int = 8) -> None:
    """Pass after pass, as a driver would."""
    for _ in range(passes):
        office.sleep(3 * MINUTE)
        try:
            office.work()
        except DatabaseUnavailable:
            continue


def each_mail_came_once(office: Office) -> None:
    sent = Counter((p.to, p.key) for p in office.letterbox.posted)
    assert set(sent.values()) == {1}
    assert len(sent) == 3 * LEARNERS
    states = {d.state for run in range(1, LEARNERS + 1) for d in office.deliveries(run).values()}
    assert states == {DeliveryState.ACCEPTED}


# -- a full disk ---------------------------------------------------------------------------------


@contextmanager
def a_small_disk(folder: Path, size: str = "28m") -> Iterator[Path]:
    """A file system of its own, as large as told."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Take every last byte."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


@needs_root
def test_on_a_full_disk_what_was_sent_is_recorded_and_nothing_more_is_sent(
    tmp_path, sqlite_url
) -> None:
    with a_small_disk(tmp_path / "disk") as disk:
        file = shutil.copy(sqlite_url.removeprefix("sqlite:///"), disk / "course.db")
        office = Office(Database(f"sqlite:///{file}"))
        a_morning(office)
        fillers: list[Path] = []
        # The disk fills up while the first window is being handed over.
        office.letterbox.before = lambda _: fillers.append(fill(disk)) if not fillers else None
        with pytest.raises(DatabaseUnavailable, match=r"no room .* free some disk space"):
            office.work()
        first = len(office.letterbox.posted)
        assert first == office.letterbox.window
        assert not (disk / "course.db.reserve").exists()
        states = Counter(
            d.state for run in range(1, LEARNERS + 1) for d in office.deliveries(run).values()
        )
        assert states[DeliveryState.ACCEPTED] == first
        assert states[DeliveryState.SENDING] == states[DeliveryState.UNCERTAIN] == 0
        work_until_it_answers(office, 2)
        assert len(office.letterbox.posted) == first
        fillers[0].unlink()
        work_until_it_answers(office)
        each_mail_came_once(office)
        assert (disk / "course.db.reserve").stat().st_size > 2 * 1024 * 1024
        office.db.check()
        office.db.close()


def test_a_database_that_may_not_grow_keeps_the_outcomes_until_it_may(sqlite_url) -> None:
    office = Office(Database(sqlite_url))
    a_morning(office)
    office.letterbox.window = 40

    def limit(pages: int | None) -> None:
        with office.db._engine.connect() as connection:
            now = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages or now}")

    office.letterbox.before = lambda _: limit(None)
    with pytest.raises(DatabaseUnavailable, match="free some disk space"):
        for _ in range(50):  # until there is no room in the pages that exist
            office.work()
            office.join(f"q{len(office.letterbox.posted)}@example.com")
    known = len(office.letterbox.posted)
    limit(1_000_000)
    office.letterbox.before = lambda _: None
    work_until_it_answers(office)
    sent = Counter((p.to, p.key) for p in office.letterbox.posted)
    assert set(sent.values()) == {1}
    assert len(sent) >= known
    assert office.overview().failures.get("uncertain", 0) == 0
    office.db.check()
    office.db.close()


@needs_root
def test_a_disk_that_turned_read_only_is_named_and_forgiven(tmp_path, sqlite_url) -> None:
    with a_small_disk(tmp_path / "disk") as disk:
        file = shutil.copy(sqlite_url.removeprefix("sqlite:///"), disk / "course.db")
        office = Office(Database(f"sqlite:///{file}"))
        a_morning(office)
        office.db.close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(
            DatabaseUnavailable, match="check that its folder exists and is writable"
        ):
            Office(Database(f"sqlite:///{file}")).work()
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        again = Office(Database(f"sqlite:///{file}"))
        work_until_it_answers(again)
        each_mail_came_once(again)
        again.db.close()


def another_program(url: str) -> Any:
    """A connection of its own to the same file, by the same library as ours."""
    return sqlite.driver().connect(
        url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
    )


# -- locks, damage, power ------------------------------------------------------------------------


def test_a_lock_that_outlasts_our_patience_costs_one_pass_and_nothing_else(sqlite_url) -> None:
    office = Office(Database(sqlite_url, busy_seconds=0.2))
    a_morning(office)
    other = another_program(sqlite_url)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"):
        office.work()
    assert office.letterbox.posted == []
    other.execute("ROLLBACK")
    other.close()
    office.work()
    each_mail_came_once(office)
    office.db.close()


def test_a_lock_taken_while_mail_is_in_the_air_keeps_its_outcome(sqlite_url) -> None:
    office = Office(Database(sqlite_url, busy_seconds=0.2))
    a_morning(office)
    other = another_program(sqlite_url)
    office.letterbox.before = lambda _: other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"):
        office.work()
    office.letterbox.before = lambda _: None
    other.execute("ROLLBACK")
    assert office.dispatcher.finish(0)
    work_until_it_answers(office)
    each_mail_came_once(office)
    other.close()
    office.db.close()


def test_a_program_that_ends_waits_for_the_database_to_take_its_last_outcomes(sqlite_url) -> None:
    office = Office(Database(sqlite_url, busy_seconds=0.1))
    office.join()
    other = another_program(sqlite_url)
    office.letterbox.before = lambda _: other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable):
        office.work()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            other.execute("ROLLBACK")

    assert office.dispatcher.finish(30, pause)
    assert len(pauses) == 3
    other.execute("BEGIN IMMEDIATE")
    assert office.dispatcher.finish(0)  # nothing is left to write
    other.close()
    office.db.close()


def test_a_copy_made_in_the_middle_of_a_morning_holds_every_commit(tmp_path, sqlite_url) -> None:
    """What a power cut leaves: the files as they are, without anybody closing them."""
    office = Office(Database(sqlite_url))
    a_morning(office)
    copies: list[Path] = []

    def power_cut(_: object) -> None:
        folder = tmp_path / f"after-{len(copies)}"
        folder.mkdir()
        for part in ("", "-wal"):
            source = Path(sqlite_url.removeprefix("sqlite:///") + part)
            if source.exists():
                shutil.copy(source, folder / f"course.db{part}")
        copies.append(folder / "course.db")

    office.letterbox.before = power_cut
    office.work()
    for n, copy in enumerate(copies):
        db = Database(f"sqlite:///{copy}")
        db.check()
        after = Office(db)
        states = Counter(
            d.state for run in range(1, LEARNERS + 1) for d in after.deliveries(run).values()
        )
        # Each earlier window is settled, this one is marked: durably, before its hand-over.
        assert states[DeliveryState.ACCEPTED] == n * 4
        assert states[DeliveryState.SENDING] == 4
        db.close()
    assert len(copies) == 3 * LEARNERS / 4
    office.db.close()


def test_a_damaged_file_is_noticed_before_anything_is_sent(sqlite_url) -> None:
    office = Office(Database(sqlite_url))
    a_morning(office)
    office.db.close()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096 * 4] = os.urandom(4096 * 4)
    file.write_bytes(data)
    with pytest.raises(DatabaseDamaged, match="restore"):
        Database(sqlite_url).check_at_start()


@pytest.mark.parametrize("wal_is_safe", [True, False])
def test_a_large_file_is_read_through_only_when_the_last_program_did_not_end_well(
    tmp_path, sqlite_url, monkeypatch, wal_is_safe
) -> None:
    monkeypatch.setattr(sqlite, "QUICKLY_CHECKED_BYTES", 0)
    monkeypatch.setattr(sqlite, "wal_is_safe", lambda _version: wal_is_safe)
    checks: list[int] = []
    monkeypatch.setattr(Database, "check", lambda _self: checks.append(1))
    program = Database(sqlite_url)
    killed = tmp_path / "killed"
    killed.mkdir()
    with program.write() as tx:
        people.set_meta(tx, "key", "x" * 20_000)
    with program.write() as tx:  # the files as a kill leaves them
        tx.exec_driver_sql("PRAGMA cache_spill=1")
        tx.exec_driver_sql("PRAGMA cache_size=1")
        people.set_meta(tx, "key", "y" * 50_000)
        for part in Path(sqlite_url.removeprefix("sqlite:///")).parent.glob("course.db*"):
            shutil.copy(part, killed)
    program.close()

    Database(sqlite_url).check_at_start()
    assert checks == []
    Database(f"sqlite:///{killed}/course.db").check_at_start()
    assert checks == [1]


# -- a PostgreSQL server -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = start_server()  # durable: it will be stopped in the middle
    yield started
    started.remove()


@pytest.fixture
def new_url(server: Server) -> str:
    url = server.create(f"d{time.monotonic_ns()}")
    db = Database(url)
    db.upgrade()
    db.close()
    return url


@pytest.fixture
def line(server: Server, new_url: str) -> Iterator[tuple[Line, Office]]:
    """An office whose database is at the far end of a line that can be cut."""
    with line_to(new_url, server.home) as (cut, url):
        db = Database(url, busy_seconds=0.3)
        office = Office(db)
        a_morning(office)
        yield cut, office
        db.close()


@pytest.mark.postgres
@pytest.mark.parametrize("moment", [1, 3])
def test_a_server_stopped_at_once_in_the_middle_of_a_morning_costs_nothing(
    server: Server, new_url: str, moment: int
) -> None:
    db = Database(new_url, busy_seconds=2)
    office = Office(db)
    a_morning(office)
    windows: list[object] = []

    def stop(messages: object) -> None:
        windows.append(messages)
        if len(windows) == moment:
            server.stop_at_once()

    office.letterbox.before = stop
    with pytest.raises(DatabaseUnavailable):
        office.work()
    server.start()
    work_until_it_answers(office)
    each_mail_came_once(office)
    db.close()


@pytest.mark.postgres
@pytest.mark.parametrize("step", ["plan", "claim", "keep versions", "mark", "settle", "sweep"])
def test_a_commit_whose_answer_never_came_repeats_nothing_and_loses_nothing(
    line: tuple[Line, Office], step: str
) -> None:
    cut, office = line
    armed: list[str] = []

    def at(point: str) -> None:
        if point == f"{step}: before commit" and not armed:
            armed.append(point)
            cut.swallow_next_commit()

    office.db.crash_point = at
    with pytest.raises(DatabaseUnavailable):
        for _ in range(3):
            office.work()
    assert cut.swallowed == 1
    work_until_it_answers(office)
    each_mail_came_once(office)
    office.pass_time(3 * DAY)
    assert office.lessons("p0@example.com") == ["one", "two", "three"]


@pytest.mark.postgres
@pytest.mark.parametrize("arrives", ["at once", "after the next pass", "after two passes"])
@pytest.mark.parametrize("step", ["plan", "claim", "keep versions", "mark", "settle"])
def test_a_commit_that_arrives_late_leaves_nothing_in_doubt(
    line: tuple[Line, Office], step: str, arrives: str
) -> None:
    """Whoever only looks sees the rows as they were before it."""
    cut, office = line
    office.settings = DispatchSettings(uncertain="hold")
    office.dispatcher = office.worker("worker")
    armed: list[str] = []

    def at(point: str) -> None:
        if point == f"{step}: before commit" and not armed:
            armed.append(point)
            cut.hold_next_commit()

    office.db.crash_point = at
    with pytest.raises(DatabaseUnavailable):
        office.work()
    passes = ["at once", "after the next pass", "after two passes"].index(arrives)
    for _ in range(passes):
        # Its transaction holds the rows: a pass may fail, or find less to do.
        with suppress(DatabaseUnavailable):
            office.work()
    cut.let_it_arrive()
    work_until_it_answers(office)
    each_mail_came_once(office)


@pytest.mark.postgres
def test_a_commit_that_arrives_while_claims_are_put_back_leaves_nothing_in_doubt(
    line: tuple[Line, Office],
) -> None:
    cut, office = line
    office.settings = DispatchSettings(uncertain="hold")
    office.dispatcher = office.worker("worker")
    armed: list[str] = []

    def at(point: str) -> None:
        if point == "mark: before commit" and not armed:
            armed.append(point)
            cut.hold_next_commit()

    office.db.crash_point = at
    with pytest.raises(DatabaseUnavailable):
        office.work()
    late = threading.Timer(0.5, cut.let_it_arrive)
    late.start()
    work_until_it_answers(office)
    late.join()
    each_mail_came_once(office)


@pytest.mark.postgres
@pytest.mark.parametrize("when", ["before the hand-over", "during the hand-over"])
def test_a_node_that_loses_its_database_cannot_send_and_forgets_no_answer(
    line: tuple[Line, Office], when: str
) -> None:
    cut, office = line
    if when == "before the hand-over":
        office.db.crash_point = lambda point: cut.cut() if point == "mark: before commit" else None
    else:
        office.letterbox.before = lambda _: cut.cut()
    with pytest.raises(DatabaseUnavailable):
        office.work()
    sent = len(office.letterbox.posted)
    assert sent == (0 if when == "before the hand-over" else office.letterbox.window)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            office.work()
    assert len(office.letterbox.posted) == sent
    office.db.crash_point = lambda _: None
    office.letterbox.before = lambda _: None
    cut.mend()
    work_until_it_answers(office)
    each_mail_came_once(office)
