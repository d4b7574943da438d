"""Lost links: the same answer to everybody, and the links only to their owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event

from course.web.app import create_app
from scheduler.rules.suppression import address_hash
from scheduler.store import people
from tests.little_browser import Browser, forms, heading
from tests.little_school import agreed, build, write_course
from tests.naughty import NAMES

#: What still fits into a form; more is refused before anybody reads it.
TYPED = [name for name in NAMES if len(name.encode("utf-8", "replace")) < 20_000]

ZOE = "zoe@example.com"


def subjects(school, address: str = ZOE) -> list[str]:
    return [str(mail["Subject"]) for mail in school.mails(address)]


def ask(school, browser, address: str = ZOE, **fields: str):
    answer = browser.post("/lost", email=address, **fields)
    school.work()
    return answer


def close(school, reason: str) -> None:
    """Nothing may be sent to Zoe, whatever her runs say."""
    hashed = address_hash("salt", people.address_key(ZOE))
    with school.db.write() as tx:
        people.suppress(tx, hashed, reason=reason, source="test", now=school.clock.now())


def test_the_links_come_by_mail_and_open_the_page(school, browser):
    school.join()
    school.work()
    page = browser.follow(ask(school, browser)).text
    assert heading(page) == "Look into your inbox."
    mail = school.mails()[-1]
    assert str(mail["Subject"]) == "Your links: Three Days of Clear Writing"
    assert "1 of 3" in browser.get(school.link(mail, "learn")).text


@pytest.mark.parametrize("state", ["paused", "completed", "active"])
def test_whoever_has_a_place_gets_the_links(school, browser, state):
    run = school.join()
    if state == "completed":
        school.pass_time(timedelta(days=3))
    elif state == "paused":
        school.enrolling.pause(run, consent=agreed("pause"))
    assert school.run(run).state == state
    school.work()
    ask(school, browser)
    assert subjects(school)[-1].startswith("Your links: ")


def test_a_signup_that_waits_is_asked_again_within_its_limits(school, browser):
    school.sign_up()
    for _ in range(12):
        ask(school, browser)
        school.clock.advance(timedelta(minutes=11))
    assert len(subjects(school)) == 3
    assert {subject.partition(":")[0] for subject in subjects(school)} == {"Please confirm"}


@pytest.mark.parametrize("end", ["left", "everything", "removed", "erased", "bounced", "unknown"])
def test_whoever_left_or_is_not_here_gets_nothing(school, browser, end):
    if end != "unknown":
        run = school.join()
        learner = school.run(run).learner_id
        school.work()
        {
            "left": lambda: school.enrolling.leave(run, agreed("leave")),
            "everything": lambda: school.enrolling.leave_everything(learner, agreed("leave")),
            "removed": lambda: school.enrolling.remove(run, agreed("staff")),
            "erased": lambda: school.enrolling.erase(learner, "test"),
            "bounced": lambda: close(school, "bounced"),
        }[end]()
    before = (len(subjects(school)), school.everything())
    ask(school, browser)
    assert (len(subjects(school)), school.everything()) == before


def test_the_page_tells_who_left_how_to_come_back(browser):
    page = browser.get("/lost?did=sent").text
    assert "You have left the course? Then sign up again" in page
    assert 'href="/courses/clear-writing#join"' in page


def test_at_most_one_such_mail_an_hour(school, browser):
    school.join()
    school.work()
    for _ in range(7):
        ask(school, browser, "ZOE@example.com")
        school.clock.advance(timedelta(minutes=19))
    assert sum(subject.startswith("Your links: ") for subject in subjects(school)) == 2


def test_every_course_of_the_address_has_its_own_letter_and_the_hour_counts_for_all(tmp_path):
    write_course(tmp_path / "lessons", key="second", title="The Second Course")
    write_course(tmp_path / "lessons")
    school = build(tmp_path)
    browser = Browser(school)
    school.join()
    ask(school, browser)
    school.clock.advance(timedelta(minutes=30))
    second = school.enrolling.sign_up("second", ZOE, consent=agreed()).enrollment_id
    school.enrolling.confirm(second, agreed("confirm"))
    ask(school, browser)

    def links() -> list[str]:
        return [text for text in subjects(school) if text.startswith("Your links: ")]

    assert links() == ["Your links: Three Days of Clear Writing"]
    school.clock.advance(timedelta(minutes=31))
    ask(school, browser)
    assert sorted(links()[1:]) == [
        "Your links: The Second Course",
        "Your links: Three Days of Clear Writing",
    ]
    school.close()


# -- nobody learns who is here -------------------------------------------------------------------


@pytest.fixture
def strangers(school) -> dict[str, str]:
    """One address of every kind."""
    runs = {kind: school.join(f"{kind}@example.com") for kind in ("active", "left", "closed")}
    school.enrolling.leave(runs["left"], agreed("leave"))
    school.enrolling.leave_everything(school.run(runs["closed"]).learner_id, agreed("leave"))
    school.sign_up("pending@example.com")
    school.work()
    kinds = (*runs, "pending", "unknown")
    return {kind: f"{kind}@example.com" for kind in kinds}


@contextmanager
def watched(school) -> Iterator[list[str]]:
    """What is asked of the database meanwhile, commits included."""
    seen: list[str] = []
    engine = school.db._engine
    hooks = {
        "before_cursor_execute": lambda _c, _k, statement, *_: seen.append(statement),
        "commit": lambda _c: seen.append("COMMIT"),
    }
    for name, hook in hooks.items():
        event.listen(engine, name, hook)
    yield seen
    for name, hook in hooks.items():
        event.remove(engine, name, hook)


def test_the_answer_is_the_same_to_the_letter(school, browser, strangers):
    answers = set()
    for address in strangers.values():
        answer = browser.post("/lost", email=address)
        headers = {k: v for k, v in answer.headers.items() if k != "date"}
        answers.add((answer.status_code, str(sorted(headers.items())), answer.text))
    assert len(answers) == 1
    assert "active" not in str(answers)


def test_the_answer_has_left_before_any_address_is_looked_up(school, strangers):
    """Known or not, the same work is done before the answer: none at all."""
    app = create_app(school)
    for kind, address in strangers.items():
        school.clock.advance(timedelta(hours=2))
        with watched(school) as seen:

            async def listening(scope, receive, send, seen=seen):
                async def noting(message):
                    if message["type"] == "http.response.body" and not message.get("more_body"):
                        seen.append("ANSWERED")
                    await send(message)

                await app(scope, receive, noting)

            from starlette.testclient import TestClient

            client = TestClient(listening, follow_redirects=False)
            client.post("/lost", data={"email": address}, headers={"origin": "http://testserver"})
        assert seen[0] == "ANSWERED", kind
        assert len(seen) > 1, kind  # it was looked up after all
        assert seen.count("COMMIT") == 1, kind


def test_one_network_cannot_ask_for_ever(school, browser):
    codes = [browser.post("/lost", email=f"a{n}@example.com").status_code for n in range(31)]
    assert codes == [303] * 30 + [429]
    assert Browser(school, ip="203.0.113.9").post("/lost", email=ZOE).status_code == 303
    form = forms(browser.get("/").text)[0]
    school.clock.advance(timedelta(seconds=10))
    assert browser.post(form.action, **{**form.fields, "email": ZOE}).status_code == 303


def test_a_stranger_who_asks_for_me_does_not_keep_me_from_asking(school, browser):
    school.join()
    school.work()
    stranger = Browser(school, ip="203.0.113.9")
    for _ in range(30):
        stranger.post("/lost", email=ZOE)
    school.clock.advance(timedelta(hours=2))
    assert ask(school, browser).status_code == 303
    assert sum(subject.startswith("Your links: ") for subject in subjects(school)) == 2


# -- what people type ----------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["", "zoe", "zoe@", "@example.com", "a b@example.com"])
def test_what_no_mail_reaches_is_said_beside_the_field(school, browser, typed):
    answer = browser.post("/lost", email=typed)
    assert answer.status_code == 422
    assert "<title>Error:" in answer.text
    assert 'aria-describedby="email-error"' in answer.text
    assert 'href="#email"' in answer.text
    assert f'value="{typed}"' in answer.text


def test_whatever_is_typed_the_page_stands(school, browser):
    before = school.everything()
    for typed in TYPED:
        answer = browser.client.post("/lost", data={"email": typed.encode("utf-8", "replace")})
        assert answer.status_code in (303, 422), typed[:40]
        assert "<script>alert" not in answer.text, typed[:40]
        assert "onerror=alert(1)>" not in answer.text, typed[:40]
    assert school.everything() == before


def test_a_slip_is_asked_about_and_both_answers_work(school, browser):
    school.join("zoe@gmail.com")
    school.work()
    page = browser.post("/lost", email="zoe@gmial.com").text
    assert "Did you mean zoe@gmail.com?" in page
    assert ask(school, browser, "zoe@gmial.com", use="zoe@gmail.com").status_code == 303
    assert subjects(school, "zoe@gmail.com")[-1].startswith("Your links: ")
    assert ask(school, browser, "zoe@gmial.com", keep="zoe@gmial.com").status_code == 303


def test_another_site_cannot_ask_in_a_visitors_name(school):
    stranger = Browser(school, **{"sec-fetch-site": "cross-site"})
    assert stranger.post("/lost", email=ZOE).status_code == 403


@pytest.mark.parametrize("page", ["/", "/nothing", "/learn/cut-off", "/manage/x", "/confirm/x"])
def test_every_page_where_one_is_lost_leads_there(browser, page):
    assert 'href="/lost"' in browser.get(page).text
