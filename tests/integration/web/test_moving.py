"""Another address: asked for on the settings page, answered in two mailboxes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.provider import Fault, Refused
from scheduler.rules.suppression import address_hash
from scheduler.store import people
from tests.little_browser import forms, heading
from tests.little_school import agreed

OLD, NEW = "zoe@example.com", "zoe@example.net"


@pytest.fixture
def run(school) -> int:
    number = school.join()
    school.work()
    return number


@pytest.fixture
def settings(school, run) -> str:
    return school.link_path(school.links.manage(run))


def ask(school, browser, settings, address=NEW):
    """Type it on the settings page, as a person would."""
    school.clock.advance(timedelta(minutes=1))
    form = next(f for f in forms(browser.get(settings).text) if f.action.endswith("/address"))
    answer = browser.post(form.action, **{**form.fields, "email": address})
    school.work()
    return answer


def question(school, browser, settings, address=NEW) -> str:
    """The link in the mail that came to the new address."""
    assert ask(school, browser, settings, address).status_code == 303
    return school.link(school.mails(address)[-1], "address")


def press(school, browser, link):
    """The button of the page behind a link, and the page after it."""
    school.clock.advance(timedelta(minutes=1))
    (form,) = forms(browser.get(link).text)
    page = browser.follow(browser.post(form.action, **form.fields)).text
    school.work()
    return page


def address_of(school, run) -> str:
    with school.db.read() as tx:
        return people.learner(tx, school.run(run).learner_id).address


def text_of(mail) -> str:
    return mail.get_body(("plain",)).get_content()


def test_the_page_asks_the_new_address_and_says_that_nothing_has_changed_yet(
    school, browser, run, settings
):
    page = browser.follow(ask(school, browser, settings)).text
    assert "We have written to the address you typed" in page
    assert "Until then everything comes to z••@example.com" in page
    assert NEW not in page
    assert [str(mail["Subject"]) for mail in school.mails(NEW)] == [
        "Please confirm your new address: Three Days of Clear Writing"
    ]
    assert address_of(school, run) == OLD


def test_the_question_tells_a_stranger_nothing_of_the_learner(school, browser, run, settings):
    link = question(school, browser, settings)
    seen = text_of(school.mails(NEW)[0]) + browser.get(link).text
    assert OLD not in seen
    assert "z••@example.com" not in seen
    for purpose in ("manage", "learn", "leave", "read", "done"):
        assert f"/{purpose}/" not in seen


def test_after_the_button_everything_comes_there_and_the_old_address_is_told(
    school, browser, run, settings
):
    page = press(school, browser, question(school, browser, settings))
    assert heading(page) == "Done."
    assert "Everything comes to z••@example.net." in page
    assert "Lesson 2 comes tomorrow, Tuesday, at 07:00" in page
    told = school.mails(OLD)[-1]
    assert str(told["Subject"]) == "Your address was changed: Three Days of Clear Writing"
    assert "z••@example.net" in text_of(told)
    assert NEW not in text_of(told)
    school.pass_time(timedelta(days=1))
    assert "Plain words" in str(school.mails(NEW)[-1]["Subject"])


def test_old_links_keep_working_after_the_change(school, browser, run, settings):
    first = next(m for m in school.mails(OLD) if "Short sentences" in str(m["Subject"]))
    press(school, browser, question(school, browser, settings))
    for purpose in ("learn", "manage", "leave", "read", "done"):
        answer = browser.get(school.link(first, purpose))
        assert answer.status_code == 200
        assert "not complete" not in answer.text
    assert "z••@example.net" in browser.get(settings).text
    browser.post(school.link(first, "leave"))
    assert school.run(run).state is EnrollmentState.STOPPED


def test_a_scanner_in_either_mailbox_changes_nothing(school, browser, run, settings):
    link = question(school, browser, settings)
    before = school.everything()
    for _ in range(20):
        assert browser.get(link).status_code == 200
        assert browser.head(link).status_code == 200
    assert school.everything() == before
    press(school, browser, link)
    objection = school.link(school.mails(OLD)[-1], "address")
    before = school.everything()
    for _ in range(20):
        browser.get(objection)
        browser.head(objection)
    assert school.everything() == before


def test_it_was_not_me_brings_everything_back(school, browser, run, settings):
    asked = question(school, browser, settings)
    press(school, browser, asked)
    objection = school.link(school.mails(OLD)[-1], "address")
    assert heading(browser.get(objection).text) == "It was not you?"
    page = press(school, browser, objection)
    assert "Everything comes to z••@example.com." in page
    assert address_of(school, run) == OLD
    assert heading(browser.get(asked).text) == "This link is no longer needed."
    browser.post(asked)
    assert address_of(school, run) == OLD


def test_a_link_works_for_seven_days(school, browser, run, settings):
    link = question(school, browser, settings)
    school.clock.advance(timedelta(days=7, hours=1))
    assert heading(browser.get(link).text) == "This link has run out."
    browser.post(link)
    assert address_of(school, run) == OLD


def test_a_done_link_shows_nothing_more_of_the_course_once_it_is_old(
    school, browser, run, settings
):
    link = question(school, browser, settings)
    press(school, browser, link)
    assert "Lesson 2" in browser.get(link).text
    school.clock.advance(timedelta(days=8))
    page = browser.get(link).text
    assert heading(page) == "Done."
    assert "Lesson" not in page


@pytest.mark.parametrize("whose", ["a learner's", "suppressed", "one's own"])
def test_the_answer_is_the_same_whosever_the_address_is(school, browser, run, settings, whose):
    plain = ask(school, browser, settings, "nobody@example.net")
    wanted = OLD if whose == "one's own" else NEW
    if whose == "a learner's":
        school.join(NEW)
    elif whose == "suppressed":
        hashed = address_hash("salt", people.address_key(NEW))
        with school.db.write() as tx:
            people.suppress(tx, hashed, reason="bounced", source="test", now=school.clock.now())
    school.work()
    before = len(school.mails(wanted))
    answer = ask(school, browser, settings, wanted)
    assert (answer.status_code, answer.headers["location"]) == (
        plain.status_code,
        plain.headers["location"],
    )
    assert browser.follow(answer).text == browser.follow(plain).text
    mails = school.mails(wanted)[before:]
    if whose == "suppressed":
        assert mails == []
    elif whose == "a learner's":
        assert "/address/" not in text_of(mails[0])
        assert "has a place here already" in text_of(mails[0])
    else:
        link = school.link(mails[0], "address")
        assert heading(browser.get(link).text) == "Done."


def test_the_same_address_is_asked_once_in_ten_minutes(school, browser, run, settings):
    ask(school, browser, settings)
    page = browser.follow(ask(school, browser, settings)).text
    assert "before you try again" in page
    assert len(school.mails(NEW)) == 1


def test_a_slip_is_noticed_and_one_button_mends_it(school, browser, run, settings):
    answer = ask(school, browser, settings, "zoe@gmial.com")
    assert answer.status_code == 200
    assert "Did you mean zoe@gmail.com?" in answer.text
    assert school.mails("zoe@gmial.com") == []
    browser.post(f"{settings}/address", email="zoe@gmial.com", use="zoe@gmail.com")
    school.work()
    assert len(school.mails("zoe@gmail.com")) == 1
    school.clock.advance(timedelta(minutes=1))
    browser.post(f"{settings}/address", email="zoe@gmial.com", keep="zoe@gmial.com")
    school.work()
    assert len(school.mails("zoe@gmial.com")) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [("", "Enter your email address"), ("zoe", "has an @ in it"), ("zoe@", "Write it like")],
)
def test_what_is_no_address_is_said_beside_the_field_and_kept(
    school, browser, run, settings, typed, said
):
    answer = ask(school, browser, settings, typed)
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert said in answer.text
    assert 'aria-describedby="email-error"' in answer.text
    assert f'value="{typed}" size="30"' in answer.text


def test_a_visitor_cannot_have_a_mailbox_filled_with_questions(school, browser, run, settings):
    answers = [
        ask(school, browser, settings, f"v.i.c.t.i.m+{n}@example.net").status_code for n in range(9)
    ]
    assert answers[-1] == 429


@pytest.mark.parametrize("state", ["pending", "left"])
def test_who_has_not_begun_or_has_left_is_not_offered_it(school, browser, state):
    run = school.sign_up()
    if state == "left":
        school.enrolling.confirm(run, agreed("confirm"))
        school.enrolling.leave(run, agreed("leave"))
    link = school.link_path(school.links.manage(run))
    assert "Another address" not in browser.get(link).text
    assert "not possible" in browser.follow(browser.post(f"{link}/address", email=NEW)).text
    school.work()
    assert school.mails(NEW) == []


def test_a_dead_address_is_cured_from_an_old_mail_and_the_course_goes_on(
    school, browser, run, settings
):
    sent = school.provider.send
    refused = Refused("550 5.1.1 no such user", Fault.ADDRESS)

    def send(messages):
        yield from ((m.delivery_id, refused) for m in messages if m.to_addr == OLD)
        yield from sent([m for m in messages if m.to_addr != OLD])

    school.provider.send = send
    school.pass_time(timedelta(days=1))
    page = browser.get(settings).text
    assert "Mail to your address came back for good" in page
    link = question(school, browser, settings)
    page = press(school, browser, link)
    assert "sign up again with this address" in page
    assert "z••@example.net" in page
    assert school.sign_up(NEW) == run
    school.work()
    browser.post(school.link(school.mails(NEW)[-1], "confirm"))
    school.pass_time(timedelta(days=1))
    assert "One more pass" in str(school.mails(NEW)[-2]["Subject"])


@pytest.mark.parametrize("damage", ["cut", "other purpose", "erased", "a lesson's"])
def test_a_damaged_link_gives_a_friendly_page(school, browser, run, settings, damage):
    link = question(school, browser, settings)
    match damage:
        case "cut":
            link = link[:-5]
        case "other purpose":
            link = school.link_path(school.links.leave(run)).replace("leave", "address")
        case "erased":
            school.enrolling.forget(school.run(run).learner_id)
        case "a lesson's":
            with school.db.read() as tx:
                from scheduler.store import ledger

                lesson = next(d for d in ledger.deliveries_of(tx, run) if d.kind == "lesson")
            link = school.link_path(school.links.address(lesson.id))
    for answer in (browser.get(link), browser.post(link)):
        assert answer.status_code == 200
        assert heading(answer.text).startswith(("This link is not", "There is nothing behind"))
