"""Who says "look now": the embedded driver and the demo's time machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers import interval

from scheduler.clock import OffsetClock, RealClock
from scheduler.domain.enrollment import EnrollmentState
from scheduler.drivers.embedded import Embedded
from scheduler.drivers.timelapse import next_morning
from scheduler.errors import DatabaseUnavailable
from scheduler.store import Database
from tests.office import MONDAY, Office

PATIENCE = 20.0


@pytest.fixture
def office(sqlite_url: str) -> Iterator[Office]:
    db = Database(sqlite_url)
    yield Office(db)
    db.close()


@pytest.fixture
def driver(office: Office) -> Iterator[Embedded]:
    embedded = Embedded(office.dispatcher, office.upkeep, RealClock(), tick_seconds=0.2)
    office.enrolling.wake = embedded.wake
    yield embedded
    embedded.stop(5)


def eventually(condition) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_signup_wakes_the_driver_long_before_the_next_tick(office):
    embedded = Embedded(office.dispatcher, office.upkeep, RealClock(), tick_seconds=3600)
    office.enrolling.wake = embedded.wake
    embedded.start()
    try:
        assert eventually(lambda: embedded.last_tick_at is not None)
        office.sign_up()
        assert eventually(lambda: office.mails() == ["@confirm"])
    finally:
        assert embedded.stop(5)


def test_ticks_find_what_nobody_announced(office, driver):
    driver.start()
    office.enrolling.wake = lambda: None
    office.sign_up()
    assert eventually(lambda: office.mails() == ["@confirm"])


def test_a_database_that_fails_for_a_while_does_not_end_the_driver(office, driver):
    failures = iter([DatabaseUnavailable("locked: wait a moment"), RuntimeError("bug")])
    run_due = office.dispatcher.run_due

    def fails_twice(**kwargs):
        for failure in failures:
            raise failure
        return run_due(**kwargs)

    office.dispatcher.run_due = fails_twice
    driver.start()
    office.sign_up()
    assert eventually(lambda: office.mails() == ["@confirm"])


def test_stopping_lets_the_window_in_hand_finish_and_leaves_the_rest_due(office, driver):
    office.letterbox.window = 1
    for n in range(20):
        office.sign_up(f"p{n}@example.com")
    in_hand, go_on = threading.Event(), threading.Event()

    def hold(_):
        in_hand.set()
        go_on.wait(PATIENCE)

    office.letterbox.before = hold
    driver.start()
    assert in_hand.wait(PATIENCE)
    stopper = threading.Thread(target=driver.stop, args=(PATIENCE,))
    stopper.start()
    go_on.set()
    stopper.join(PATIENCE)
    overview = office.overview()
    assert len(office.letterbox.posted) == 1
    assert overview.failures.get("uncertain", 0) == 0
    assert overview.due_now == 19


def test_the_watchdog_starts_a_stalled_scheduler_anew(office, driver):
    driver.start()
    assert eventually(lambda: driver.last_tick_at is not None)
    stalled = driver._scheduler
    stalled.pause()  # what a wall clock stepping back does to it: alive, and silent
    office.enrolling.wake = lambda: None
    office.sign_up()
    assert eventually(lambda: office.mails() == ["@confirm"])
    assert driver._scheduler is not stalled


def test_a_wall_clock_that_steps_back_stops_the_looks_for_moments_only(office, driver, monkeypatch):
    driver.start()
    assert eventually(lambda: driver.last_tick_at is not None)

    class SetBack(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(hours=2)

    # What APScheduler reads; its next look is two hours away from now on.
    for module in (base, interval):
        monkeypatch.setattr(module, "datetime", SetBack)
    office.enrolling.wake = lambda: None
    office.sign_up()
    assert eventually(lambda: office.mails() == ["@confirm"])
    # The new one goes by the new time.
    office.sign_up("ben@example.com")
    assert eventually(lambda: office.mails("ben@example.com") == ["@confirm"])


def test_a_fault_in_saying_that_it_lives_ends_no_watchdog(office):
    calls = []

    def alive():
        calls.append(1)
        raise DatabaseUnavailable("locked: wait a moment") if len(calls) % 2 else RuntimeError("x")

    embedded = Embedded(
        office.dispatcher, office.upkeep, RealClock(), tick_seconds=0.05, alive=alive
    )
    embedded.start()
    try:
        assert eventually(lambda: len(calls) > 3)
    finally:
        assert embedded.stop(5)


@pytest.mark.parametrize("hours", range(0, 24, 4))
def test_next_morning_gives_everybody_one_lesson_at_their_own_hour(sqlite_url, hours):
    db = Database(sqlite_url)
    clock = OffsetClock()
    clock.offset = MONDAY + timedelta(hours=hours) - clock.now()
    office = Office(db, clock=clock)
    people = {"k@example.com": "Asia/Tokyo", "a@example.com": "America/Lima"}
    runs = [office.join(address, timezone=name) for address, name in people.items()]
    office.work()
    for morning in (2, 3):
        before = clock.now()
        passed = next_morning(clock, office.dispatcher, db)
        assert [len(office.lessons(address)) for address in people] == [morning, morning]
        assert timedelta() < clock.now() - before < timedelta(hours=48)
        assert passed.sent >= 2
    assert [office.run(run).state for run in runs] == [EnrollmentState.COMPLETED] * 2
    assert next_morning(clock, office.dispatcher, db).sent == 0
    for address, name in people.items():
        assert {morning[-5:] for morning in office.mornings(address, name)[1:]} == {"07:00"}
    db.close()


def test_two_threads_of_one_worker_take_turns(sqlite_url):
    office = Office(Database(sqlite_url))
    office.letterbox.window = 2
    for n in range(20):
        office.join(f"p{n}@example.com")
    together, inside, most = threading.Lock(), [0], [0]

    def handing_over(_):
        with together:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with together:
            inside[0] -= 1

    office.letterbox.before = handing_over
    errors: list[BaseException] = []

    def work():
        try:
            office.work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert most == [1]
    assert len(office.letterbox.posted) == len({(p.to, p.key) for p in office.letterbox.posted})
    assert len(office.letterbox.posted) == 60
    office.db.close()
