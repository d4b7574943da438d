"""A learner's own page: today's lesson, ticks that stay, and a visit."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from scheduler.errors import NotAllowed
from tests.little_browser import heading
from tests.little_school import COURSE, agreed
from tests.private_page import (
    CHECKLIST,
    NOTES,
    boxes,
    delivery,
    fill,
    rewrite,
    save,
    ticked,
    visited_at,
    was,
    written,
)

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


# -- what the page shows -------------------------------------------------------------------------


def test_todays_lesson_comes_first_with_its_place_its_minutes_and_its_idea(school, browser, link):
    school.pass_time(DAY)
    page = browser.get(link).text
    today = page[page.index('<section class="sheet today"') : page.index("</section>")]
    assert heading(page) == "Zoë, your lessons"
    minutes = school.catalog.course(COURSE).lessons["plain-words"].minutes()
    assert f"Today’s lesson · Day 2 of 3 · {minutes} minutes" in today
    assert "Plain words" in today
    assert "One idea a sentence." in today
    assert page.index("</section>") < page.index("Short sentences") < page.index("One more pass")


def test_yesterdays_lesson_is_not_called_todays(school, browser, run, link):
    school.enrolling.pause(run, consent=agreed("pause"))
    school.clock.advance(DAY)
    page = browser.get(link).text
    assert "Your latest lesson · Day 1 of 3" in page
    assert "Today’s lesson" not in page


def test_progress_begins_with_signing_up_and_counts_what_was_done(school, browser, run, link):
    page = browser.get(link).text
    assert "1 of 4 done · you signed up" in page
    assert page.count('<li class="full">') == 1
    school.enrolling.mark_done(run, "short-sentences")
    page = browser.get(link).text
    assert "2 of 4 done · signing up was the first" in page
    assert page.count('<li class="full">') == 2


def test_nothing_of_a_lesson_shows_before_it_was_sent_but_title_and_date(school, browser, link):
    rewrite(school, 2, CHECKLIST.replace("Count your words", "Burn your words") + NOTES)
    page = browser.get(link).text
    assert "Plain words" in page
    assert "tomorrow, Tuesday, at 07:00" in page
    assert "Burn your words" not in page
    assert "/ticks/plain-words" not in page
    school.pass_time(DAY)
    assert "Burn your words" in browser.get(link).text


def test_the_checklist_is_sorted_by_role_with_later_apart_and_names_filled_in(browser, link):
    page = browser.get(link).text
    assert list(boxes(page)) == [
        "I did it",
        "Count your words.",
        "Thank a reader. (4 min)",
        "Ask one person, Zoë.",
    ]
    assert re.findall(r"<legend>(.*?)</legend>", page) == ["Employee", "Later this week", "Manager"]


def test_past_lessons_lead_to_what_was_sent(school, browser, run, link):
    school.pass_time(2 * DAY)
    page = browser.get(link).text
    for key in ("short-sentences", "plain-words", "one-more-pass"):
        read = school.link_path(school.links.read(delivery(school, run, key)))
        assert f'href="{read}"' in page


def test_a_lesson_that_left_the_course_stays_with_its_ticks(school, browser, run, link):
    school.pass_time(DAY)
    count = boxes(browser.get(link).text)["Count your words."][0]
    save(browser, link, "action", count)
    (school.settings.lessons / COURSE / "1-short-sentences.md").unlink()
    school.catalog.refresh()
    page = browser.get(link).text
    assert boxes(page)["Count your words."] == (count, True)
    assert "1 of 3 done" in page  # signing up, and the two lessons that the course still has
    save(browser, link, "action")
    assert ticked(school, run) == {"action"}


def test_a_course_whose_folder_is_gone_still_has_a_page(school, browser, link):
    for file in (school.settings.lessons / COURSE).iterdir():
        file.unlink()
    (school.settings.lessons / COURSE).rmdir()
    school.catalog.refresh()
    assert "Count your words." in browser.get(link).text
    assert browser.get(f"{link}/plan").status_code == 200


def test_a_light_page_that_is_never_kept_by_a_cache(school, browser, link):
    school.pass_time(3 * DAY)
    answer = browser.get(link)
    files = [browser.get(path).content for path in re.findall(r'"(/static/[^"]*)"', answer.text)]
    assert len(answer.content) + sum(map(len, files)) < 60_000
    assert len(answer.content) < 20_000
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in answer.headers["x-robots-tag"]


def test_looking_at_it_changes_nothing(school, browser, link):
    before = school.everything()
    for path in (link, f"{link}?saved=short-sentences", f"{link}/plan", f"{link}/calendar.ics"):
        assert browser.get(path).status_code == 200
        assert browser.head(path).status_code == 200
    for door in ("ticks/short-sentences", "notes/short-sentences", "here"):
        assert browser.get(f"{link}/{door}?ticked=action&was=").status_code == 405
    assert school.everything() == before


# -- ticks ---------------------------------------------------------------------------------------


def test_ticks_are_saved_and_taken_back_by_one_form(school, browser, run, link):
    items = boxes(browser.get(link).text)
    count, ask = items["Count your words."][0], items["Ask one person, Zoë."][0]
    answer = save(browser, link, "action", count, ask)
    assert answer.headers["location"].endswith("?saved=short-sentences#lesson-short-sentences")
    page = browser.follow(answer).text
    assert "Saved." in page
    assert [words for words, (_, on) in boxes(page).items() if on] == [
        "I did it",
        "Count your words.",
        "Ask one person, Zoë.",
    ]
    page = browser.follow(save(browser, link, ask)).text
    assert [words for words, (_, on) in boxes(page).items() if on] == ["Ask one person, Zoë."]
    assert ticked(school, run) == {ask}


def test_ticking_the_starred_one_is_i_did_it(school, browser, run, link):
    save(browser, link, "action")
    done = school.link_path(school.links.done(delivery(school, run, "short-sentences")))
    assert heading(browser.get(done).text) == "One down."
    browser.post(f"{done}/undo")
    assert not boxes(browser.get(link).text)["I did it"][1]


def test_saving_twice_is_saving_once(school, browser, run, link):
    save(browser, link, "action")
    before = school.everything()["ticks"]
    school.clock.advance(timedelta(minutes=5))
    save(browser, link, "action")
    browser.post(f"{link}/ticks/short-sentences", was="", ticked="action")
    assert school.everything()["ticks"] == before


def test_a_page_left_open_takes_back_nothing_that_was_ticked_since(school, browser, run, link):
    items = boxes(browser.get(link).text)
    count, thank = items["Count your words."][0], items["Thank a reader. (4 min)"][0]
    stale = was(browser.get(link).text)
    save(browser, link, "action", count)
    browser.post(f"{link}/ticks/short-sentences", was=stale, ticked=thank)
    assert ticked(school, run) == {"action", count, thank}


def test_a_script_that_saves_as_one_goes_gets_a_bare_answer(school, browser, run, link):
    answer = save(browser, link, "action", quietly="yes")
    assert (answer.status_code, answer.text) == (204, "")
    assert ticked(school, run) == {"action"}


def test_a_tick_stays_with_its_words_when_items_are_put_above_and_the_mail_agrees(
    school, browser, run, link
):
    count = boxes(browser.get(link).text)["Count your words."][0]
    save(browser, link, count)
    rewrite(school, 1, "", **{"checklist:\n": "checklist:\n  - {for: All, do: New and first.}\n"})
    page = browser.get(link).text
    assert boxes(page)["Count your words."] == (count, True)
    assert "New and first." not in page  # nor is it in the mail that this reader has
    # Whoever gets the lesson from now on has the new item, and the old one under its old name.
    later = school.join("ann@example.com")
    school.work()
    new = boxes(browser.get(school.link_path(school.links.learn(later))).text)
    assert list(new)[1] == "New and first."
    assert new["Count your words."] == (count, False)
    assert any("New and first." in mail.as_string() for mail in school.mails("ann@example.com"))


def test_an_explicit_id_keeps_a_tick_through_other_words(school, browser):
    rewrite(school, 1, "checklist:\n  - {id: count, do: Count your words.}\n")
    first = school.join()
    school.work()
    save(browser, school.link_path(school.links.learn(first)), "count")
    rewrite(school, 1, "", **{"Count your words.": "Count all your words."})
    school.enrolling.resend(first, "short-sentences")
    later = school.join("ann@example.com")
    school.work()
    assert ticked(school, first) == {"count"}
    new = browser.get(school.link_path(school.links.learn(later))).text
    assert boxes(new)["Count all your words."] == ("count", False)


def test_a_renamed_lesson_keeps_its_ticks_and_its_notes(school, browser, run, link):
    count = boxes(browser.get(link).text)["Count your words."][0]
    save(browser, link, "action", count)
    browser.post(f"{link}/notes/short-sentences", **{"note.line-2": "Before."})
    folder = school.settings.lessons / COURSE
    old = folder / "1-short-sentences.md"
    text = old.read_text("utf-8").replace("---\n", "---\naliases: [short-sentences]\n", 1)
    old.unlink()
    (folder / "1-brief-sentences.md").write_text(text, "utf-8")
    school.catalog.refresh()
    page = browser.get(link).text
    assert [on for _, on in boxes(page).values()] == [True, True, False, False]
    assert "Before." in page
    save(browser, link)
    browser.post(f"{link}/notes/brief-sentences", **{"note.line-2": "After."})
    assert ticked(school, run) == set()
    assert written(school, run) == {("brief-sentences", "line-2"): "After."}


def test_what_stands_in_no_checklist_cannot_be_ticked(school, browser, run, link):
    for item in ("nothing-of-ours", "felt:clear", "x" * 300, "", "' or 1=1 --", "\0"):
        assert save(browser, link, item).status_code == 303
    assert ticked(school, run) == set()


def test_a_lesson_not_sent_yet_cannot_be_ticked_from_here(school, browser, run, link):
    for key in ("plain-words", "@welcome", "nowhere"):
        answer = browser.post(f"{link}/ticks/{key}", was="", ticked="action")
        assert heading(answer.text) == "This lesson has not been sent yet."
    assert ticked(school, run) == set()


def test_how_it_felt_is_one_of_two_and_sends_the_ticks_along(school, browser, run, link):
    count = boxes(browser.get(link).text)["Count your words."][0]
    assert 'name="felt"' not in browser.get(link).text
    save(browser, link, "action")
    page = browser.follow(save(browser, link, "action", count, felt="clear")).text
    assert "You said it was clear." in page
    save(browser, link, "action", count, felt="confusing")
    assert ticked(school, run) == {"action", count, "felt:confusing"}
    save(browser, link, "action", count, felt="")
    assert ticked(school, run) == {"action", count}


def test_the_mails_checklist_leads_to_its_place_on_the_page(school, browser, run, link):
    mail = next(m for m in school.mails() if "Short sentences" in str(m["Subject"]))
    address = f"{school.links.learn(run)}#lesson-short-sentences"
    assert f'href="{address}"' in mail.get_body(("html",)).get_content()
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert f"Tick them on your page:\n{address}" in text
    assert 'id="lesson-short-sentences"' in browser.get(link).text
    school.pass_time(DAY)
    assert 'id="lesson-short-sentences"' in browser.get(link).text


# -- the visit -----------------------------------------------------------------------------------


def test_a_visit_is_written_down_once_an_hour_and_never_by_looking(school, browser, run, link):
    browser.get(link)
    assert visited_at(school, run) is None
    first = school.clock.now()
    assert browser.post(f"{link}/here").status_code == 204
    assert visited_at(school, run) == first
    school.clock.advance(timedelta(minutes=59))
    browser.post(f"{link}/here")
    assert visited_at(school, run) == first
    school.clock.advance(timedelta(minutes=1))
    browser.post(f"{link}/here")
    assert visited_at(school, run) == first + timedelta(hours=1)


def test_ticks_and_notes_are_visits_too(school, browser, run, link):
    save(browser, link, "action")
    assert visited_at(school, run) == school.clock.now()
    school.clock.advance(2 * DAY)
    fill(browser, link, line_1="Here again")
    assert visited_at(school, run) == school.clock.now()


def test_the_page_and_the_lesson_read_online_say_where_a_visit_is_reported(
    school, browser, run, link
):
    read = browser.get(
        school.link_path(school.links.read(delivery(school, run, "short-sentences")))
    )
    assert f'data-here="{link}/here"' in browser.get(link).text
    assert f'data-here="{link}/here"' in read.text
    policy = read.headers["content-security-policy"]
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "default-src 'none'" in policy


# -- whose page ----------------------------------------------------------------------------------


def test_a_forged_link_or_an_erased_person_gets_a_friendly_page(school, browser, run, link):
    for action in ("ticks/short-sentences", "notes/short-sentences"):
        answer = browser.post(f"{link[:-3]}/{action}", was="", ticked="action")
        assert heading(answer.text) == "This link is not complete."
    assert browser.post(f"{link[:-3]}/here").status_code == 204
    assert ticked(school, run) == set()
    school.enrolling.forget(school.run(run).learner_id)
    for action in ("ticks/short-sentences", "notes/short-sentences"):
        answer = browser.post(f"{link}/{action}", was="", ticked="action")
        assert answer.status_code == 200
    assert browser.post(f"{link}/here").status_code == 204
    assert school.everything()["notes"] == []


def test_somebody_erased_between_looking_and_writing_is_told_so(school, browser, link, monkeypatch):
    def erased(*_given, **_named):
        raise NotAllowed("there is no enrollment 1")

    monkeypatch.setattr(school.enrolling, "tick", erased)
    monkeypatch.setattr(school.enrolling, "write_notes", erased)
    gone = "There is nothing behind this link any more."
    assert heading(save(browser, link, "action").text) == gone
    assert heading(fill(browser, link, line_1="x").text) == gone


def test_a_form_on_a_strangers_site_changes_nothing(school, browser, run, link):
    strange = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for action in ("ticks/short-sentences", "notes/short-sentences", "here"):
        answer = browser.client.post(f"{link}/{action}", headers=strange, data={"was": "action"})
        assert answer.status_code == 403
    assert visited_at(school, run) is None


def test_an_old_link_writes_to_the_round_that_is_running(school, browser, run, link):
    save(browser, link, "action")
    later = school.enrolling.restart(run, agreed("restart"))
    school.pass_time(DAY)
    fill(browser, link, line_1="Second time")
    assert written(school, later.id) == {("short-sentences", "line-1"): "Second time"}
    assert not boxes(browser.get(link).text)["I did it"][1]
