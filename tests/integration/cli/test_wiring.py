"""The school is built once, remembers what must outlive it, and refuses a database not ready."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from course import adoption, config, wiring
from course.cli.serve import admin_link
from course.config import Settings
from course.errors import CourseError
from course.web.app import create_app
from scheduler.clock import FixedClock, OffsetClock
from scheduler.enrolling import NewPerson
from scheduler.errors import DatabaseOutdated
from scheduler.store import people


@pytest.fixture
def settings(project) -> Settings:
    return config.load(env={})


@pytest.fixture
def build(settings):
    built = []

    def build(**options):
        chosen = options.pop("settings", settings)
        built.append(wiring.build(chosen, **options))
        return built[-1]

    yield build
    for school in built:
        school.close()


def test_closing_twice_is_harmless(build) -> None:
    school = build()
    school.start_driver()
    school.close()
    school.close()


def test_the_salt_is_made_once_and_outlives_every_key(build, settings) -> None:
    first = build().salt
    other_key = settings.model_copy(update={"secret_key": ("another-key-altogether",)})
    assert build(settings=other_key).salt == first
    assert len(first) >= 32


def test_many_first_starts_at_once_agree_on_salt_and_key(settings) -> None:
    wiring.open_database(settings).close()
    schools: list[wiring.School] = []
    threads = [
        threading.Thread(target=lambda: schools.append(wiring.build(settings))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(s.salt, s.settings.secret_key) for s in schools}) == 1
    assert len(schools) == 6
    for school in schools:
        school.close()


def test_a_first_key_is_linked_into_place_never_moved_over_anothers(settings, monkeypatch) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("it may overwrite another's key"))
    assert config.with_secret(settings).secret_key


def test_the_driver_sends_as_soon_as_something_is_owed(build, project) -> None:
    school = build()
    done = threading.Event()
    seen = school.provider.send

    def send(messages):
        yield from seen(messages)
        done.set()

    school.provider.send = send  # type: ignore[method-assign]
    school.start_driver()
    school.enrolling.enroll("tiny", [NewPerson("ana@example.org")], consent=None)
    assert done.wait(10)  # far less than a tick
    assert school.stop_driver(10)


def test_a_tick_is_remembered_for_processes_without_a_worker(build) -> None:
    school = build(clock=FixedClock(datetime(2026, 12, 1, 7, tzinfo=UTC)))
    school.start_driver()
    noted, deadline = None, time.monotonic() + 10
    while noted is None and time.monotonic() < deadline:
        with school.db.read() as tx:
            noted = wiring.parse_tick(people.get_meta(tx, "last_tick_at"))
    assert noted == datetime(2026, 12, 1, 7, tzinfo=UTC)
    assert school.last_tick_at == noted


def test_a_demos_clock_goes_on_where_it_stopped(build) -> None:
    first = build(demo=True)
    assert isinstance(first.clock, OffsetClock)
    first.enrolling.enroll("tiny", [NewPerson("ana@example.org")], consent=None)
    assert first.next_morning is not None
    consent = people.Consent("staff", "x", "test", first.clock.now())
    first.enrolling.enroll("tiny", [NewPerson("ben@example.org")], consent=consent)
    done = first.next_morning()
    assert done.sent >= 2
    assert done.ended_at > done.began_at
    moved = first.clock.now()
    # A restart, and any other command on this database, goes on from there.
    assert build(demo=True).clock.now() >= moved
    assert build().clock.now() >= moved
    assert build().demo


def test_a_next_morning_neither_ends_the_link_into_the_office_nor_a_login(build) -> None:
    school = build(demo=True)
    assert isinstance(school.clock, OffsetClock)
    browser = TestClient(create_app(school), base_url=school.settings.base_url)
    first, second = (admin_link(school) for _ in range(2))
    enter = {"origin": school.settings.base_url}
    browser.post("/admin/enter", data={"token": first.partition("token=")[2]}, headers=enter)
    school.clock.advance_to(school.clock.now() + timedelta(days=9))
    assert browser.get("/admin/").status_code == 200
    assert "Enter</button>" in TestClient(create_app(school)).get(second).text


def test_an_ordinary_school_has_no_next_morning(build) -> None:
    school = build()
    assert school.next_morning is None
    assert not school.demo


def test_reading_commands_never_settle_a_question_of_ownership(build, settings) -> None:
    build(worker=False)
    school = build(worker=False)
    with school.db.read() as tx:
        assert people.get_meta(tx, adoption.DEPLOYMENT) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://127.0.0.1:8000", "http://localhost:9000", True),
        ("https://a.example.net", "https://A.example.net/", True),
        ("https://a.example.net", "http://a.example.net", True),
        ("https://a.example.net", "https://b.example.net", False),
        ("https://a.example.net/one", "https://a.example.net/two", False),
        ("https://a.example.net", "https://a.example.net:8443", False),
        ("http://127.0.0.1:8000", "https://a.example.net", False),
    ],
)
def test_what_makes_a_deployment_the_same(one: str, other: str, same: bool) -> None:
    assert (adoption.identity(one) == adoption.identity(other)) is same


def test_a_worker_that_runs_already_stops_when_the_database_is_put_under_review(build) -> None:
    clock = FixedClock(datetime(2026, 12, 1, 6, tzinfo=UTC))
    school = build(clock=clock)
    consent = people.Consent("staff", "x", "test", clock.now())
    school.enrolling.enroll("tiny", [NewPerson("ana@example.org")], consent=consent)
    clock.advance(timedelta(hours=2))
    with school.db.write() as tx:
        people.set_meta(tx, adoption.REVIEW, "the clock jumped")
    assert school.dispatcher.run_due().as_dict()["accepted"] == 0
    with school.db.write() as tx:
        adoption.adopt(tx, school.settings.base_url, school.clock.now())
    assert school.dispatcher.run_due().as_dict()["accepted"] == 1


def test_a_clock_set_a_year_ahead_sends_nothing_and_expires_nobody_until_adopted(build) -> None:
    clock = FixedClock(datetime(2026, 12, 1, 6, tzinfo=UTC))
    school = build(clock=clock)
    consent = people.Consent("staff", "x", "test", clock.now())
    school.enrolling.enroll("tiny", [NewPerson("ana@example.org")], consent=consent)
    school.enrolling.enroll("tiny", [NewPerson("eva@example.org")], consent=None)
    school.dispatcher.run_due()
    clock.instant += timedelta(days=365)
    assert school.upkeep.run() == {}
    assert not any(school.dispatcher.run_due().as_dict().values())
    assert "8,760 hours ahead" in school.dispatcher.held
    assert school.dispatcher.held.endswith("`course adopt`")
    again = build(clock=clock)  # a restart does not make the clock right
    assert again.held == school.dispatcher.held
    with school.db.write() as tx:
        adoption.adopt(tx, school.settings.base_url, school.clock.now())
    assert school.dispatcher.run_due().as_dict()["accepted"] == 1


def test_ten_days_of_downtime_hold_nothing_back(build) -> None:
    clock = FixedClock(datetime(2026, 12, 1, 6, tzinfo=UTC))
    school = build(clock=clock)
    consent = people.Consent("staff", "x", "test", clock.now())
    school.enrolling.enroll("tiny", [NewPerson("ana@example.org")], consent=consent)
    school.close()
    clock.advance(timedelta(days=10, hours=4))
    again = build(clock=clock)
    assert again.held == ""
    assert again.dispatcher.run_due().as_dict()["accepted"] == 1


def test_an_unknown_lesson_is_told_before_anything_is_sent(build, project) -> None:
    with pytest.raises(CourseError, match="there is no lesson"):
        build().send_one("tiny", "nope", "me@example.org")
    assert project.mails() == []


@pytest.mark.postgres
def test_postgresql_is_upgraded_only_when_told_to(settings, new_postgresql_url) -> None:
    there = settings.model_copy(update={"database_url": new_postgresql_url})
    with pytest.raises(DatabaseOutdated, match="course db upgrade"):
        wiring.build(there)
    school = wiring.build(there.model_copy(update={"auto_migrate": True}))
    school.close()
    wiring.build(there).close()


@pytest.mark.postgres
def test_the_commands_work_on_postgresql_too(project, new_postgresql_url) -> None:
    where = {"DATABASE_URL": new_postgresql_url}
    refused = project.tried("learners", "list", **where)
    assert refused.code == 1
    assert "course db upgrade" in refused.err
    assert project.tried("db", "upgrade", **where).code == 0
    (project.folder / "l.csv").write_text("email,hour\nana@example.org,7\nbad\n")
    assert project.tried("import", "l.csv", "--consent", "x", **where).code == 3
    assert project.tried("plan", "--days", "3", "--json", **where).json["lessons"] >= 2
    sent = project.tried("work", "--once", "--as-of", "2099-01-01T07:00Z", "--json", **where)
    assert sent.json["accepted"] == 1
    assert "1 of 3 lessons sent" in project.tried("explain", "ana@example.org", **where).out
    assert project.tried("doctor", **where).code == 0
    assert len(project.tried("export", "all", **where).json["deliveries"]) == 1
