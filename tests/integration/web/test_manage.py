"""The settings page: change the pace, take a break, have the next lesson now."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import people
from tests.little_browser import forms, heading
from tests.little_school import agreed


@pytest.fixture
def run(school) -> int:
    number = school.join()
    school.work()
    return number


@pytest.fixture
def link(school, run) -> str:
    return school.link_path(school.links.manage(run))


def test_it_shows_the_next_date_and_a_masked_address(browser, link):
    page = browser.get(link).text
    assert "Lesson 2 comes tomorrow, Tuesday, at 07:00 (Berlin time)." in page
    assert "z••@example.com" in page
    assert "zoe@example.com" not in page


def test_saving_states_the_next_lessons_local_time(school, browser, run, link):
    form = next(form for form in forms(browser.get(link).text) if form.action == link)
    form.fields.pop("days")
    answer = browser.client.post(
        form.action,
        data={
            **form.fields,
            "hour": "18:30",
            "timezone": "Asia/Kolkata",
            "days": ["wed", "fri"],
            "first_name": "Zoë",
        },
    )
    page = browser.follow(answer).text
    assert "Saved. Lesson 2 comes Wednesday at 18:30 (Kolkata time)." in page
    now = school.run(run)
    assert (now.cadence.hour, now.cadence.weekdays) == (time(18, 30), {2, 4})
    with school.db.read() as tx:
        assert people.learner(tx, now.learner_id).first_name == "Zoë"


def test_no_day_at_all_is_an_error_that_keeps_the_rest(school, browser, run, link):
    before = school.run(run)
    answer = browser.post(link, hour="09:00", timezone="Europe/Berlin", first_name="Zoë")
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert "Choose at least one day" in answer.text
    assert 'value="Zoë"' in answer.text
    assert school.run(run) == before


def test_an_unknown_zone_keeps_the_old_one(school, browser, run, link):
    browser.post(link, hour="09:00", timezone="Atlantis/Capital", days="mon")
    assert school.run(run).timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ("3-days", "It goes on Thursday. Nothing is lost. Lesson 2 comes Thursday at 07:00"),
        ("1-week", "It goes on Monday, 30 November. Nothing is lost. Lesson 2 comes Monday, 30"),
        ("open", "Paused until you resume. Lesson 2 waits for you."),
    ],
)
def test_a_pause_says_on_which_day_it_ends_and_that_nothing_is_lost(
    school, browser, run, link, length, said
):
    page = browser.follow(browser.post(f"{link}/pause", **{"for": length})).text
    assert said in page
    assert school.run(run).state is EnrollmentState.PAUSED
    page = browser.follow(browser.post(f"{link}/resume")).text
    assert "Good to have you back. Lesson 2 comes tomorrow, Tuesday, at 07:00" in page


def test_after_a_three_day_pause_the_lesson_comes_on_the_day_that_was_named(
    school, browser, run, link
):
    browser.post(f"{link}/pause", **{"for": "3-days"})
    school.pass_time(timedelta(days=4))
    dates = [str(mail["Date"]) for mail in school.mails() if "Plain words" in str(mail["Subject"])]
    assert len(dates) == 1
    assert dates[0].startswith("Thu, 26 Nov 2026 06:")  # 07:00 in Berlin


def test_the_next_lesson_comes_at_once_when_asked_for(school, browser, link):
    page = browser.get(link).text
    assert "Send me lesson 2 now" in page
    page = browser.follow(browser.post(f"{link}/next")).text
    assert "Lesson 2 is on its way." in page
    school.work()
    assert any("Plain words" in str(mail["Subject"]) for mail in school.mails())


def test_a_button_of_an_outdated_page_shows_how_things_stand(school, browser, run, link):
    school.enrolling.leave(run, agreed("leave"))
    for button in ("pause", "resume", "next"):
        page = browser.follow(browser.post(f"{link}/{button}")).text
        assert "not possible just now" in page
        assert "You have left this course." in page
    assert school.run(run).state is EnrollmentState.STOPPED


def test_the_link_of_an_old_round_manages_the_round_that_is_running(school, browser, run, link):
    later = school.enrolling.restart(run, agreed("restart"))
    browser.post(f"{link}/pause", **{"for": "open"})
    assert school.run(later.id).state is EnrollmentState.PAUSED


def test_a_signup_nobody_confirmed_takes_no_finished_round_away(school, browser, run, link):
    learn = school.link_path(school.links.learn(run))
    school.pass_time(timedelta(days=3))
    assert school.run(run).state is EnrollmentState.COMPLETED
    before = [browser.get(path).text for path in (learn, link)]
    school.sign_up()  # perhaps by a stranger
    school.work()
    assert [browser.get(path).text for path in (learn, link)] == before
    assert "You have had every lesson" in before[0]
    again = school.run_of("zoe@example.com")
    school.enrolling.confirm(again.id, agreed("confirm"))
    assert "Lesson 1 is on its way" in browser.get(learn).text


def test_leaving_by_an_old_mail_also_ends_a_signup_not_confirmed_yet_and_undo_undoes_it(
    school, browser, run
):
    school.pass_time(timedelta(days=3))
    school.sign_up()
    page = browser.post(school.link_path(school.links.leave(run)), by="page").text
    assert school.run_of("zoe@example.com").state is EnrollmentState.STOPPED
    undo = next(form for form in forms(page) if form.action.endswith("/undo"))
    browser.post(undo.action, **undo.fields)
    assert school.run_of("zoe@example.com").state is EnrollmentState.PENDING


def test_a_cut_link_gives_a_friendly_page(browser, link):
    for answer in (
        browser.get(link[:-4]),
        browser.post(link[:-4]),
        browser.post(link[:-4] + "/pause"),
    ):
        assert (answer.status_code, heading(answer.text)) == (200, "This link is not complete.")


def test_every_change_leaves_a_consent_behind(school, browser, run, link):
    browser.post(link, hour="09:00", timezone="Europe/Berlin", days="mon")
    browser.post(f"{link}/pause", **{"for": "open"})
    browser.post(f"{link}/resume")
    with school.db.read() as tx:
        given = [c for _, c in people.consents_of(tx, school.run(run).learner_id)]
    assert [c.action for c in given][-3:] == ["settings", "pause", "resume"]
    assert given[-3].text == "09:00, Mondays, Europe/Berlin"


def test_a_notice_says_each_thing_once(school, browser, run, link):
    page = browser.follow(browser.post(f"{link}/pause", **{"for": "1-week"})).text
    assert page.count("Paused.") == 1
    browser.post(f"{link}/resume")
    page = browser.follow(browser.post(f"{link}/next")).text
    assert page.count("on its way") == 1
    assert "Lesson 2 is on its way." in page
    school.work()
    assert "It has been sent. Lesson 3 comes" in browser.get(f"{link}?did=next").text
