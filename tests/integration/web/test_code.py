"""The six figures of the confirmation mail, for people who read it on another device."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from course.web.learner.code import figures
from course.web.quotas import CODES_PER_HOUR
from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import people
from tests.little_browser import Browser, heading
from tests.little_school import agreed

ZOE = "zoe@example.com"


def code_in(school, address: str = ZOE, *, part: str = "plain") -> str:
    school.work()
    body = school.mails(address)[-1].get_body((part,))
    if part == "html":
        found = re.search(r"<strong>(\d{6})</strong>", body.get_content())
    else:
        found = re.search(r"^(\d{6})\s*$", body.get_content(), re.MULTILINE)
    assert found
    return found[1]


def another(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def state(school) -> EnrollmentState:
    return school.run_of(ZOE).state


def enter(browser, code: str):
    return browser.post("/check-inbox/code", code=code)


def test_the_code_confirms_in_the_browser_that_signed_up(school, browser):
    page = browser.follow(browser.fill_in()).text
    field = page[page.index('id="code"') :].partition(">")[0]
    for wanted in ('inputmode="numeric"', 'autocomplete="one-time-code"', 'type="text"'):
        assert wanted in field
    code = code_in(school)
    assert code == code_in(school, part="html")
    answer = browser.follow(enter(browser, code))
    assert heading(answer.text) == "You are in."
    assert state(school) is EnrollmentState.ACTIVE
    with school.db.read() as tx:
        given = people.consents_of(tx, school.run_of(ZOE).learner_id)
    assert [c.action for _, c in given] == ["signup", "confirm"]
    assert given[-1][1].source == "web:/check-inbox/code"


@pytest.mark.parametrize("spaced", ["{0} {1}", " {0}-{1} ", "{0}\u00a0{1}\n"])
def test_the_code_may_be_typed_with_spaces(school, browser, spaced):
    browser.fill_in()
    code = code_in(school)
    browser.follow(enter(browser, spaced.format(code[:3], code[3:])))
    assert state(school) is EnrollmentState.ACTIVE


def test_figures_of_every_script_are_read():
    assert figures("١٢٣ ٤٥٦") == figures("１２３４５６") == "123456"


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "½23456", "①23456", "x" * 999])
def test_what_is_no_code_is_said_beside_the_field_and_kept(school, browser, typed):
    browser.fill_in()
    answer = enter(browser, typed)
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert 'aria-describedby="code-error code-hint"' in answer.text
    assert len(answer.text) < 10_000
    assert state(school) is EnrollmentState.PENDING


def test_a_wrong_code_confirms_nobody_and_says_what_to_do(school, browser):
    browser.fill_in()
    code = code_in(school)
    before = school.everything()
    answer = enter(browser, another(code))
    assert answer.status_code == 422
    assert "press the button in that mail instead" in answer.text
    assert school.everything() == before
    assert browser.follow(enter(browser, code)).status_code == 200


def test_the_code_is_worth_nothing_without_the_browser_that_signed_up(school, browser):
    browser.fill_in()
    code = code_in(school)
    stranger = Browser(school)
    assert enter(stranger, code).headers["location"] == "/check-inbox"
    # Nor with the cookie of another signup, even when the address stands in it by another way.
    stranger.fill_in("eve@example.com")
    assert enter(stranger, code).status_code == 422
    trapped = Browser(school)
    trapped.fill_in(ZOE, lantern="a bot")
    assert enter(trapped, code).status_code == 422
    assert state(school) is EnrollmentState.PENDING


def test_who_was_caught_by_the_traps_can_type_the_code_after_asking_again(school, browser):
    browser.fill_in(after=1)
    school.clock.advance(timedelta(minutes=2))
    browser.post("/check-inbox/resend")
    browser.follow(enter(browser, code_in(school)))
    assert state(school) is EnrollmentState.ACTIVE


def test_guessing_ends_after_a_few_codes_an_hour_and_the_button_still_works(school, browser):
    browser.fill_in()
    code = code_in(school)
    answers = [enter(browser, another(code)) for _ in range(CODES_PER_HOUR)]
    assert {answer.status_code for answer in answers} == {422}
    refused = enter(browser, code)
    assert refused.status_code == 429
    assert "Press the button in the mail instead" in refused.text
    # Other cookies, a new signup and a new mail give no new guesses.
    school.clock.advance(timedelta(minutes=11))
    browser.client.cookies.clear()
    browser.fill_in()
    assert enter(browser, code_in(school)).status_code == 429
    assert state(school) is EnrollmentState.PENDING
    link = school.link(school.mails()[0], "confirm")
    assert heading(browser.follow(browser.get(link)).text) == "You are in."


def test_guesses_are_counted_alike_for_addresses_nobody_knows(school):
    closed = school.join("closed@example.com")
    school.enrolling.leave_everything(school.run(closed).learner_id, agreed("leave"))
    school.join("learning@example.com")
    answers = []
    for name in ("new", "closed", "learning"):
        browser = Browser(school)
        browser.fill_in(f"{name}@example.com")
        pages = [enter(browser, "000000") for _ in range(CODES_PER_HOUR + 1)]
        answers.append([(p.status_code, p.text.replace(f"{name}@", "x@")) for p in pages])
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][-1][0] == 429


def test_a_code_typed_again_says_already_confirmed(school, browser):
    browser.fill_in()
    code = code_in(school)
    browser.post(school.link(school.mails()[0], "confirm"))  # on the telephone
    answer = browser.follow(enter(browser, code))
    assert heading(answer.text) == "Already confirmed."
    assert "Lesson 1 is on its way" in answer.text


def test_the_codes_of_the_newest_mails_are_taken_and_each_mail_has_its_own(school, browser):
    browser.fill_in()
    first = code_in(school)
    school.clock.advance(timedelta(minutes=11))
    browser.post("/check-inbox/resend")
    second = code_in(school)
    assert first != second
    browser.follow(enter(browser, first))
    assert state(school) is EnrollmentState.ACTIVE


def test_a_code_ends_with_its_link(school, browser):
    browser.fill_in()
    code = code_in(school)
    school.clock.advance(timedelta(days=7, minutes=1))
    fresh = Browser(school)
    fresh.fill_in()
    assert enter(fresh, code).status_code == 422


def test_who_left_is_not_signed_up_again_by_an_old_code(school, browser):
    browser.fill_in()
    code = code_in(school)
    run = school.run_of(ZOE).id
    school.enrolling.leave(run, agreed("leave"))
    answer = browser.follow(enter(browser, code))
    assert heading(answer.text) == "You have left this course."
    assert state(school) is EnrollmentState.STOPPED


def test_the_code_is_kept_nowhere(school, browser):
    browser.fill_in()
    code = code_in(school)
    enter(browser, code)
    assert code not in str(school.everything())
