"""Before signing up: when the lessons would come, and forms that stand on other sites."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from course.config import SignupSettings
from course.web.guard import CSP
from course.web.learner.returning import allowed
from scheduler.store import people
from tests.little_browser import Browser, forms, heading
from tests.little_school import CHECKOUT, COURSE, build, write_course

HOSTS = ("www.example.org",)
BACK = "https://www.example.org/thanks?from=course"


def dates(page: str) -> list[tuple[str, str]]:
    found = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page)
    return [(unescape(name), unescape(when)) for name, when in found]


# -- when the lessons would come -----------------------------------------------------------------


def test_the_dates_stand_beside_the_choice_before_anything_is_saved(browser):
    assert dates(browser.get("/").text) == [
        ("Lesson 1", "as soon as you confirm"),
        ("Lesson 2", "tomorrow, Tuesday, at 07:00"),
        ("Lesson 3", "Wednesday at 07:00 (the last one)"),
    ]


def test_without_javascript_a_button_shows_the_dates_of_another_choice(school, browser):
    before = school.everything()
    form = forms(browser.get("/").text)[0]
    wish = {"email": "zoe@", "days": "weekdays", "hour": "06:30", "timezone": "Asia/Kolkata"}
    answer = browser.post(form.action, **{**form.fields, **wish}, show="dates")
    assert answer.status_code == 200
    assert ("Lesson 2", "tomorrow, Tuesday, at 06:30") in dates(answer.text)
    # What was typed stays, and is not judged before it is sent.
    assert 'value="zoe@"' in answer.text
    assert "Error" not in answer.text
    assert '<details class="pace" id="pace" open>' in answer.text
    assert "Sent at" in answer.text
    assert school.everything() == before
    assert "set-cookie" not in answer.headers


def test_the_dates_of_a_choice_come_as_a_piece_of_the_page(school, browser):
    school.clock.advance(timedelta(days=4))  # a Friday
    before = school.everything()
    piece = browser.get(f"/courses/{COURSE}/dates?hour=18:30&days=weekdays&timezone=Asia/Calcutta")
    assert dates(piece.text) == [
        ("Lesson 1", "as soon as you confirm"),
        ("Lesson 2", "Monday at 18:30"),
        ("Lesson 3", "Tuesday at 18:30 (the last one)"),
    ]
    assert "<html" not in piece.text
    assert school.everything() == before


def test_the_dates_foretold_are_the_dates_kept(school, browser):
    browser.fill_in(days="weekdays", hour="09:00")
    foretold = dates(browser.get(f"/courses/{COURSE}/dates?hour=09:00&days=weekdays").text)
    school.work()
    browser.get(school.link(school.mails()[0], "confirm"))
    school.pass_time(timedelta(days=3))
    arrived = [str(mail["Date"]) for mail in school.mails() if "/3]" in str(mail["Subject"])]
    assert [when for _, when in foretold[1:]] == [
        "tomorrow, Tuesday, at 09:00",
        "Wednesday at 09:00 (the last one)",
    ]
    assert [date[:22] for date in arrived[1:]] == [
        "Tue, 24 Nov 2026 08:00",
        "Wed, 25 Nov 2026 08:00",
    ]


def test_a_long_course_shows_its_first_lessons_and_its_last(tmp_path):
    write_course(tmp_path / "lessons", lessons=5)
    school = build(tmp_path, lessons=tmp_path / "lessons")
    shown = dates(Browser(school).get("/").text)
    assert [name for name, _ in shown] == ["Lesson 1", "Lesson 2", "Lesson 3", "Lesson 5"]
    assert shown[-1][1] == "Friday at 07:00 (the last one)"


@pytest.mark.parametrize(
    "query", ["hour=25:00", "days=someday", "hour=&days=&timezone=", "timezone=" + "x" * 500,
              "hour=%00&days=%E2%80%AE", "days=mon&days=tue", "hour={{7*7}}"],
)  # fmt: skip
def test_a_choice_that_cannot_be_read_shows_no_dates_and_breaks_nothing(browser, query):
    answer = browser.get(f"/courses/{COURSE}/dates?{query}")
    assert answer.status_code == 200
    assert "49" not in answer.text


def test_the_enter_key_sends_the_form_and_presses_no_other_button(browser):
    form = browser.get("/").text.partition('id="join"')[2]
    first = re.search(r"<button[^>]*>", form)
    assert first
    assert "name=" not in first[0]
    assert 'tabindex="-1" aria-hidden="true"' in first[0]


# -- forms on other sites ------------------------------------------------------------------------


@pytest.fixture
def embedded(tmp_path: Path) -> Browser:
    return Browser(build(tmp_path, signup=SignupSettings(return_hosts=HOSTS)))


def press(browser: Browser, **fields: str):
    """Send the form of another site, then press the button of ours."""
    browser.client.headers["sec-fetch-site"] = "cross-site"
    first = browser.post(f"/courses/{COURSE}/signup", email="zoe@example.com", **fields)
    assert "press the button once more" in first.text
    browser.client.headers["sec-fetch-site"] = "same-origin"
    browser.school.clock.advance(timedelta(seconds=5))
    form = forms(first.text)[0]
    return first, browser.post(form.action, **form.fields)


def test_a_form_on_another_site_leads_back_to_it(embedded):
    first, answer = press(embedded, return_to=BACK)
    # Without this, a browser stops the way back: it is part of what `form-action` forbids.
    policy = first.headers["content-security-policy"]
    assert "form-action 'self' https://www.example.org;" in policy
    assert policy.replace(" https://www.example.org", "") == CSP
    assert (answer.status_code, answer.headers["location"]) == (303, BACK)
    assert embedded.school.run_of("zoe@example.com") is not None
    assert heading(embedded.get("/check-inbox").text) == "Check your inbox"


def test_a_bot_on_another_site_sees_the_same_answer(embedded):
    _, answer = press(embedded, return_to=BACK, lantern="spam")
    form = forms(embedded.get("/").text)[0]
    trapped = embedded.post(
        form.action, **{**form.fields, "email": "b@example.com", "lantern": "x", "return_to": BACK}
    )
    assert trapped.headers["location"] == answer.headers["location"] == BACK


def test_the_way_back_survives_an_error_and_a_typo(embedded):
    form = forms(embedded.get("/").text)[0]
    embedded.school.clock.advance(timedelta(seconds=5))
    for typed in ("zoe@", "zoe@gmial.com"):
        page = embedded.post(form.action, **{**form.fields, "email": typed, "return_to": BACK})
        assert forms(page.text)[0].fields["return_to"] == BACK


BAD = [
    "http://www.example.org/", "https://evil.example/", "//www.example.org/", "/thanks", "thanks",
    "https://www.example.org.evil.example/", "https://evil.example/www.example.org",
    "https://www.example.org@evil.example/", "https://a:b@www.example.org/",
    "https://www.example.org:8443/", "https://www.example.org:x/", "https:\\\\www.example.org/",
    "https://evil.example\\@www.example.org/", "https://www.example.org\r\nSet-Cookie: a=b",
    "https://www.example.org/\tx", " https://www.example.org/", "javascript:alert(1)", "",
    "https://www.exаmple.org/", "https://[::1]/", "https://[www.example.org/",
    "https://www.example.org/" + "a" * 2_000, "https:www.example.org", "https:///www.example.org/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD)
def test_any_other_way_back_is_ignored(embedded, url):
    first, answer = press(embedded, return_to=url)
    assert first.headers["content-security-policy"] == CSP
    assert "return_to" not in first.text
    assert answer.headers["location"] == "/check-inbox"


def test_without_a_host_in_the_settings_nobody_is_sent_away(browser):
    _, answer = press(browser, return_to=BACK)
    assert answer.headers["location"] == "/check-inbox"


def test_ways_back_to_the_named_host_are_taken():
    for url in (BACK, "https://www.example.org", "https://WWW.EXAMPLE.ORG:443/a#b"):
        assert allowed(url, HOSTS)


def test_the_form_in_the_manual_works_as_it_stands_there(embedded):
    manual = (CHECKOUT / "docs" / "going-live.md").read_text(encoding="utf-8")
    [snippet] = [part for part in manual.split("```") if part.startswith("html\n<form")]
    form = forms(snippet)[0]
    assert form.action == "https://course.example.org/courses/career-mobility/signup"
    assert form.fields["return_to"].startswith("https://www.example.org/")
    first, answer = press(embedded, **{k: v for k, v in form.fields.items() if k != "email"})
    assert first.status_code == 200
    assert answer.headers["location"] == form.fields["return_to"]


# -- what was agreed to --------------------------------------------------------------------------


def agreement(school):
    with school.db.read() as tx:
        learner = people.find_learner(tx, "zoe@example.com")
        [(_, consent)] = people.consents_of(tx, learner.id)
    return consent


def test_consent_names_the_page_its_version_and_the_sentence_that_stood_there(school, browser):
    browser.fill_in()
    consent = agreement(school)
    assert re.fullmatch(rf"web:/courses/{COURSE}/signup page [0-9a-f]{{12}}", consent.source)
    assert consent.text in browser.get("/").text
    assert len(consent.ip_hash) == 32
    assert consent.at == school.clock.now()


def test_what_counts_is_the_page_that_was_seen_not_the_one_of_a_minute_later(school, browser):
    form = forms(browser.get("/").text)[0]
    outline = school.settings.lessons / COURSE / "course.yaml"
    changed = outline.read_text(encoding="utf-8") + "consent_text: I want something else.\n"
    outline.write_text(changed, encoding="utf-8")
    school.catalog.refresh()
    assert "I want something else." in browser.get("/").text
    school.clock.advance(timedelta(seconds=10))
    browser.post(form.action, **{**form.fields, "email": "zoe@example.com"})
    old = agreement(school)
    assert old.text.startswith("With this button you ask The Writing School")
    school.clock.advance(timedelta(minutes=11))
    browser.fill_in("ada@example.com")
    with school.db.read() as tx:
        new = people.consents_of(tx, people.find_learner(tx, "ada@example.com").id)[0][1]
    assert new.text == "I want something else."
    assert new.source != old.source
