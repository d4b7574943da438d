"""What learners write on their own page: kept as typed, shown to nobody else, printed as a plan."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest

from scheduler.enrolling import NOTE_LIMIT, as_kept
from tests.little_browser import heading
from tests.naughty import NAMES as NAUGHTY
from tests.private_page import CHECKLIST, NOTES, field, fill, rewrite, written

DAY = timedelta(days=1)


@pytest.fixture
def run(school) -> int:
    rewrite(school, 1, CHECKLIST + NOTES)
    number = school.join(first_name="Zoë")
    school.work()
    return number


@pytest.fixture
def link(school, run) -> str:
    return school.link_path(school.links.learn(run))


def test_notes_are_kept_with_their_dates_and_printed_as_a_plan(school, browser, run, link):
    words = "If it is Monday,\r\nthen I cut."
    answer = fill(browser, link, line_1=words, line_1_by="2026-12-24", line_2="  ")
    page = browser.follow(answer).text
    assert "Saved." in page
    assert field(page, "line-1") == "If it is Monday,\nthen I cut."
    assert 'value="2026-12-24"' in page
    assert set(written(school, run)) == {
        ("short-sentences", "line-1"),
        ("short-sentences", "line-1:by"),
    }
    plan = browser.get(f"{link}/plan").text
    assert heading(plan) == "Your plan"
    assert "If it is Monday,\nthen I cut." in plan
    assert "By Thursday, 24 December" in plan
    assert "Second line" in plan
    assert plan.count('class="blank"') == 1


def test_an_empty_field_takes_the_note_away_and_an_absent_one_does_not(school, browser, run, link):
    fill(browser, link, line_1="One", line_2="Two")
    fill(browser, link, line_1="")
    assert written(school, run) == {("short-sentences", "line-2"): "Two"}


def test_too_long_a_note_is_shown_as_typed_and_the_others_are_kept(school, browser, run, link):
    fill(browser, link, line_1="Before")
    long = "€" * (NOTE_LIMIT + 1)
    answer = fill(browser, link, line_1=long, line_2="Kept")
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert field(answer.text, "line-1") == long
    assert "One character too many: 2,000 are kept." in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert written(school, run) == {
        ("short-sentences", "line-1"): "Before",
        ("short-sentences", "line-2"): "Kept",
    }
    assert fill(browser, link, line_1="€" * NOTE_LIMIT).status_code == 303


def test_what_is_no_date_is_shown_as_typed(school, browser, run, link):
    for day in ("24.12.2026", "20261224", "2026-13-01", "<b>soon</b>"):
        answer = fill(browser, link, line_1="Words", line_1_by=day)
        assert answer.status_code == 422
        assert f"“{day}” is no date." in unescape(answer.text)
        assert "<b>soon" not in answer.text
    assert written(school, run) == {("short-sentences", "line-1"): "Words"}


def test_naughty_words_stay_words(school, browser, run, link):
    for name in NAUGHTY:
        words = (
            f"{name.encode('utf-8', 'replace').decode()[:500]} </textarea><script>alert(1)</script>"
        )
        fill(browser, link, line_1=f"{words} {{{{ 7 * 7 }}}} \0")
        kept = written(school, run)["short-sentences", "line-1"]
        assert kept == as_kept(f"{words} {{{{ 7 * 7 }}}}")
        page, plan = browser.get(link).text, browser.get(f"{link}/plan").text
        assert "<script>alert" not in page + plan
        assert field(page, "line-1") == kept
        assert "{{ 7 * 7 }}" in plan


def test_fields_nobody_declared_are_not_kept(school, browser, run, link):
    fill(browser, link, line_2="Mine", other="Stranger")
    assert written(school, run) == {("short-sentences", "line-2"): "Mine"}


def test_more_than_any_form_of_ours_is_refused_and_takes_nothing_away(school, browser, run, link):
    fill(browser, link, line_1="Before")
    answer = fill(browser, link, line_1="x" * 17_000)
    assert answer.status_code == 413
    assert heading(answer.text) == "That is too much"
    answer = browser.post(
        f"{link}/ticks/short-sentences", was="", ticked=[f"i{n}" for n in range(90)]
    )
    assert answer.status_code == 413
    assert written(school, run) == {("short-sentences", "line-1"): "Before"}


def test_a_plan_that_is_still_ahead_says_when_it_comes(school, browser):
    rewrite(school, 3, NOTES)
    run = school.join()
    school.work()
    link = school.link_path(school.links.learn(run)) + "/plan"
    page = browser.get(link).text
    assert "Your plan comes with lesson 3, “One more pass”: Wednesday at 07:00." in page
    assert "First line" not in page
    school.pass_time(2 * DAY)
    assert "First line" in browser.get(link).text


def test_a_course_without_notes_has_no_plan(school, browser):
    run = school.join()
    school.work()
    page = browser.get(school.link_path(school.links.learn(run)) + "/plan").text
    assert "This course has no plan to write." in page
