"""Everybody at the form is served alike and once, however many come, whoever they are."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event

from course.config import SignupSettings
from course.web.app import create_app
from course.web.together import Together
from scheduler.domain.enrollment import EnrollmentState
from scheduler.enrolling import Asked
from scheduler.errors import DatabaseUnavailable, NotAllowed
from scheduler.store import ledger, people
from tests.little_browser import Browser, forms
from tests.little_school import COURSE, agreed, build, write_course

# -- the same work -------------------------------------------------------------------------------


@pytest.fixture
def known(school):
    """One address of every kind; all of it lies a day back."""
    school.sign_up("waiting@example.com")
    school.join("learning@example.com")
    school.enrolling.leave(school.join("left@example.com"), agreed("leave"))
    for name in ("closed", "erased"):
        run = school.run(school.join(f"{name}@example.com"))
        school.enrolling.leave_everything(run.learner_id, agreed("leave"))
    school.enrolling.forget(run.learner_id)
    finished = school.join("finished@example.com")
    school.work()
    school.pass_time(timedelta(days=3))
    assert school.run(finished).state is EnrollmentState.COMPLETED
    return school


@pytest.mark.parametrize("how", ["form", "code", "again"])
def test_the_database_is_asked_the_same_whoever_signs_up(known, how):
    said: list[str] = []
    engine = known.db._engine
    changes: dict[str, int] = {}

    def write_down(_connection, cursor, statement, *_):
        said.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", write_down)
    event.listen(engine, "commit", lambda _: said.append("COMMIT"))
    asked = {}
    for name in ("new", "waiting", "learning", "left", "closed", "erased", "finished"):
        browser = Browser(known)
        known.clock.advance(timedelta(hours=2))
        if how != "form":
            browser.fill_in(f"{name}@example.com")
            known.clock.advance(timedelta(minutes=11))
        form = forms(browser.get("/").text)[0]
        known.clock.advance(timedelta(seconds=10))
        before = known.everything()
        said.clear()
        if how == "form":
            browser.post(form.action, **{**form.fields, "email": f"{name}@example.com"})
        elif how == "again":
            browser.post("/check-inbox/resend")
        else:
            browser.post("/check-inbox/code", code="000000")
        asked[name] = list(said)
        changes[name] = known.everything() != before
    assert asked["new"].count("COMMIT") == 1
    for name, statements in asked.items():
        assert statements == asked["new"], name
    # Each reaches the disk: a commit of nothing would be answered sooner.
    assert set(changes.values()) == {how != "code"}


def test_an_address_that_may_not_be_written_to_leaves_no_trace_of_itself(known):
    before = known.everything()
    Browser(known).fill_in("erased@example.com", first_name="Nobody")
    after = known.everything()
    assert {name for name in after if after[name] != before[name]} == {"meta"}
    assert "erased@" not in str(after)
    assert "Nobody" not in str(after)


# -- how often -----------------------------------------------------------------------------------


def test_at_most_three_mails_to_confirm_go_to_one_address_in_a_day(tmp_path):
    write_course(tmp_path / "lessons")
    for number in range(5):
        write_course(tmp_path / "lessons", key=f"course-{number}", title=f"Course {number}")
    school = build(tmp_path, lessons=tmp_path / "lessons")
    for step in range(20):
        school.clock.advance(timedelta(minutes=20))
        key = f"course-{step % 5}"
        school.enrolling.sign_up(key, "zoe@example.com", consent=agreed())
    school.work()
    assert len(school.mails()) == 3
    school.clock.advance(timedelta(days=1))
    school.enrolling.sign_up("course-4", "zoe@example.com", consent=agreed())
    school.work()
    assert len(school.mails()) == 4


def test_who_learns_gets_their_links_at_most_once_an_hour(school):
    school.join()
    school.work()
    for _ in range(8):
        school.clock.advance(timedelta(minutes=20))
        school.enrolling.sign_up(COURSE, "zoe@example.com", consent=agreed())
    school.work()
    titles = [str(mail["Subject"]) for mail in school.mails()]
    assert sum("links" in title.lower() for title in titles) == 3


def test_a_stranger_renames_nobody_who_learns(school):
    school.join(first_name="Zoë")
    school.enrolling.sign_up(COURSE, "ZOE@example.com", first_name="Fool", consent=agreed())
    with school.db.read() as tx:
        assert people.find_learner(tx, "zoe@example.com").first_name == "Zoë"


# -- many at once --------------------------------------------------------------------------------


def owed(school, address: str) -> list[str]:
    with school.db.read() as tx:
        learner = people.find_learner(tx, address)
        [run] = people.enrollments_of(tx, learner.id)
        return [d.key for d in ledger.deliveries_of(tx, run.id)]


def posts(school, addresses):
    """The answers to as many forms, all sent at the same moment to one application."""
    app = create_app(school)
    stamp = app.state.desk.sealer.seal("signup", ["I want it.", "v"])
    school.clock.advance(timedelta(seconds=10))

    async def post(address: str) -> int:
        body = f"email={address.replace('@', '%40')}&stamp={stamp}".encode()
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": f"/courses/{COURSE}/signup", "raw_path": b"", "root_path": "",
            "query_string": b"", "client": ("198.51.100.7", 1), "server": ("testserver", 80),
            "headers": [
                (b"host", b"testserver"),
                (b"content-type", b"application/x-www-form-urlencoded"),
                (b"content-length", str(len(body)).encode()),
            ],
        }  # fmt: skip
        heard: list[dict] = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            heard.append(message)

        await app(scope, receive, send)
        return heard[0]["status"]

    async def every() -> list[int]:
        return await asyncio.gather(*map(post, addresses))

    return apart(every)


def test_two_hundred_at_once_of_a_hundred_people_are_a_hundred_runs(tmp_path):
    limits = SignupSettings(per_ip_per_hour=1_000, min_fill_seconds=0)
    school = build(tmp_path, signup=limits)
    commits: list[object] = []
    event.listen(school.db._engine, "commit", commits.append)
    names = [f"p{number}@example.com" for number in range(100)]
    answers = posts(school, names + names)
    assert len(commits) < 50  # they shared transactions
    assert Counter(answers) == {303: 200}
    for name in names:
        assert owed(school, name) == ["@confirm"]
        assert school.run_of(name).state is EnrollmentState.PENDING
    school.close()


def test_one_person_twice_in_one_batch_gets_one_mail(school):
    twice = [Asked(COURSE, a, agreed()) for a in ("Zoe@example.com", "zoe@EXAMPLE.com")]
    first, second = school.enrolling.sign_up_all(twice)
    assert (first.outcome, second.outcome) == ("created", "limited")
    assert first.enrollment_id == second.enrollment_id
    assert owed(school, "zoe@example.com") == ["@confirm"]


def test_threads_at_once_lose_and_double_nobody(school):
    """Two processes of one school are two threads here: each with a transaction of its own."""
    failed: list[Exception] = []

    def sign_up(names):
        try:
            for name in names:
                school.enrolling.sign_up(COURSE, name, consent=agreed())
        except Exception as error:
            failed.append(error)

    names = [f"p{number}@example.com" for number in range(15)]
    threads = [
        threading.Thread(target=sign_up, args=(order,)) for order in (names, names[::-1], names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert all(owed(school, name) == ["@confirm"] for name in names)


def apart(every):
    """In a thread of its own: a browser test beside this one may have a loop running here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(every())).result()


# -- sharing -------------------------------------------------------------------------------------


def asked_together(work, wishes):
    async def every():
        together = Together(work)
        return await asyncio.gather(*map(together.ask, wishes), return_exceptions=True)

    return apart(every)


def test_everybody_in_a_batch_gets_their_own_answer():
    sizes: list[int] = []

    def work(wishes):
        sizes.append(len(wishes))
        return [wish * 2 for wish in wishes]

    assert asked_together(work, range(500)) == [number * 2 for number in range(500)]
    assert max(sizes) <= 200
    assert len(sizes) < 10


def test_one_bad_wish_harms_no_other():
    def work(wishes):
        if 7 in wishes:
            raise NotAllowed("not this one")
        return list(wishes)

    answers = asked_together(work, range(20))
    assert isinstance(answers.pop(7), NotAllowed)
    assert answers == [number for number in range(20) if number != 7]


def test_a_database_that_is_away_is_asked_once_for_all():
    tries: list[int] = []

    def work(wishes):
        tries.append(len(wishes))
        raise DatabaseUnavailable("away")

    answers = asked_together(work, range(100))
    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert sum(tries) == 100
    assert len(tries) < 5
