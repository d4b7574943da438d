"""Storage that fails under programs that run on: another process's lock, a power cut, a restart."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from scheduler.clock import RealClock
from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.drivers.embedded import Embedded
from scheduler.errors import DatabaseUnavailable
from scheduler.store import Database, people
from tests.conftest import start_server
from tests.little_browser import Browser, heading
from tests.little_school import build
from tests.office import Office
from tests.postgresql import Server

PATIENCE = 60.0
LEARNERS = [f"p{n}@example.com" for n in range(12)]
WINDOW = 4


def eventually(condition) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def an_office(db: Database) -> Office:
    office = Office(db, uncertain="hold")
    office.letterbox.window = WINDOW
    office.runs = {address: office.join(address) for address in LEARNERS}
    return office


def each_mail_came_once(office: Office) -> None:
    sent = Counter((posted.to, posted.key) for posted in office.letterbox.posted)
    assert sent == Counter(
        (address, key) for address in LEARNERS for key in ("@confirm", "@welcome", "one")
    )
    for run in office.runs.values():
        assert {d.state for d in office.deliveries(run).values()} == {DeliveryState.ACCEPTED}


@contextmanager
def ticking(office: Office) -> Iterator[list[DatabaseUnavailable]]:
    """A driver at work; yields the looks that the database has let down."""
    failures: list[DatabaseUnavailable] = []
    run_due = office.dispatcher.run_due

    def noting(**wishes):
        try:
            return run_due(**wishes)
        except DatabaseUnavailable as error:
            failures.append(error)
            raise

    office.dispatcher.run_due = noting
    driver = Embedded(office.dispatcher, office.upkeep, RealClock(), tick_seconds=0.2)
    driver.start()
    try:
        yield failures
    finally:
        assert driver.stop(PATIENCE)


# -- another process's lock ----------------------------------------------------------------------

HOLDER = """
import sys
from scheduler.store.sqlite import driver
connection = driver().connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def another_process_holds(file: Path) -> Iterator[None]:
    """A program that has begun to write to this file and does not end."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait(PATIENCE)
        holder.stdout.close()


def test_a_driver_outlives_a_lock_and_sends_at_its_next_look(sqlite_url: str) -> None:
    office = an_office(Database(sqlite_url, busy_seconds=0.2))
    lock, held = ExitStack(), threading.Event()

    def in_the_second_window(_: object) -> None:
        if len(office.letterbox.posted) == WINDOW and not held.is_set():
            lock.enter_context(another_process_holds(Path(sqlite_url.removeprefix("sqlite:///"))))
            held.set()

    office.letterbox.before = in_the_second_window
    with ticking(office) as failures:
        assert held.wait(PATIENCE)
        assert eventually(lambda: len(failures) >= 3)
        assert len(office.letterbox.posted) == 2 * WINDOW
        lock.close()
        assert eventually(lambda: len(office.letterbox.posted) == 3 * len(LEARNERS))
    assert all("try again in a moment" in str(failure) for failure in failures)
    each_mail_came_once(office)
    office.db.close()


def test_a_signup_during_a_lock_is_told_to_try_again_and_then_succeeds(tmp_path: Path) -> None:
    school = build(tmp_path)

    @event.listens_for(school.db._engine, "begin", insert=True)
    def impatient(connection) -> None:
        connection.exec_driver_sql("PRAGMA busy_timeout=100")

    browser = Browser(school)
    browser.get("/")
    with another_process_holds(Path(str(school.db._url.database))):
        answer = browser.fill_in()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert heading(answer.text) == "Back in a moment"
        assert school.run_of("zoe@example.com") is None
    assert browser.fill_in().status_code == 303
    run = school.run_of("zoe@example.com")
    assert run is not None
    assert run.state is EnrollmentState.PENDING
    school.close()


# -- a power cut ---------------------------------------------------------------------------------

WRITER = """
import sys
from scheduler.store import Database, people
db = Database(sys.argv[1])
number = 0
while True:
    number += 1
    with db.write() as tx:
        people.set_meta(tx, "number", str(number))
        for n in range(20):
            people.set_meta(tx, f"row-{(number * 7 + n) % 500}", str(number) * 50)
    print(number, flush=True)
"""


@pytest.mark.parametrize("journal", ["ours", "rollback"])
def test_the_files_at_any_instant_hold_every_commit_that_was_answered(
    sqlite_url: str, tmp_path: Path, journal: str
) -> None:
    """A writer is frozen wherever it happens to be, and its files are taken as they are."""
    unsound = "from scheduler.store import sqlite; sqlite.wal_is_safe = lambda _: False\n"
    writer = subprocess.Popen(
        [sys.executable, "-c", (unsound if journal == "rollback" else "") + WRITER, sqlite_url],
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    answered = [0]

    def listen() -> None:
        for line in writer.stdout:
            answered[0] = int(line)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    found = []
    try:
        for cut in range(12):
            assert eventually(lambda seen=answered[0]: answered[0] > seen + 3)
            time.sleep(0.001 * cut)
            os.kill(writer.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WNOWAIT)
            told, after = answered[0], tmp_path / f"after-{cut}"
            after.mkdir()
            for part in tmp_path.glob("course.db*"):
                if not part.name.endswith("-shm"):
                    shutil.copy(part, after)
            os.kill(writer.pid, signal.SIGCONT)
            found.append((told, after))
    finally:
        writer.kill()
        writer.wait()
        listener.join(PATIENCE)
        writer.stdout.close()
    for told, after in found:
        db = Database(f"sqlite:///{after}/course.db")
        db.check()
        with db.read() as tx:
            number = int(people.get_meta(tx, "number") or 0)
            assert number >= told
            assert people.get_meta(tx, f"row-{(number * 7 + 19) % 500}") == str(number) * 50
        db.close()


# -- a server that is started again --------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = start_server()  # durable: it will be stopped in the middle
    yield started
    started.remove()


@pytest.fixture
def office(server: Server) -> Iterator[Office]:
    url = server.create(f"u{time.monotonic_ns()}")
    db = Database(url, busy_seconds=1)
    db.upgrade()
    yield an_office(db)
    db.close()


@pytest.mark.postgres
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_driver_outlives_a_server_that_is_stopped_at_once(
    office: Office, server: Server, moment: str
) -> None:
    """It ticks on through the stop, the repair and the new start; nothing is in doubt after."""
    reached, go_on = threading.Event(), threading.Event()

    def stop_here(point: str) -> None:
        if point == f"mark: {moment} commit" and len(office.letterbox.posted) >= 2 * WINDOW:
            reached.set()
            assert go_on.wait(PATIENCE)

    office.db.crash_point = stop_here
    with ticking(office) as failures:
        try:
            assert reached.wait(PATIENCE)
            server.stop_at_once()
        finally:
            go_on.set()
        assert eventually(lambda: len(failures) >= 3)
        server.start()
        assert eventually(lambda: len(office.letterbox.posted) == 3 * len(LEARNERS))
    each_mail_came_once(office)


@pytest.mark.postgres
def test_after_a_new_start_stale_connections_cost_nobody_an_error(
    office: Office, server: Server
) -> None:
    everybody_in = threading.Barrier(7)

    def hold_one() -> None:
        with office.db.read():
            everybody_in.wait(PATIENCE)

    threads = [threading.Thread(target=hold_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    everybody_in.wait(PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)
    server.stop_at_once()
    server.start()
    for number in range(6):
        with office.db.write() as tx:
            people.set_meta(tx, "number", str(number))
    office.work()
    each_mail_came_once(office)
