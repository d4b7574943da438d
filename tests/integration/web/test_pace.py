"""What a learner may ask for in a full week; every button works once, however often pressed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import ledger, nudges, people
from tests.little_browser import forms
from tests.little_school import agreed
from tests.private_page import visited_at

EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.fixture
def run(school) -> int:
    """On Monday at 09:00 in Berlin; lesson 1 has been sent, lesson 2 comes on Tuesday."""
    number = school.join()
    school.work()
    return number


@pytest.fixture
def link(school, run) -> str:
    return school.link_path(school.links.manage(run))


def the_form(browser, link: str, action: str = ""):
    path = f"{link}/{action}" if action else link
    return next(form for form in forms(browser.get(link).text) if form.action == path)


def press(browser, link: str, action: str, **fields) -> str:
    form = the_form(browser, link, action)
    return browser.follow(browser.post(form.action, **{**form.fields, **fields})).text


def keys(school, run: int) -> list[str]:
    with school.db.read() as tx:
        return [d.key for d in ledger.deliveries_of(tx, run)]


def pace(**changes) -> dict[str, object]:
    return {
        "hour": "07:00", "timezone": "Europe/Berlin", "days": EVERY_DAY, "first_name": "Zoë",
    } | changes  # fmt: skip


def test_the_next_dates_are_named_before_anything_is_saved(school, browser, run, link):
    before = school.everything()
    page = browser.post(link, **pace(hour="18:30", days=["wed", "fri"], show="dates")).text
    assert "Lesson 2: Wednesday at 18:30" in page
    assert "Lesson 3: Friday at 18:30" in page
    assert "Lesson 2 comes tomorrow, Tuesday, at 07:00" in page  # as it stands
    assert 'value="Zoë"' in page
    assert school.everything() == before


def test_a_piece_of_the_page_names_the_same_dates_for_its_script(school, browser, run, link):
    before = school.everything()
    piece = browser.get(f"{link}/dates", params=pace(timezone="Asia/Kolkata"))
    assert "Your next dates, in Kolkata time" in piece.text
    assert "Lesson 2: tomorrow, Tuesday, at 07:00" in piece.text
    assert "<html" not in piece.text
    assert browser.get(f"{link}/dates", params={"hour": "99"}).text == ""
    assert browser.get("/manage/forged/dates", params=pace()).text == ""
    assert school.everything() == before


def test_dates_shown_are_the_dates_that_saving_brings(school, browser, run, link):
    wish = pace(hour="05:15", timezone="Asia/Tokyo", days=["sat", "sun"])
    shown = browser.get(f"{link}/dates", params=wish).text
    browser.post(link, **wish)
    saved = browser.get(link).text
    dates = [line for line in shown.splitlines() if line.startswith("<li>")]
    assert len(dates) == 2
    assert all(line in saved for line in dates)


def test_a_language_is_chosen_and_an_unknown_one_changes_nothing(school, browser, run, link):
    for wanted, kept in (("de", "de"), ("tlh", "de"), ("", "de"), ("en", "en")):
        browser.post(link, **pace(language=wanted))
        with school.db.read() as tx:
            assert people.learner(tx, school.run(run).learner_id).language == kept


def test_a_new_name_leaves_a_lesson_that_was_held_back_where_it_is(school, browser, run, link):
    press(browser, link, "later", days="3")
    held = school.run(run).next_due_at
    browser.post(link, **pace(first_name="Zora"))
    assert school.run(run).next_due_at == held
    browser.post(link, **pace(hour="08:00"))
    assert school.run(run).next_due_at == datetime(2026, 11, 24, 7, tzinfo=UTC)


def test_a_break_lasts_until_the_day_that_was_chosen(school, browser, run, link):
    page = press(browser, link, "pause", **{"for": "until", "until": "2026-12-05"})
    assert "It goes on Saturday, 5 December." in page
    assert "Nothing is lost." in page
    assert "Lesson 2 comes Saturday, 5 December, at 07:00 (Berlin time)." in page
    page = press(browser, link, "pause", **{"for": "3-days"})  # a shorter one after all
    assert "It goes on Thursday." in page
    assert school.run(run).state is EnrollmentState.PAUSED


def test_a_break_that_ends_on_a_day_off_says_when_the_lesson_really_comes(
    school, browser, run, link
):
    browser.post(link, **pace(days=EVERY_DAY[:5]))
    page = press(browser, link, "pause", **{"for": "until", "until": "2026-11-28"})
    assert "It goes on Saturday." in page
    assert "Lesson 2 comes Monday, 30 November, at 07:00 (Berlin time)." in page


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2026-11-22", "Choose a day from tomorrow on."),
        ("2026-11-23", "Choose a day from tomorrow on."),
        ("2027-05-23", "A break may last 180 days."),
        ("", "Choose the day on which the course goes on."),
        ("soon", "Choose the day on which the course goes on."),
    ],
)
def test_a_day_that_cannot_end_a_break_is_refused_in_words(school, browser, run, link, day, said):
    before = school.run(run)
    answer = browser.post(f"{link}/pause", **{"for": "until", "until": day})
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert said in answer.text
    assert f'value="{day}"' in answer.text
    assert school.run(run) == before


def test_the_last_day_of_a_break_is_180_days_off(school, browser, run, link):
    press(browser, link, "pause", **{"for": "until", "until": "2027-05-22"})
    assert school.run(run).paused_until == datetime(2027, 5, 21, 22, tzinfo=UTC)


def test_resuming_at_night_brings_the_lesson_in_the_morning(school, browser, run, link):
    press(browser, link, "pause", **{"for": "open"})
    school.clock.advance(timedelta(days=2, hours=18))  # Thursday at 03:00 in Berlin
    page = press(browser, link, "resume")
    assert "Good to have you back. Lesson 2 comes today at 07:00" in page
    school.work()
    assert "plain-words" not in keys(school, run)


def test_next_now_says_what_becomes_of_tomorrow_and_happens_once(school, browser, run, link):
    page = browser.get(link).text
    assert "Send me lesson 2 now" in page
    assert "Lesson 3 then comes tomorrow, Tuesday, at 07:00." in page
    form = the_form(browser, link, "next")
    said = browser.follow(browser.post(form.action, **form.fields)).text
    assert "Lesson 2 is on its way. Lesson 3 comes tomorrow, Tuesday, at 07:00" in said
    school.work()  # it leaves before the second press of the same button
    browser.post(form.action, **form.fields)
    school.work()
    assert "plain-words" in keys(school, run)
    assert "one-more-pass" not in keys(school, run)


def test_more_time_names_the_new_day_and_twice_pressed_is_once(school, browser, run, link):
    form = the_form(browser, link, "later")
    page = browser.follow(browser.post(form.action, **form.fields, days="2")).text
    assert "You have more time. Lesson 2 comes Thursday at 07:00 (Berlin time)." in page
    browser.post(form.action, **form.fields, days="2")
    assert school.run(run).next_due_at == datetime(2026, 11, 26, 6, tzinfo=UTC)
    school.pass_time(timedelta(days=2, hours=20))
    assert "plain-words" not in keys(school, run)
    school.pass_time(timedelta(hours=4))
    assert "plain-words" in keys(school, run)


def test_more_time_has_an_end_and_then_there_is_the_break(school, browser, run, link):
    for _ in range(4):
        press(browser, link, "later", days="3")
    press(browser, link, "later", days="1")
    assert school.run(run).next_due_at == datetime(2026, 12, 7, 6, tzinfo=UTC)
    page = browser.get(link).text
    assert ' name="days" value="1"' not in page
    assert "Take a break" in page


@pytest.mark.parametrize("days", ["0", "4", "-1", "x", "999999"])
def test_more_time_is_one_two_or_three_days(school, browser, run, link, days):
    before = school.run(run)
    form = the_form(browser, link, "later")
    page = browser.follow(browser.post(form.action, **{**form.fields, "days": days})).text
    assert "not possible just now" in page
    assert school.run(run) == before


def test_every_other_day_and_back(school, browser, run, link):
    page = press(browser, link, "rhythm", every="other-day")
    assert "Saved. Lesson 2 comes Wednesday at 07:00" in page
    assert "Lesson 3: Friday at 07:00" in page
    assert "Now 2 days lie between two lessons." in page
    page = press(browser, link, "rhythm", every="usual")
    assert "Saved. Lesson 2 comes tomorrow, Tuesday, at 07:00" in page


def test_the_last_lesson_comes_once_more_and_moves_nothing(school, browser, run, link):
    due = school.run(run).next_due_at
    for _ in range(2):
        page = press(browser, link, "again")
        school.work()
    assert "Lesson 1 comes to your inbox once more." in page
    subjects = [str(mail["Subject"]) for mail in school.mails()]
    assert sum("Short sentences" in subject for subject in subjects) == 2
    assert school.run(run).next_due_at == due
    for _ in range(4):
        school.clock.advance(timedelta(hours=2))
        press(browser, link, "again")
    assert sum(key.startswith("@again") for key in keys(school, run)) == 3


def test_starting_over_keeps_the_old_round_and_happens_once(school, browser, run, link):
    school.enrolling.mark_done(run, "short-sentences", done=True)
    form = the_form(browser, link, "over")
    page = browser.follow(browser.post(form.action, **form.fields)).text
    assert "A new round begins." in page
    assert "Lesson 1 comes tomorrow, Tuesday, at 07:00" in page
    browser.post(form.action, **form.fields)
    newest = school.run_of("zoe@example.com")
    assert newest.round == 2
    assert keys(school, run)[-1] == "short-sentences"
    with school.db.read() as tx:
        assert [each.round for each in people.enrollments_of(tx, newest.learner_id)] == [2, 1]


def test_who_has_finished_may_have_the_last_one_again_and_start_over(school, browser, run, link):
    school.pass_time(timedelta(days=3))
    page = browser.get(link).text
    assert "Send me lesson 3 again" in page
    assert "Start over with lesson 1" in page
    assert "More time" not in page
    assert "Take a break" not in page
    press(browser, link, "over")
    assert school.run_of("zoe@example.com").state is EnrollmentState.ACTIVE


def test_nudges_are_switched_off_and_on_again(school, browser, run, link):
    for wanted, said in (("", "We write to you no more"), ("yes", "we write to you once")):
        for _ in range(2):
            assert said in press(browser, link, "nudges", nudges=wanted)
        with school.db.read() as tx:
            assert nudges.wanted(tx, run) is bool(wanted)
            consents = people.consents_of(tx, school.run(run).learner_id)
    assert [consent.action for _, consent in consents].count("nudges") == 2


def test_a_lesson_is_passed_over_only_where_the_author_allows_it(school, browser, run, link):
    assert "Skip lesson" not in browser.get(link).text
    refused = browser.follow(browser.post(f"{link}/skip", lesson="plain-words")).text
    assert "That is not possible just now." in refused
    outline = school.catalog.folder / "clear-writing" / "course.yaml"
    outline.write_text(outline.read_text("utf-8") + "\nskip: yes\n", "utf-8")
    school.catalog.refresh()
    before = school.run(run).next_due_at
    for _ in range(2):  # the second press comes from the page as it was
        page = browser.follow(browser.post(f"{link}/skip", lesson="plain-words")).text
    assert "Passed over." in page
    assert "Lesson 3 comes tomorrow, Tuesday, at 07:00" in page
    assert school.run(run).next_due_at == before
    assert "Skip lesson 3" in browser.get(link).text
    school.pass_time(timedelta(days=1))
    with school.db.read() as tx:
        lessons = [(d.key, str(d.state)) for d in ledger.deliveries_of(tx, run) if d.key[0] != "@"]
    assert [state for _, state in lessons] == ["accepted", "skipped", "accepted"]
    assert lessons[1][0] == "plain-words"


def test_pressing_a_button_or_saving_is_a_visit(school, browser, run, link):
    assert visited_at(school, run) is None
    press(browser, link, "later", days="1")
    first = visited_at(school, run)
    assert first == school.clock.now()
    school.clock.advance(timedelta(hours=2))
    press(browser, link, "", **pace(first_name="Zoe"))
    assert visited_at(school, run) == first + timedelta(hours=2)


@pytest.mark.parametrize("button", ["later", "rhythm", "again", "over", "pause", "resume", "next"])
def test_a_learner_who_has_left_is_shown_how_things_stand(school, browser, run, link, button):
    fields = {
        "later": {"days": "1", "planned": school.run(run).next_due_at.isoformat()},
        "rhythm": {"every": "other-day"}, "over": {"round": "1"},
    }.get(button, {})  # fmt: skip
    school.enrolling.leave(run, agreed("leave"))
    before = keys(school, run)
    page = browser.follow(browser.post(f"{link}/{button}", **fields)).text
    assert "You have left this course." in page
    assert keys(school, run) == before
    assert school.run_of("zoe@example.com").state is EnrollmentState.STOPPED


@pytest.mark.parametrize(
    "path", ["pause", "resume", "next", "later", "rhythm", "again", "over", "nudges"]
)
def test_a_cut_link_gives_a_friendly_page_and_get_changes_nothing(school, browser, run, link, path):
    before = school.everything()
    assert browser.get(f"{link}/{path}").status_code in (404, 405)
    assert "link" in browser.post(f"{link[:-3]}/{path}").text
    assert school.everything() == before
