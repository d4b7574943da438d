"""The demo's outbox: every mail as its reader sees it, and a button for the next morning."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from tests.little_browser import Browser, heading


@dataclass
class Morning:
    began_at: datetime
    ended_at: datetime
    sent: int


@pytest.fixture
def browser(demo) -> Browser:
    demo.join(timezone="Asia/Kolkata")
    demo.work()
    return Browser(demo)


def one(demo, words: str) -> str:
    return next(f"/outbox/{file.name}" for file in demo.outbox.glob("*.eml") if words in file.name)


def test_only_a_demo_has_an_outbox(school):
    school.join()
    school.work()
    for path in ("/outbox", one(school, "please-confirm")):
        assert Browser(school).get(path).status_code == 404
    assert Browser(school).post("/outbox/next-morning").status_code == 404


def test_all_mails_are_listed_newest_first_at_the_readers_local_time(demo, browser):
    page = browser.get("/outbox").text
    assert "Please confirm: Three Days of Clear Writing" in page
    assert "Mon 23 November, 13:30" in page  # 08:00 UTC in Kolkata
    demo.pass_time(timedelta(days=1))
    page = browser.get("/outbox").text
    assert page.index("Tue 24 November, 07:") < page.index("Mon 23 November, 13:30")


def test_mails_of_one_second_stand_in_the_order_they_were_sent_each_with_its_zone(demo, browser):
    names = {"first": "Zebra first", "second": "Apple second"}
    template = next(demo.outbox.glob("*please-confirm*")).read_bytes()
    for number, (name, subject) in enumerate(names.items()):
        file = demo.outbox / f"20261123T080000Z-{subject[0]}-{name}.eml"
        file.write_bytes(template.replace(b"Please confirm", subject.encode()))
        os.utime(file, ns=(0, 2_000_000_000_000_000_000 + number))
    page = browser.get("/outbox").text
    assert page.index("Apple second") < page.index("Zebra first") < page.index("Please confirm")
    assert "Mon 23 November, 13:30, Kolkata time" in page


def test_a_mail_opened_alone_misses_no_icon(demo, browser):
    answer = browser.get("/favicon.ico")
    assert browser.get(answer.headers["location"]).headers["content-type"] == "image/svg+xml"


def test_a_mail_is_shown_as_html_text_and_source(demo, browser):
    path = one(demo, "please-confirm")
    page = browser.get(path).text
    assert heading(page) == "Please confirm: Three Days of Clear Writing"
    assert f'src="{path}/html"' in page
    assert "/confirm/" in page  # the text part
    source = browser.get(f"{path}/source")
    assert source.headers["content-type"].startswith("text/plain")
    assert "Message-ID: <" in source.text


def test_a_mail_is_a_stranger_to_this_site(demo, browser):
    answer = browser.get(one(demo, "please-confirm") + "/html")
    csp = answer.headers["content-security-policy"]
    assert "sandbox allow-popups" in csp
    assert "allow-scripts" not in csp
    assert "allow-same-origin" not in csp
    assert "frame-ancestors 'self'" in csp
    assert '<base target="_top">' in answer.text


@pytest.mark.parametrize(
    "name",
    [
        "..%2fschool.db",
        "%2e%2e",
        ".eml",
        "nothing.eml",
        "a%00.eml",
        "../../etc/passwd",
        "notes.txt",
        ".writing-1.eml",
    ],
)
def test_no_other_file_can_be_reached(demo, browser, name):
    (demo.outbox / "notes.txt").write_text("private", "utf-8")
    (demo.outbox / ".writing-1.eml").write_text("half a mail", "utf-8")
    for tail in ("", "/html", "/source"):
        assert browser.get(f"/outbox/{name}{tail}").status_code == 404


def test_next_morning_says_what_happened(demo, browser):
    def next_morning() -> Morning:
        began = demo.clock.now()
        demo.pass_time(timedelta(days=1))
        return Morning(began, demo.clock.now(), 1)

    demo.next_morning = next_morning
    page = browser.follow(browser.post("/outbox/next-morning")).text
    assert "from Mon 23 November, 13:30 to Tue 24 November, 13:30, and 1 mail went out" in page
    assert "Plain words" in page


def test_next_morning_with_nobody_learning_says_what_to_do(demo, browser):
    demo.next_morning = lambda: Morning(demo.clock.now(), demo.clock.now(), 0)
    page = browser.follow(browser.post("/outbox/next-morning")).text
    assert "Nothing was due." in page


def test_what_happened_cannot_be_made_up(browser):
    page = browser.get("/outbox?did=W1sxLDIsM11d.abc.def").text
    assert "A new morning" not in page


def test_a_stranger_cannot_make_time_pass(demo):
    demo.next_morning = lambda: 1 / 0
    stranger = Browser(demo, **{"sec-fetch-site": "cross-site"})
    assert stranger.post("/outbox/next-morning").status_code == 403


def test_the_waiting_page_of_a_demo_leads_to_the_outbox(browser):
    page = browser.follow(browser.fill_in()).text
    assert 'href="/outbox"' in page
    assert "mail.google.com" not in page
