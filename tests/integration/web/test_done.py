""" "I did it": one button, counted once, and a way back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from course.web import words
from scheduler.errors import NotAllowed
from scheduler.store import ledger, ticks
from tests.little_browser import forms, heading
from tests.little_school import COURSE, agreed

DAY = timedelta(days=1)


@pytest.fixture
def run(school) -> int:
    number = school.join(first_name="Zoë")
    school.work()
    return number


@pytest.fixture
def link(school, run) -> str:
    return done_link(school, run, "short-sentences")


def done_link(school, run: int, key: str) -> str:
    with school.db.read() as tx:
        number = next(d.id for d in ledger.deliveries_of(tx, run) if d.key == key)
    return school.link_path(school.links.done(number))


def done(school, run: int) -> list[str]:
    with school.db.read() as tx:
        return [tick.lesson_key for tick in ticks.ticks_of(tx, run)]


def full_dots(page: str) -> int:
    return page.count('<li class="full">')


def test_the_button_of_the_mail_leads_here(school, run, link):
    lesson = next(m for m in school.mails() if "Short sentences" in str(m["Subject"]))
    assert school.link(lesson, "done") == link


def test_a_scanner_that_opens_the_link_records_nothing(school, browser, link):
    before = school.everything()
    for _ in range(3):
        assert browser.get(link).status_code == 200
        assert browser.head(link).status_code == 200
        browser.get(f"{link}/undo")
    assert school.everything() == before


def test_the_page_shows_the_action_and_one_button(browser, link):
    page = browser.get(link).text
    assert "<strong>Cut</strong> one sentence in two." in page
    assert "If I see a comma, then I try a full stop." in page
    assert re.findall(r"<button[^>]*>([^<]*)</button>", page) == ["I did it"]
    assert [form.action for form in forms(page)] == [link]


def test_pressing_it_says_how_far_one_has_come_and_what_comes_next(school, browser, run, link):
    page = browser.follow(browser.post(forms(browser.get(link).text)[0].action)).text
    assert heading(page) == "One down."
    assert "2 of 4 done · signing up was the first" in page
    assert full_dots(page) == 2
    assert "Lesson 2 comes tomorrow, Tuesday, at 07:00 (Berlin time)." in page
    assert done(school, run) == ["short-sentences"]


def test_pressing_it_twice_is_one_tick(school, browser, link):
    browser.post(link)
    before = school.everything()["ticks"]
    school.clock.advance(timedelta(hours=1))
    page = browser.follow(browser.post(link)).text
    assert heading(page) == "One down."
    assert school.everything()["ticks"] == before


def test_undo_takes_it_back_and_the_button_is_there_again(school, browser, run, link):
    page = browser.follow(browser.post(link)).text
    undo = forms(page)[1]
    page = browser.follow(browser.post(undo.action, **undo.fields)).text
    assert done(school, run) == []
    assert [form.action for form in forms(page)] == [link]
    assert browser.post(undo.action).status_code == 303
    assert done(school, run) == []


def test_the_last_one_says_so_weeks_after_the_course_was_finished(school, browser, run, link):
    school.pass_time(4 * DAY)
    school.clock.advance(30 * DAY)
    for key in ("short-sentences", "plain-words", "one-more-pass"):
        page = browser.follow(browser.post(done_link(school, run, key))).text
    assert heading(page) == "All three done."
    assert "4 of 4 done" in page
    assert "You have finished this course." in page


def test_how_it_felt_is_asked_after_it_and_kept_once(school, browser, run, link):
    assert "Was it clear?" not in browser.get(link).text
    page = browser.follow(browser.post(link)).text
    asked = next(form for form in forms(page) if form.action.endswith("/felt"))
    page = browser.follow(browser.post(asked.action, felt="confusing")).text
    assert "You said it was confusing." in page
    page = browser.follow(browser.post(asked.action, felt="clear")).text
    assert "You said it was clear." in page
    with school.db.read() as tx:
        items = [tick.item for tick in ticks.ticks_of(tx, run)]
    assert sorted(items) == ["action", "felt:clear"]
    page = browser.follow(browser.post(asked.action, felt="")).text
    assert "Was it clear?" in page
    before = school.everything()
    browser.get(f"{asked.action}?felt=clear")
    assert school.everything() == before


def test_the_page_asks_what_that_very_mail_asked(school, browser, link):
    file = school.settings.lessons / COURSE / "1-short-sentences.md"
    text = file.read_text("utf-8").replace("**Cut** one", "**Burn** one")
    file.write_text(text, "utf-8")
    school.catalog.refresh()
    assert "<strong>Cut</strong> one sentence in two." in browser.get(link).text


def test_an_item_of_the_checklist_is_not_yet_the_lesson(school, browser, run, link):
    school.enrolling.mark_done(run, "short-sentences", "tell-a-friend")
    assert heading(browser.get(link).text) == "Did you do it?"


def test_the_office_reads_it_in_the_timeline(school, browser, run, link):
    browser.post(link)
    school.enrolling.mark_done(run, "short-sentences", "tell-a-friend")
    school.enrolling.say_felt(run, "short-sentences", ticks.CONFUSING)
    office = browser.get(school.link_path(school.links.admin_enter("n"))).text
    browser.post(forms(office)[0].action, **forms(office)[0].fields)
    table = browser.get("/admin/").text
    found_clear = re.findall(r'data-label="Found clear">(?:<[^>]*>)?([^<]*)', table)
    assert found_clear == ["0 of 1", "no answers", "no answers"]
    page = browser.get(f"/admin/learners/{school.run(run).learner_id}").text
    assert "Lesson 1, “Short sentences”, was found confusing" in page
    assert page.count("Lesson 1, “Short sentences”, done") == 2
    assert '<span class="under">tell-a-friend</span>' in page
    assert '<span class="under">action</span>' not in page


def test_erasing_leaves_nothing_and_the_link_says_so_kindly(school, browser, run, link):
    browser.post(link)
    school.enrolling.forget(school.run(run).learner_id)
    assert school.everything()["ticks"] == []
    for answer in (browser.get(link), browser.post(link), browser.post(f"{link}/undo")):
        assert answer.status_code == 200
        assert heading(answer.text) == "There is nothing behind this link any more."
    assert school.everything()["ticks"] == []


def test_somebody_erased_between_looking_and_writing_is_told_so(school, browser, link, monkeypatch):
    def erased(*_given, **_named):
        raise NotAllowed("there is no enrollment 1")

    monkeypatch.setattr(school.enrolling, "mark_done", erased)
    answer = browser.post(link)
    assert heading(answer.text) == "There is nothing behind this link any more."


@pytest.mark.parametrize("damage", ["cut", "nonsense", "another purpose"])
def test_a_forged_link_gets_a_friendly_page_and_records_nothing(school, browser, run, link, damage):
    bad = {
        "cut": link[:-3],
        "nonsense": "/done/%F0%9F%A6%86",
        "another purpose": school.link_path(school.links.learn(run)).replace("learn", "done"),
    }[damage]
    before = school.everything()
    for answer in (browser.get(bad), browser.post(bad), browser.post(f"{bad}/undo")):
        assert answer.status_code == 200
        assert heading(answer.text) == "This link is not complete."
    assert school.everything() == before


def test_a_form_on_a_strangers_site_cannot_press_the_button(school, browser, run, link):
    strange = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert browser.client.post(link, headers=strange).status_code == 403
    assert done(school, run) == []


def test_another_copy_of_a_lesson_is_the_same_lesson(school, browser, run, link):
    school.enrolling.resend(run, "short-sentences")
    school.work()
    copy = done_link(school, run, "@again-1:short-sentences")
    browser.post(copy)
    assert heading(browser.get(link).text) == "One down."
    browser.post(link)
    assert done(school, run) == ["short-sentences"]


def test_a_letter_has_no_action_to_be_done(school, browser, run):
    welcome = done_link(school, run, "@welcome")
    assert heading(browser.post(welcome).text) == "This link is not complete."
    assert done(school, run) == []


def test_a_renamed_lesson_stays_done(school, browser, run, link):
    browser.post(link)
    folder = school.settings.lessons / COURSE
    text = (folder / "1-short-sentences.md").read_text("utf-8")
    (folder / "1-short-sentences.md").unlink()
    renamed = text.replace("---\n", "---\naliases: [short-sentences]\n", 1)
    (folder / "1-brief-sentences.md").write_text(renamed, "utf-8")
    school.catalog.refresh()
    page = browser.get(link).text
    assert heading(page) == "One down."
    assert full_dots(page) == 2
    browser.post(forms(page)[1].action)
    assert done(school, run) == []


def test_a_lesson_that_left_the_course_can_still_be_done(school, browser, run, link):
    (school.settings.lessons / COURSE / "1-short-sentences.md").unlink()
    school.catalog.refresh()
    assert "Short sentences" in browser.get(link).text
    page = browser.follow(browser.post(link)).text
    assert heading(page) == "Done."
    assert done(school, run) == ["short-sentences"]


def test_an_old_mail_counts_for_the_round_that_is_running(school, browser, run, link):
    browser.post(link)
    later = school.enrolling.restart(run, agreed("restart"))
    assert [form.action for form in forms(browser.get(link).text)] == [link]
    browser.post(link)
    assert done(school, later.id) == ["short-sentences"]
    page = browser.get(school.link_path(school.links.learn(later.id))).text
    assert '<span class="did">done</span>' in page


def test_a_signup_nobody_confirmed_takes_no_progress_away(school, browser, run, link):
    school.pass_time(4 * DAY)
    browser.post(link)
    strange = school.sign_up()
    assert strange != run
    page = browser.get(link).text
    assert heading(page) == "One down."
    browser.post(done_link(school, run, "plain-words"))
    assert (len(done(school, run)), done(school, strange)) == (2, [])


@pytest.mark.parametrize(("count", "said"), [(1, "one"), (12, "twelve"), (13, "13")])
def test_numbers_are_said_as_words_as_long_as_that_is_short(count, said):
    assert words.number(count) == said
