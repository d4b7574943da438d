"""Reading: the sample before signing up, what was sent, and one's own page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import ledger
from scheduler.store.tables import deliveries
from tests.little_browser import heading
from tests.little_school import COURSE, agreed


@pytest.fixture
def run(school) -> int:
    number = school.join(first_name="Zoë")
    school.work()
    return number


def delivery(school, run: int, key: str) -> str:
    with school.db.read() as tx:
        return next(d.id for d in ledger.deliveries_of(tx, run) if d.key == key)


def test_lesson_1_can_be_read_before_signing_up(browser):
    page = browser.get(f"/courses/{COURSE}/lessons/1").text
    assert heading(page) == "Short sentences"
    assert "Hello there, this is about <em>Short sentences</em>" in page
    assert "{{" not in page
    assert browser.get(f"/courses/{COURSE}/lessons/2").status_code == 404


def test_read_online_shows_what_was_sent_even_after_an_edit(school, browser, run):
    link = school.link_path(school.links.read(delivery(school, run, "short-sentences")))
    assert "Hello Zoë" in browser.get(link).text
    file = school.settings.lessons / COURSE / "1-short-sentences.md"
    file.write_text(file.read_text("utf-8").replace("Hello", "Good morning"), "utf-8")
    school.catalog.refresh()
    assert "Hello Zoë" in browser.get(link).text
    assert "Good morning there" in browser.get(f"/courses/{COURSE}/lessons/1").text


def test_a_page_leads_home_and_to_the_lessons_beside_it_that_were_sent(school, browser, run):
    def read(key: str) -> str:
        return browser.get(school.link_path(school.links.read(delivery(school, run, key)))).text

    first = read("short-sentences")
    assert '<header class="site"><a class="home" href="/">The Writing School</a>' in first
    assert school.link_path(school.links.learn(run)) in first
    assert 'aria-label="Other lessons"' not in first
    school.pass_time(timedelta(days=1))
    first, second = read("short-sentences"), read("plain-words")
    assert "Lesson 2: Plain words →" in first
    assert 'rel="prev"' not in first
    assert "← Lesson 1: Short sentences" in second
    assert 'rel="next"' not in second
    letter = read("@welcome")
    assert '<header class="site">' in letter
    assert 'aria-label="Other lessons"' not in letter


def test_a_page_says_what_was_done_and_asks_for_no_reply_to_itself(school, browser, run):
    file = school.settings.lessons / COURSE / "2-plain-words.md"
    text = file.read_text("utf-8").replace("title:", "reply: Reply with one word.\ntitle:", 1)
    file.write_text(text, "utf-8")
    school.catalog.refresh()
    school.pass_time(timedelta(days=1))
    link = school.link_path(school.links.read(delivery(school, run, "plain-words")))
    page = browser.get(link).text
    assert ">I did it</a>" in page
    assert "You did it." not in page
    assert "reply to the one that brought you this page" in page
    school.enrolling.mark_done(run, "plain-words")
    page = browser.get(link).text
    assert ">I did it</a>" not in page
    assert "You did it." in page


def test_a_lesson_not_yet_sent_says_so(school, browser, run):
    school.clock.advance(timedelta(hours=23))
    school.enrolling.next_now(run, agreed("next"))
    link = school.link_path(school.links.read(delivery(school, run, "plain-words")))
    assert heading(browser.get(link).text) == "This lesson has not been sent yet."


def test_a_lesson_that_the_other_side_put_off_is_not_shown_either(school, browser, run):
    number = delivery(school, run, "short-sentences")
    with school.db.write() as tx:
        tx.execute(update(deliveries).where(deliveries.c.id == number).values(state="waiting"))
    page = browser.get(school.link_path(school.links.read(number))).text
    assert heading(page) == "This lesson has not been sent yet."


def test_ones_own_page_lists_what_was_sent_and_dates_to_come(school, browser, run):
    page = browser.get(school.link_path(school.links.learn(run))).text
    assert "1 of 4 done · you signed up" in page
    assert "Lesson 2 comes tomorrow, Tuesday, at 07:00 (Berlin time)." in page
    assert "Wednesday at 07:00" in page
    assert school.link_path(school.links.read(delivery(school, run, "short-sentences"))) in page
    school.pass_time(timedelta(days=3))
    page = browser.get(school.link_path(school.links.learn(run))).text
    assert "1 of 4 done · you signed up" in page
    assert "You have had every lesson" in page


def test_the_course_is_finished_when_all_was_done_and_not_when_all_was_sent(school, browser, run):
    own_page = school.link_path(school.links.learn(run))
    school.pass_time(timedelta(days=3))
    assert school.run(run).state is EnrollmentState.COMPLETED
    for key in ("short-sentences", "plain-words", "one-more-pass"):
        page = browser.get(own_page).text
        assert "You have finished this course." not in page
        assert "once you have done what each one asks" in page
        school.enrolling.mark_done(run, key)
    assert "You have finished this course." in browser.get(own_page).text


def test_a_lesson_that_was_skipped_asks_for_nothing(school, browser, run):
    school.enrolling.skip(run, agreed("skip"))
    school.pass_time(timedelta(days=3))
    for key in ("short-sentences", "one-more-pass"):
        school.enrolling.mark_done(run, key)
    page = browser.get(school.link_path(school.links.learn(run))).text
    assert "3 of 3 done · signing up was the first · 1 skipped" in page
    assert "You have finished this course." in page


def test_the_dates_shown_are_the_dates_on_which_lessons_come(school, browser):
    run = school.join("ann@example.com", timezone="America/New_York", weekdays=frozenset({0, 3}))
    school.work()
    page = browser.get(school.link_path(school.links.learn(run))).text
    assert "Thursday at 07:00" in page
    assert "Monday, 30 November, at 07:00" in page
    school.pass_time(timedelta(days=9))
    dates = [str(mail["Date"])[:22] for mail in school.mails("ann@example.com")]
    assert "Thu, 26 Nov 2026 12:00" in dates  # 07:00 in New York
    assert "Mon, 30 Nov 2026 12:00" in dates


def test_the_calendar_file_holds_the_lessons_to_come_at_local_hours(school, browser, run):
    answer = browser.get(school.link_path(school.links.learn(run)) + "/calendar.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    lines = answer.text.split("\r\n")
    assert [line for line in lines if line.startswith("DTSTART")] == [
        "DTSTART:20261124T070000",
        "DTSTART:20261125T070000",
    ]
    assert "SUMMARY:Lesson 2: Plain words" in lines
    assert all(len(line.encode()) <= 75 for line in lines)


@pytest.mark.parametrize("door", ["read", "learn", "manage", "done", "confirm"])
@pytest.mark.parametrize("token", ["x", "1.abc", "a" * 3000, "%00", "..%2f..%2fetc"])
def test_a_bad_link_of_any_kind_gives_a_friendly_page(browser, door, token):
    answer = browser.get(f"/{door}/{token}")
    assert answer.status_code in (200, 404)
    assert "<h1" in answer.text
    if answer.status_code == 404:
        assert "%2f" in token  # the slash makes it another address altogether


def test_a_picture_beside_the_lessons_is_served_and_nothing_else_is(school, browser):
    folder = school.settings.lessons / COURSE
    (folder / "cat.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.png").write_bytes(b"\x89PNG")
    (folder.parent / "outside.png").write_bytes(b"\x89PNG")
    (folder / "way-out.png").symlink_to(folder.parent / "outside.png")
    assert browser.get(f"/assets/{COURSE}/cat.png").headers["content-type"] == "image/png"
    for path in (
        "course.yaml",
        ".hidden.png",
        "way-out.png",
        "%2e%2e/outside.png",
        "..%2foutside.png",
        "x%00.png",
    ):
        assert browser.get(f"/assets/{COURSE}/{path}").status_code == 404


def test_a_course_without_a_sound_lesson_still_has_a_page(school, browser):
    for file in (school.settings.lessons / COURSE).glob("[123]-*.md"):
        file.write_text("---\ntitle: [broken\n---\n", "utf-8")
    school.catalog.refresh()
    assert browser.get("/").status_code == 200
    assert browser.get(f"/courses/{COURSE}/lessons/1").status_code == 404
