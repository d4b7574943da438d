"""Confirming: scanners confirm nobody, the browser that signed up needs no button."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.domain.enrollment import EnrollmentState
from scheduler.upkeep import Upkeep, UpkeepSettings
from tests.little_browser import Browser, forms, heading
from tests.little_school import agreed


@pytest.fixture
def link(school) -> str:
    school.sign_up()
    school.work()
    return school.link(school.mails()[0], "confirm")


def state(school) -> EnrollmentState:
    return school.run_of("zoe@example.com").state


def test_a_scanner_that_opens_the_link_a_hundred_times_confirms_nobody(school, browser, link):
    before = school.everything()
    for _ in range(50):
        assert browser.get(link).status_code == 200
        assert browser.head(link).status_code == 200
    assert school.everything() == before


def test_the_button_confirms_and_tells_when_the_lessons_come(school, browser, link):
    form = forms(browser.get(link).text)[0]
    answer = browser.post(form.action, **form.fields)
    page = browser.follow(answer).text
    assert state(school) is EnrollmentState.ACTIVE
    assert heading(page) == "You are in."
    assert (
        "Lesson 1 is on its way; lesson 2 comes tomorrow, Tuesday, at 07:00 (Berlin time)" in page
    )
    school.work()
    subjects = [str(mail["Subject"]) for mail in school.mails()]
    assert any("Short sentences" in subject for subject in subjects)
    school.pass_time(timedelta(days=1))
    arrived = school.mails()[-1]
    assert "Plain words" in str(arrived["Subject"])
    assert "Tue, 24 Nov 2026 06:00" in str(arrived["Date"])  # 07:00 in Berlin


def test_in_the_browser_that_signed_up_the_link_confirms_at_once(school, browser):
    browser.fill_in()
    school.work()
    link = school.link(school.mails()[0], "confirm")
    browser.client.headers["sec-fetch-site"] = "cross-site"  # a click in web mail
    assert heading(browser.follow(browser.get(link)).text) == "You are in."
    assert state(school) is EnrollmentState.ACTIVE


@pytest.mark.parametrize("how", ["head", "prefetch", "another browser", "hours later"])
def test_at_once_means_that_browser_on_a_real_visit_soon(school, browser, how):
    browser.fill_in()
    school.work()
    link = school.link(school.mails()[0], "confirm")
    match how:
        case "head":
            browser.head(link)
        case "prefetch":
            browser.get(link, headers={"sec-purpose": "prefetch;prerender"})
        case "another browser":
            Browser(school).get(link)
        case "hours later":
            school.clock.advance(timedelta(hours=3))
            assert "Yes, send me the lessons" in browser.get(link).text
    assert state(school) is EnrollmentState.PENDING


def test_the_cookie_of_one_signup_does_not_confirm_another(school, browser, link):
    browser.fill_in("other@example.com")
    assert "Yes, send me the lessons" in browser.get(link).text
    assert state(school) is EnrollmentState.PENDING


def test_opening_it_again_says_already_confirmed_and_when_the_next_lesson_arrives(
    school, browser, link
):
    browser.post(link)
    school.work()
    page = browser.get(link).text
    assert heading(page) == "Already confirmed."
    assert "Lesson 2 arrives tomorrow, Tuesday, at 07:00 (Berlin time)" in page
    assert browser.follow(browser.post(link)).status_code == 200
    school.clock.advance(timedelta(days=30))
    assert heading(browser.get(link).text) == "Already confirmed."


def test_an_expired_link_offers_a_new_one_with_one_button(school, browser, link):
    school.clock.advance(timedelta(days=8))
    page = browser.get(link).text
    assert heading(page) == "This link has run out."
    assert browser.post(link).status_code == 200
    assert state(school) is EnrollmentState.PENDING
    form = forms(page)[0]
    assert heading(browser.post(form.action).text) == "On its way."
    school.work()
    fresh = school.link(school.mails()[-1], "confirm")
    assert fresh != link
    browser.post(fresh)
    assert state(school) is EnrollmentState.ACTIVE


def test_a_signup_that_ran_out_can_be_revived_from_its_old_link(school, browser, link):
    school.clock.advance(timedelta(days=8))
    school.upkeep.run()
    assert state(school) is EnrollmentState.STOPPED
    page = browser.get(link).text
    assert heading(page) == "This link has run out."
    browser.post(forms(page)[0].action)
    assert state(school) is EnrollmentState.PENDING


@pytest.mark.parametrize("how", ["button", "at once"])
def test_a_link_works_for_its_seven_days_even_where_signups_are_given_up_sooner(
    school, browser, how
):
    browser.fill_in()
    school.work()
    link = school.link(school.mails()[-1], "confirm")
    Upkeep(
        school.db, school.clock, school.catalog.syllabus,
        settings=UpkeepSettings(signup_expires=timedelta(hours=-1)),
    ).run()  # fmt: skip
    assert state(school) is EnrollmentState.STOPPED
    if how == "button":
        school.clock.advance(timedelta(days=6, hours=23))
        browser.post(forms(browser.get(link).text)[0].action)
    else:
        browser.get(link)
    assert state(school) is EnrollmentState.ACTIVE
    school.work()
    assert any("Short sentences" in str(mail["Subject"]) for mail in school.mails())


def test_who_left_is_not_signed_up_again_by_an_old_link(school, browser, link):
    run = school.run_of("zoe@example.com")
    browser.post(link)
    school.enrolling.leave(run.id, agreed("leave"))
    assert heading(browser.get(link).text) == "You have left this course."
    browser.post(link)
    assert state(school) is EnrollmentState.STOPPED


@pytest.mark.parametrize("damage", ["cut", "forged", "other purpose", "erased"])
def test_a_damaged_link_gives_a_friendly_page_with_a_way_on(school, browser, link, damage):
    run = school.run_of("zoe@example.com")
    match damage:
        case "cut":
            link = link[:-9]
        case "forged":
            link = "/confirm/1.abc.def"
        case "other purpose":
            link = school.link_path(school.links.leave(run.id)).replace("leave", "confirm")
        case "erased":
            school.enrolling.forget(run.learner_id)
    for answer in (browser.get(link), browser.post(link)):
        assert answer.status_code == 200
        assert "Three Days of Clear Writing" in answer.text
        assert "zoe@" not in answer.text


def test_an_old_confirmation_link_opens_nobodys_private_page(school, browser, link):
    browser.post(link)
    assert "/manage/" in browser.get(f"{link}/welcome").text
    school.clock.advance(timedelta(days=8))
    assert browser.get(f"{link}/welcome").headers["location"] == link
    assert "/manage/" not in browser.get(link).text


def test_who_finished_is_asked_before_the_course_begins_again(school, browser, link):
    browser.post(link)
    school.work()
    school.pass_time(timedelta(days=3))
    assert state(school) is EnrollmentState.COMPLETED
    browser.fill_in()
    school.work()
    again = school.link(school.mails()[-1], "confirm")
    page = Browser(school).get(again).text
    assert "You have been through this course before. This begins it again, with lesson 1" in page
    assert state(school) is EnrollmentState.PENDING
    school.pass_time(timedelta(days=2))
    assert "Please confirm" in str(school.mails()[-1]["Subject"])
    browser.post(again)
    school.work()
    assert school.run_of("zoe@example.com").round == 2
    assert any("Short sentences" in str(mail["Subject"]) for mail in school.mails()[-2:])


def test_who_left_is_asked_before_the_course_goes_on_where_it_stopped(school, browser, link):
    browser.post(link)
    school.work()
    school.enrolling.leave(school.run_of("zoe@example.com").id, agreed("leave"))
    school.clock.advance(timedelta(days=1))
    browser.fill_in()
    school.work()
    again = school.link(school.mails()[-1], "confirm")
    page = Browser(school).get(again).text
    assert "it goes on where you stopped, with lesson 2" in page
    assert state(school) is EnrollmentState.PENDING
    browser.post(again)
    school.work()
    assert "Plain words" in str(school.mails()[-1]["Subject"])


def test_a_first_signup_is_told_nothing_of_an_earlier_one(browser, link):
    page = browser.get(link).text
    assert "been through" not in page
    assert "been here" not in page


def test_the_address_is_shown_masked(browser, link):
    page = browser.get(link).text
    assert "z••@example.com" in page
    assert "zoe@example.com" not in page
