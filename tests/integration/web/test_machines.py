"""Doors for machines: health, metrics and the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from course.config import SignupSettings
from scheduler.errors import DatabaseUnavailable
from scheduler.store import people
from tests.little_browser import Browser
from tests.little_school import COURSE, agreed, build


def tick(school, ago: timedelta) -> None:
    with school.db.write() as tx:
        people.set_meta(tx, "last_tick_at", (school.clock.now() - ago).isoformat())


def test_alive_asks_nothing_of_the_database(school, browser, monkeypatch):
    monkeypatch.setattr(school, "db", None)
    assert browser.get("/healthz").json() == {"status": "ok"}


def test_ready_while_a_worker_looks(school, browser):
    tick(school, timedelta(seconds=5))
    answer = browser.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"database": "ok", "migrations": "ok", "worker": "ok"}


@pytest.mark.parametrize("ago", [None, timedelta(minutes=5)])
def test_not_ready_without_a_worker(school, browser, ago):
    if ago is not None:
        tick(school, ago)
    answer = browser.get("/readyz")
    assert answer.status_code == 503
    assert "course work" in answer.json()["checks"]["worker"]


def test_this_processs_own_worker_counts(school, browser):
    school.last_tick_at = school.clock.now()
    assert browser.get("/readyz").status_code == 200


def test_not_ready_without_a_database_and_without_telling_its_address(school, browser, monkeypatch):
    def away():
        raise DatabaseUnavailable("postgresql://secret@db.internal is away")

    monkeypatch.setattr(school.db, "read", away)
    answer = browser.get("/readyz")
    assert answer.status_code == 503
    assert "secret" not in answer.text


def test_not_ready_while_migrations_are_behind(school, browser, monkeypatch):
    tick(school, timedelta())
    monkeypatch.setattr(school.db, "is_current", lambda: False)
    assert "course db upgrade" in browser.get("/readyz").json()["checks"]["migrations"]


def test_metrics_count_what_is_in_the_database(school):
    school.join()
    school.work()
    tick(school, timedelta())
    text = Browser(school, ip="127.0.0.1").get("/metrics").text
    assert 'course_learners{state="active"} 1.0' in text
    assert 'course_deliveries_today{state="accepted"} 3.0' in text
    assert "course_due 0.0" in text
    assert "course_scheduler_last_tick_timestamp_seconds" in text
    assert "zoe@" not in text


def test_metrics_are_for_this_machine_or_the_bearer_of_the_token(tmp_path):
    school = build(tmp_path, metrics_token="open sesame")
    far = Browser(school)
    assert far.get("/metrics").status_code == 404
    assert far.get("/metrics", headers={"authorization": "Bearer guess"}).status_code == 404
    assert far.get("/metrics", headers={"authorization": "Bearer open sesame"}).status_code == 200
    near = Browser(school, ip="::1")
    assert near.get("/metrics").status_code == 200
    # A proxy nobody told us about stands between: whoever it serves is not this machine.
    assert near.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404


def test_without_a_token_an_empty_bearer_is_nobody(school, browser):
    assert browser.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


# -- the API -----------------------------------------------------------------------------------


def sign_up(browser: Browser, **body):
    return browser.client.post("/api/v1/signups", json=body)


def test_the_courses_are_listed(browser):
    (course,) = browser.get("/api/v1/courses").json()
    assert course["key"] == COURSE
    assert course["url"] == f"http://testserver/courses/{COURSE}"
    assert [lesson["title"] for lesson in course["lessons"]] == [
        "Short sentences", "Plain words", "One more pass",
    ]  # fmt: skip


def test_a_program_signs_somebody_up(school, browser):
    answer = sign_up(browser, email="zoe@example.com", timezone="Asia/Calcutta", days="mon,fri")
    assert answer.status_code == 202
    run = school.run_of("zoe@example.com")
    assert (run.state, run.timezone, run.cadence.weekdays) == ("pending", "Asia/Kolkata", {0, 4})


def test_the_api_too_gives_one_answer_for_everybody(school, browser):
    school.join("known@example.com")
    gone = school.join("closed@example.com")
    school.enrolling.leave_everything(school.run(gone).learner_id, agreed("leave"))
    answers = [sign_up(browser, email=f"{n}@example.com") for n in ("new", "known", "closed")]
    assert {(a.status_code, a.text) for a in answers} == {(202, answers[0].text)}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "zoe@@x"}, "email"),
        ({}, "email"),
        ({"email": "a@b.com", "hour": "25:00"}, "hour"),
        ({"email": "a@b.com", "days": "someday"}, "days"),
        ({"email": "a@b.com", "first_name": "x" * 61}, "first_name"),
    ],
)
def test_a_wrong_field_is_named(browser, body, field):
    answer = sign_up(browser, **body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["field"] == field


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "a\nb", "\u202e"])
def test_odd_letters_never_break_the_door(school, browser, odd):
    import json

    for body in (
        {"email": f"zoe{odd}@example.com"},
        {"email": "zoe@example.com", "first_name": f"Zo{odd}"},
        {"email": "zoe@example.com", "timezone": odd},
        {"email": "zoe@example.com", "consent": f"Yes {odd}"},
        {"email": "zoe@example.com", "course": odd},
    ):
        answer = browser.client.post("/api/v1/signups", content=json.dumps(body))
        assert answer.status_code in (202, 404, 422, 429), body


def test_an_unknown_course_is_404_in_json(browser):
    answer = sign_up(browser, email="a@b.com", course="nope")
    assert answer.status_code == 404
    assert "nope" in answer.json()["detail"]
    assert browser.get("/api/v1/nothing").json()["detail"]


def test_the_api_has_the_same_limits(tmp_path):
    school = build(tmp_path, signup=SignupSettings(per_address_per_day=2))
    browser = Browser(school)
    codes = [sign_up(browser, email=f"a.b+{n}@gmail.com").status_code for n in range(3)]
    assert codes == [202, 202, 429]


def test_the_description_covers_the_api_and_nothing_else(browser):
    told = browser.get("/api/openapi.json").json()
    assert set(told["paths"]) == {"/api/v1/courses", "/api/v1/signups"}
    assert browser.get("/docs").status_code == 404
    assert browser.get("/redoc").status_code == 404
