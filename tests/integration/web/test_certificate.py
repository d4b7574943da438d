"""The certificate: earned by what was done, shown under the name its owner chose, and to nobody
who was not given the link. And the letter and the list at the end of a course."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta

import pytest

from course.mail.mime import clean
from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import exports, people
from tests.little_browser import Browser, forms, heading
from tests.little_school import COURSE, OUTLINE, LittleSchool, agreed, build, write_course
from tests.naughty import NAMES as NAUGHTY

DAY = timedelta(days=1)
KEYS = ("short-sentences", "plain-words", "one-more-pass")
AT_THE_END = """\
---
title: You did it
preheader: A few words from the people who run this course, and nothing else.
show_done: true
---
That is all for now.
"""


@pytest.fixture
def run(school: LittleSchool) -> int:
    """Somebody who was sent every lesson and has done the first two."""
    number = school.join(first_name="Zoë")
    send_all(school, number)
    assert school.run(number).state is EnrollmentState.COMPLETED
    for key in KEYS[:2]:
        school.enrolling.mark_done(number, key)
    return number


@pytest.fixture
def earned(school: LittleSchool, run: int) -> int:
    school.enrolling.mark_done(run, KEYS[2])
    return run


@pytest.fixture
def named(browser: Browser, earned: int, school: LittleSchool) -> int:
    browser.post(mine(school, earned), name="Zoë Fischer")
    return earned


def mine(school: LittleSchool, run: int) -> str:
    return school.link_path(school.links.learn(run)) + "/certificate"


def send_all(school: LittleSchool, run: int) -> None:
    """Every lesson, one asked for after the other."""
    school.work()
    for _ in KEYS[1:]:
        school.enrolling.next_now(run, agreed("next"))
        school.work()


def public(school: LittleSchool, run: int) -> str:
    return school.link_path(school.links.certificate(run))


def words(page: str) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


# -- earning it ------------------------------------------------------------------------------------


def test_before_it_is_earned_the_page_says_what_is_missing(school, browser, run):
    page = browser.get(mine(school, run)).text
    assert "once every action of the course is ticked" in words(page)
    assert "2 of 3 actions done" in words(page)
    assert re.findall(r'<a href="(/done/[^"]+)">I did it', page)
    assert 'name="name"' not in page
    assert browser.get(public(school, run)).status_code == 404


def test_nobody_makes_a_certificate_that_was_not_earned(school, browser, run):
    browser.post(mine(school, run), name="Zoë Fischer")
    assert browser.get(public(school, run)).status_code == 404
    school.enrolling.mark_done(run, KEYS[2])
    assert browser.get(public(school, run)).status_code == 404  # nor was the name kept for later


def test_once_earned_its_owner_chooses_the_name_and_only_then_it_can_be_seen(
    school, browser, earned
):
    assert browser.get(public(school, earned)).status_code == 404
    form = forms(browser.get(mine(school, earned)).text)[0]
    assert form.fields["name"] == "Zoë"
    page = browser.follow(browser.post(form.action, name="Zoë  Fischer ")).text
    assert "Your certificate is ready." in words(page)
    assert school.links.certificate(earned) in page
    shown = browser.get(public(school, earned))
    assert shown.status_code == 200
    assert heading(shown.text) == "Zoë Fischer"
    said = words(shown.text)
    for part in (
        "Three Days of Clear Writing",
        "3 actions done, and about",
        "Short sentences",
        "Plain words",
        "One more pass",
        "The Writing School",
        "Finished on 23 November 2026",
    ):
        assert part in said


def test_the_date_is_that_of_the_last_tick_in_the_learners_zone(school, browser):
    run = school.join(timezone="Pacific/Auckland")
    send_all(school, run)
    for key in KEYS[1:]:
        school.enrolling.mark_done(run, key)
    school.clock.advance(24 * DAY + timedelta(hours=6))  # 17 December, 14:00 UTC
    school.enrolling.mark_done(run, KEYS[0])
    browser.post(mine(school, run), name="Ana")
    assert "Finished on 18 December 2026" in words(browser.get(public(school, run)).text)


def test_an_action_taken_back_takes_the_certificate_along(school, browser, named):
    school.enrolling.mark_done(named, KEYS[0], done=False)
    page = browser.get(public(school, named))
    assert page.status_code == 404
    assert heading(page.text) == "There is no certificate behind this link."
    assert "Zoë" not in page.text
    school.enrolling.mark_done(named, KEYS[0])
    assert "Zoë Fischer" in browser.get(public(school, named)).text


def test_its_owner_takes_it_away_and_makes_it_again(school, browser, named):
    away = next(f for f in forms(browser.get(mine(school, named)).text) if not f.fields)
    page = browser.follow(browser.post(away.action, none="yes")).text
    assert "The link shows nothing any more." in words(page)
    assert browser.get(public(school, named)).status_code == 404
    browser.post(mine(school, named), name="Z. Fischer")
    assert "Z. Fischer" in browser.get(public(school, named)).text


def test_leaving_takes_nothing_away_that_was_done(school, browser, named):
    school.enrolling.leave(named, agreed("leave"))
    assert browser.get(public(school, named)).status_code == 200


def test_taking_the_course_again_keeps_the_certificate_of_the_first_time(school, browser, named):
    again = school.enrolling.restart(named, agreed("restart"))
    assert browser.get(public(school, named)).status_code == 200
    assert browser.get(public(school, again.id)).status_code == 404
    for number in (named, again.id):  # every link of this person leads to the one there is
        page = browser.get(mine(school, number)).text
        assert school.links.certificate(named) in page
    browser.post(mine(school, again.id), name="Dr. Fischer")
    assert "Dr. Fischer" in browser.get(public(school, named)).text


def test_a_course_may_give_none(school, browser, named):
    (school.catalog.folder / COURSE / "course.yaml").write_text(OUTLINE + "certificate: no\n")
    school.catalog.refresh()
    assert browser.get(public(school, named)).status_code == 404
    page = browser.get(mine(school, named)).text
    assert "This course gives no certificates." in words(page)
    assert 'name="name"' not in page


def test_where_nothing_is_asked_the_last_lesson_earns_it(tmp_path):
    folder = write_course(tmp_path / "lessons")
    for file in folder.glob("[0-9]*.md"):
        text = file.read_text()
        file.write_text(re.sub(r"action:\n(?:  .*\n)+", "", text))
    school = build(tmp_path)
    browser = Browser(school)
    run = school.join()
    browser.post(mine(school, run), name="Ana")
    assert "once the last lesson has been sent" in words(browser.get(mine(school, run)).text)
    send_all(school, run)
    browser.post(mine(school, run), name="Ana")
    assert "3 lessons, and about" in words(browser.get(public(school, run)).text)
    school.close()


# -- what it shows, and to whom ------------------------------------------------------------------


def test_it_shows_nothing_of_its_owner_but_the_name(school, browser, named):
    answer = browser.get(public(school, named))
    for secret in ("zoe@", "z••@", "/learn/", "/done/", "/manage/", "/leave/", "/read/"):
        assert secret not in answer.text
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.findall(r'(?:src|href)="https?://(?!testserver)', answer.text)


def test_its_link_opens_nothing_else(school, browser, named):
    token = public(school, named).rpartition("/")[2]
    for door in ("learn", "manage", "leave", "confirm", "done", "read"):
        page = browser.get(f"/{door}/{token}").text
        assert "Zoë" not in page
        assert "z••@" not in page
    assert browser.get(f"/learn/{token}/certificate").text.count('name="name"') == 0
    learn = school.link_path(school.links.learn(named)).rpartition("/")[2]
    assert browser.get(f"/certificate/{learn}").status_code == 404
    assert browser.get(f"/certificate/{token[:-1]}").status_code == 404


def test_an_erased_person_has_no_certificate(school, browser, named):
    learner = school.run(named).learner_id
    with school.db.read() as tx:
        kept = exports.export_person(tx, learner)
    assert [(n["item"], n["text"]) for n in kept["notes"]] == [("name", "Zoë Fischer")]
    assert "Zoë Fischer" in json.dumps(kept, ensure_ascii=False)
    school.enrolling.forget(learner)
    assert browser.get(public(school, named)).status_code == 404
    assert "Zoë" not in json.dumps(school.everything(), default=str, ensure_ascii=False)
    assert browser.post(mine(school, named), name="Zoë").status_code == 200  # the friendly page


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "\u202e\u202c", "\u0301"])
def test_a_name_nobody_can_see_is_asked_for_again(school, browser, earned, name):
    answer = browser.post(mine(school, earned), name=name)
    assert answer.status_code == 422
    assert "<title>Error:" in answer.text
    assert "Type the name that is to stand on your certificate." in words(answer.text)
    assert 'aria-invalid="true"' in answer.text
    assert browser.get(public(school, earned)).status_code == 404


def test_a_name_that_fits_on_no_page_is_kept_to_be_shortened(school, browser, earned):
    answer = browser.post(mine(school, earned), name="x" * 121)
    assert answer.status_code == 422
    assert "x" * 121 in answer.text
    assert "shorten it" in words(answer.text)
    assert browser.post(mine(school, earned), name="x" * 120).status_code == 303


def test_whatever_a_name_is_made_of_it_stays_a_name(school, browser, earned):
    """Every script survives; no name becomes a tag, a template or another line."""
    shown = 0
    # Half a letter comes from no browser, and a whole book is stopped at the door.
    for name in (n for n in NAUGHTY if "\ud800" not in n and len(n) < 1_000):
        answer = browser.post(mine(school, earned), name=name)
        assert answer.status_code in (303, 422), ascii(name)
        if answer.status_code == 422:
            continue
        pages = [browser.get(public(school, earned))]
        if set(name) & set("<\"'&{%"):
            pages.append(browser.get(mine(school, earned)))
        for page in pages:
            assert page.status_code < 500, ascii(name)
            assert not re.search(r"<(?:img|b|style)\b[^>]*(?:onerror|alert|>)", _name_in(page.text))
            assert page.text.count("<script") <= 1
        assert html.unescape(_name_in(pages[0].text)).strip() == clean(name), ascii(name)
        shown += 1
    assert shown > 80


def _name_in(page: str) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    return found[1] if found else ""


def test_looking_at_it_changes_nothing(school, browser, named):
    before = school.everything()
    for path in (mine(school, named), public(school, named), "/certificate/1.garbled"):
        browser.get(path)
        browser.head(path)
    assert school.everything() == before


# -- the letter at the end -------------------------------------------------------------------------


def test_the_closing_letter_tells_what_was_done_exactly_once(tmp_path):
    folder = write_course(tmp_path / "lessons")
    (folder / "completed.md").write_text(AT_THE_END)
    school = build(tmp_path)
    browser = Browser(school)
    run = school.join()
    school.work()
    school.enrolling.mark_done(run, KEYS[0])
    send_all(school, run)
    school.work()
    [letter] = [m for m in school.mails() if m["Subject"] == "You did it"]
    text = letter.get_body(("plain",)).get_content()
    assert "1 of 3 done" in text
    assert "done on 23 November 2026" in text
    online = school.link(letter, "read")
    assert "1 of 3 done" in words(browser.get(online).text)
    for key in KEYS[1:]:
        school.enrolling.mark_done(run, key)
    assert "All done" in words(browser.get(online).text)
    certificate = re.search(r"/learn/\S+/certificate", browser.get(online).text.replace('"', " "))
    assert certificate
    assert heading(browser.get(certificate[0]).text) == "Your certificate"
    with school.db.read() as tx:
        learner = people.find_learner(tx, "zoe@example.com")
        kept = exports.export_person(tx, learner.id)
    assert [d["key"] for d in kept["deliveries"]].count("@completed") == 1
    school.enrolling.forget(learner.id)
    assert "Nobody here" in browser.get(online).text
    school.close()


# -- the list at the end ---------------------------------------------------------------------------


def test_the_finished_page_names_what_to_take_next(school, browser, run):
    write_course(school.catalog.folder, key="next-course", title="Two Days of Silence")
    folder = school.catalog.folder / COURSE
    (folder / "course.yaml").write_text(
        OUTLINE + "next: [next-course, gone, {title: Elsewhere, url: 'https://example.org/'}]\n"
    )
    school.catalog.refresh()
    page = browser.get(mine(school, run)).text
    assert 'href="/courses/next-course">Two Days of Silence' in page
    assert 'href="https://example.org/">Elsewhere' in page
    assert "gone" not in page
    assert f'href="/courses/{COURSE}#join"' in page


def test_the_finished_page_names_the_days_of_the_letters_to_come(tmp_path):
    folder = write_course(tmp_path / "lessons")
    for days in (7, 30):
        (folder / f"followup-{days}.md").write_text(
            f"---\ntitle: After {days} days\nafter_days: {days}\n---\nWhat moved?\n"
        )
    school = build(tmp_path)
    browser = Browser(school)
    run = school.join()
    assert "more letter" not in browser.get(mine(school, run)).text
    send_all(school, run)
    school.enrolling.resend(run, KEYS[0])  # a copy that waits is no letter to come
    said = words(browser.get(mine(school, run)).text)
    days = "Monday, 30 November and Wednesday, 23 December"
    assert f"2 more letters come: {days}." in said
    school.enrolling.leave(run, agreed("leave"))
    assert "more letter" not in browser.get(mine(school, run)).text
    school.close()
