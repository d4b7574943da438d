"""Whatever is typed at the form is refused in words, or kept and shown inert wherever it stands."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape
from html.parser import HTMLParser

import pytest

from course.web.forms import read_first_name
from scheduler.store import batch, people
from tests.little_browser import Browser, forms
from tests.little_school import COURSE
from tests.naughty import NAMES

#: Names a browser can send: it never sends half of a letter.
TYPED = [name for name in NAMES if not any("\ud800" <= letter <= "\udfff" for letter in name)]
ZOE = "zoe@example.com"


class Parts(HTMLParser):
    """The tags and attributes of a page; what is inert is none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))


def tags(page: str) -> list[tuple[str, tuple[str, ...]]]:
    parts = Parts()
    parts.feed(page)
    return parts.tags


def shape(page: str) -> list[tuple[str, tuple[str, ...]]]:
    # A field that was filled in has a complaint or none; those parts are the page's own.
    return [
        (tag, names) for tag, names in tags(page) if tag not in ("p", "input", "details", "select")
    ]


@pytest.fixture
def plain(school) -> dict[str, list]:
    """What the pages are made of for somebody with no name at all."""
    return {"form": shape(Browser(school).get("/").text)}


def test_every_name_is_refused_beside_its_field_or_kept_and_inert(school, plain):
    app = Browser(school)
    stamp = app.client.app.state.desk.sealer.seal("signup", ["I want it.", "v"])
    action = f"/courses/{COURSE}/signup"
    school.clock.advance(timedelta(seconds=10))
    kept = []
    for number, name in enumerate(TYPED):
        app.client.app.state.desk.quotas._ip._counted.clear()
        fields = {"email": f"p{number}@example.com", "stamp": stamp, "first_name": name}
        answer = app.post(action, **fields)
        if answer.status_code == 422:
            assert 'id="first_name-error"' in answer.text, name
            # Nothing that was typed became a part of the page.
            with_box = [part for part in shape(answer.text) if part not in plain["form"]]
            assert {tag for tag, _ in with_box} <= {"div", "h2", "ul", "li", "a"}, name
            assert school.run_of(fields["email"]) is None
            continue
        if answer.status_code == 413:  # longer than any form of ours
            assert len(name.encode()) > 20_000
            continue
        assert answer.status_code == 303, name
        with school.db.read() as tx:
            stored = people.find_learner(tx, fields["email"]).first_name
        assert stored == batch.line(read_first_name(name)), name
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", stored), name
        kept.append(stored)
    # Ordinary people, and strange but harmless ones, get in.
    assert {"Zoë O'Brien-Smith", "محمد", "Nguyễn Thị Hồng", "Null", "<b>Bob</b>"} <= set(kept)
    assert len(kept) > 80


LIVELY = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onclick='x",
    "{{ 1234*5678 }}",
    "{% if 1 %}x{% endif %}", "'; DROP TABLE learners; --", "javascript:alert(1)", "</main><h1>",
    "Content-Type: text/html", "List-Unsubscribe: <x>", "👩‍👩‍👧‍👦", "%s %(x)s",
    "Z\u0351\u036b\u0343\u036aa", "محمد", "&lt;b&gt;", "[Bob](https:evil)", "-mcd_name_h-",
    "From me",
]  # fmt: skip


def test_a_name_that_got_in_is_inert_on_every_page_and_in_every_mail(school, browser):
    nobody, headers = seen_by(school, browser, "no@example.com", "")
    for number, name in enumerate(LIVELY):
        address = f"p{number}@example.com"
        pages, their_headers = seen_by(school, browser, address, name)
        assert their_headers == headers, name
        for where, page in pages.items():
            built = [tag for tag, _ in tags(page)]
            assert built == [tag for tag, _ in tags(nobody[where])], (name, where)
            if name in page:
                assert name == escape(name, quote=False), where
            assert "7006652" not in page, where


def seen_by(school, browser, address: str, name: str) -> tuple[dict[str, str], set[str]]:
    """Every page from the form to the course, and the names of all headers of the mails."""
    browser.client.cookies.clear()
    pages = {"waiting": browser.follow(browser.fill_in(address, first_name=name)).text}
    school.work()
    link = school.link(school.mails(address)[-1], "confirm")
    kept = dict(browser.client.cookies)
    browser.client.cookies.clear()
    pages["ask"] = browser.get(link).text
    browser.client.cookies.update(kept)
    pages["in"] = browser.follow(browser.get(link)).text
    pages["already"] = browser.get(link).text
    run = school.run_of(address).id
    for purpose in ("learn", "manage", "leave"):
        pages[purpose] = browser.get(school.link_path(getattr(school.links, purpose)(run))).text
    school.work()
    headers: set[str] = set()
    for mail in school.mails(address):
        assert mail.defects == []
        assert mail["To"].addresses[0].addr_spec == address
        assert mail.get_body(("plain",)).get_content()
        headers |= set(mail)
    return pages, headers


@pytest.mark.parametrize("field", ["hour", "days", "timezone", "email", "stamp", "return_to"])
def test_no_field_takes_what_breaks_a_page_or_a_server(school, browser, field):
    form = forms(browser.get("/").text)[0]
    school.clock.advance(timedelta(seconds=10))
    before = school.everything()
    ordinary = shape(browser.get("/").text)
    for text in (
        *[name for name in TYPED[:120:6] if name != "a@b.org"],
        "x" * 10_000,
        "\u202e",
        "{{ 1234*5678 }}",
        "<script>alert(1)</script>",
    ):
        filled = {**form.fields, "email": "zoe@", field: text}  # the address is refused anyhow
        answer = browser.post(form.action, **filled)
        assert answer.status_code == 422, text
        assert "7006652" not in answer.text
        assert [t for t in shape(answer.text) if t[0] == "script"] == [
            t for t in ordinary if t[0] == "script"
        ], text
    assert school.everything() == before
