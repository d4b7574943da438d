"""Leaving, signing up and confirming at the very moment somebody else is at work.

The web is the real application; the worker is another program's: it has a database of its own.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from course.web.app import create_app
from scheduler.dispatch import Dispatcher
from scheduler.store import Database
from scheduler.store.tables import deliveries, enrollments, learners
from tests.little_browser import forms
from tests.little_school import LittleSchool, build

PATIENCE = 30.0
CROWD = 20


@pytest.fixture
def school(tmp_path: Path, database_url: str) -> Iterator[LittleSchool]:
    made = build(tmp_path, database=database_url)
    yield made
    made.close()


@pytest.fixture
def elsewhere(database_url: str) -> Iterator[Database]:
    """The same database, opened by another program."""
    db = Database(database_url)
    yield db
    db.close()


@pytest.fixture
def worker(school: LittleSchool, elsewhere: Database) -> Dispatcher:
    return Dispatcher(
        elsewhere, school.clock, school.catalog.syllabus, school.composer, school.provider,
        salt="salt",
    )  # fmt: skip


class Gate:
    """Stops whoever comes by until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.opened.wait(PATIENCE)


def stop_at(db: Database, point: str) -> Gate:
    gate = Gate()
    db.crash_point = lambda passed: gate() if passed == point else None
    return gate


def at_once(call: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def leave(school: LittleSchool) -> Callable[[], None]:
    """A learner whose second lesson is due, and the click that ends it."""
    run = school.join()
    school.work()
    school.clock.advance(timedelta(days=1))
    web = TestClient(create_app(school), follow_redirects=False)
    link = school.link_path(school.links.leave(run))

    def leave() -> None:
        assert web.post(link, content="List-Unsubscribe=One-Click").status_code == 200

    return leave


def second_lesson(school: LittleSchool) -> str:
    """What became of it: its state, and a number if it was sent."""
    d = deliveries.c
    with school.db.read() as tx:
        state: str = tx.execute(select(d.state).where(d.key == "plain-words")).scalar_one()
    assert sum("Plain words" in str(m["Subject"]) for m in school.mails()) == (state == "accepted")
    return state


def test_who_left_after_the_claim_gets_nothing(school, worker, elsewhere, leave) -> None:
    gate = stop_at(elsewhere, "claim: after commit")
    sending = at_once(worker.run_due)
    assert gate.reached.wait(PATIENCE)
    leave()
    gate.opened.set()
    sending.join(PATIENCE)
    assert second_lesson(school) == "cancelled"


def test_leaving_waits_for_a_mark_that_came_first(school, worker, elsewhere, leave) -> None:
    gate = stop_at(elsewhere, "mark: before commit")
    sending = at_once(worker.run_due)
    assert gate.reached.wait(PATIENCE)
    leaving = at_once(leave)
    leaving.join(0.5)
    # Whoever is told that they have left gets nothing that begins later.
    assert leaving.is_alive()
    gate.opened.set()
    leaving.join(PATIENCE)
    sending.join(PATIENCE)
    assert second_lesson(school) == "accepted"


def test_a_mark_waits_for_a_leave_that_came_first(school, worker, elsewhere, leave) -> None:
    claimed = stop_at(elsewhere, "claim: after commit")
    sending = at_once(worker.run_due)
    assert claimed.reached.wait(PATIENCE)
    left = stop_at(school.db, "leave: before commit")
    leaving = at_once(leave)
    assert left.reached.wait(PATIENCE)
    claimed.opened.set()
    sending.join(0.5)
    left.opened.set()
    leaving.join(PATIENCE)
    sending.join(PATIENCE)
    assert second_lesson(school) == "cancelled"


@pytest.fixture
def erase(school: LittleSchool) -> Callable[[], None]:
    """The same learner, and the typed word that erases them."""
    run = school.join()
    school.work()
    school.clock.advance(timedelta(days=1))
    web = TestClient(
        create_app(school), follow_redirects=False, headers={"sec-fetch-site": "same-origin"}
    )
    link = f"{school.link_path(school.links.manage(run))}/data/erase"

    def erase() -> None:
        answer = web.post(link, data={"word": "delete", "typed": "delete"})
        assert "Everything is deleted." in answer.text

    return erase


def what_is_left(school: LittleSchool) -> dict[str, int]:
    """Rows in the tables that may hold something about a person."""
    everything = school.everything()
    tables = ("learners", "enrollments", "deliveries", "delivery_events", "consents")
    return {name: len(everything[name]) for name in tables}


NOTHING = dict.fromkeys(("learners", "enrollments", "deliveries", "delivery_events", "consents"), 0)


def test_who_is_erased_after_the_claim_gets_nothing(school, worker, elsewhere, erase) -> None:
    gate = stop_at(elsewhere, "claim: after commit")
    before = len(school.mails())
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(worker.run_due)
        assert gate.reached.wait(PATIENCE)
        erase()
        gate.opened.set()
        sending.result(PATIENCE)
    assert len(school.mails()) == before
    assert what_is_left(school) == NOTHING


def test_who_is_erased_during_the_hand_over_stays_erased(school, worker, elsewhere, erase) -> None:
    """What has begun cannot be called back; but nothing of it is written down afterwards."""
    gate = stop_at(elsewhere, "mark: after commit")
    before = len(school.mails())
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(worker.run_due)
        assert gate.reached.wait(PATIENCE)
        erase()
        gate.opened.set()
        sending.result(PATIENCE)
    assert len(school.mails()) == before + 1
    assert what_is_left(school) == NOTHING
    for _ in range(3):
        school.clock.advance(timedelta(days=1))
        worker.run_due()
    assert len(school.mails()) == before + 1
    assert what_is_left(school) == NOTHING


def all_at_once(calls: list[Callable[[], int]]) -> set[int]:
    """The status codes of requests that set off together."""
    start = threading.Barrier(len(calls))

    def one(call: Callable[[], int]) -> int:
        start.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return set(pool.map(one, calls))


def posts(school: LittleSchool, path: str, **more: str) -> list[Callable[[], int]]:
    """As many browsers that have this page open and are about to press its button."""

    def browser(number: int) -> Callable[[], int]:
        client = TestClient(
            create_app(school), follow_redirects=False,
            headers={"sec-fetch-site": "same-origin"}, client=(f"198.51.{number}.7", 50_000),
        )  # fmt: skip
        form = forms(client.get(path).text)[0]
        return lambda: client.post(form.action, data=form.fields | more).status_code

    return [browser(number) for number in range(CROWD)]


def test_twenty_signups_and_twenty_confirmations_at_once_are_one(school) -> None:
    signups = posts(school, "/", email="zoe@example.com")
    school.clock.advance(timedelta(seconds=10))
    assert all_at_once(signups) == {303}
    school.work()
    (confirm,) = school.mails()
    assert all_at_once(posts(school, school.link(confirm, "confirm"))) <= {200, 303}
    school.work()
    subjects = Counter(str(mail["Subject"]).rpartition("] ")[2] for mail in school.mails())
    assert subjects == {str(confirm["Subject"]): 1, "You are in": 1, "Short sentences": 1}
    with school.db.read() as tx:
        for table in (learners, enrollments):
            assert tx.execute(select(func.count()).select_from(table)).scalar() == 1
        assert set(tx.execute(select(enrollments.c.state)).scalars()) == {"active"}
