"""What every page promises: headers, no state changed by looking, no forms from elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from course.web.guard import MAX_BODY
from scheduler.store import ledger
from tests.little_browser import Browser, heading
from tests.little_school import CHECKOUT, COURSE, LittleSchool, build


@pytest.fixture
def pages(school: LittleSchool) -> dict[str, str]:
    """One page of every kind, by name."""
    pending = school.sign_up("pia@example.com")
    run = school.join()
    school.work()
    school.enrolling.ask_to_move(run, "zoe@example.net")
    with school.db.read() as tx:
        sent = {d.key: d.id for d in ledger.deliveries_of(tx, run)}
    delivery = sent["short-sentences"]
    links = school.links
    private = {
        "confirm": links.confirm(pending),
        "confirmed": links.confirm(run),
        "welcome": links.confirm(run) + "/welcome",
        "learn": links.learn(run),
        "calendar": links.learn(run) + "/calendar.ics",
        "my certificate": links.learn(run) + "/certificate",
        "certificate": links.certificate(run),
        "manage": links.manage(run),
        "data": links.manage(run) + "/data",
        "data file": links.manage(run) + "/data.json",
        "leave": links.leave(run),
        "address": links.address(sent["@address"]),
        "read": links.read(delivery),
        "done": links.done(delivery),
        "enter": links.admin_enter("nonce"),
    }
    return {
        "front": "/",
        "course": f"/courses/{COURSE}",
        "sample": f"/courses/{COURSE}/lessons/1",
        "inbox": "/check-inbox",
        "lost": "/lost",
        "admin": "/admin/",
        "learners": "/admin/learners",
        "nothing": "/nothing",
        "courses": "/api/v1/courses",
        "openapi": "/api/openapi.json",
        "health": "/healthz",
        "ready": "/readyz",
        "style": "/static/app.css",
        "robots": "/robots.txt",
        **{name: school.link_path(url) for name, url in private.items()},
    }


def test_looking_changes_nothing_anywhere(school, browser, pages):
    before = school.everything()
    for _ in range(2):
        for path in pages.values():
            browser.get(path)
            browser.head(path)
    assert school.everything() == before


def test_a_monitor_may_ask_for_the_head_of_any_page(browser, pages):
    for name, path in pages.items():
        if name in ("courses", "openapi", "robots"):
            continue
        looked = browser.get(path)
        asked = browser.head(path)
        assert asked.status_code == looked.status_code, name
        assert asked.text == "", name


def test_every_answer_carries_the_security_headers(browser, pages):
    for name, path in pages.items():
        headers = browser.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", name
        csp = headers["content-security-policy"]
        for part in ("base-uri 'none'", "frame-ancestors 'none'", "object-src 'none'"):
            assert part in csp, name
        assert headers["referrer-policy"] == (
            "same-origin" if path.startswith("/admin") else "no-referrer"
        ), name


def test_the_strict_policy_is_the_one_of_every_page_but_the_mail_itself(browser, pages):
    strict = (
        "default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    )
    for name, path in pages.items():
        csp = browser.get(path).headers["content-security-policy"]
        assert (csp == strict) is (name != "read"), name
    assert "default-src 'none'" in browser.get(pages["read"]).headers["content-security-policy"]


def test_pages_with_a_token_are_stored_by_nobody_and_found_by_nobody(browser, pages):
    public = ("front", "course", "sample", "lost", "nothing", "courses", "openapi", "health",
              "ready", "style", "robots")  # fmt: skip
    for name, path in pages.items():
        headers = browser.get(path).headers
        private = name not in public
        assert (headers["cache-control"] == "private, no-store") is private, name
        assert ("noindex" in headers.get("x-robots-tag", "")) is private, name


def test_no_page_has_inline_scripts_inline_styles_or_third_parties(browser, pages):
    for name, path in pages.items():
        if name in ("read", "style", "openapi", "calendar", "data file"):
            continue
        page = browser.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), name
        assert not re.search(r"<style|\sstyle=|\son\w+=", page), name
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*?(?:src|href)="([^"]*)"', page)
        assert all(url.startswith("/") for url in loaded), name


def test_every_page_has_a_language_one_heading_and_a_title(browser, pages):
    for name, path in pages.items():
        page = browser.get(path).text
        if "<html" not in page:
            continue
        assert re.search(r'<html[^>]* lang="en"', page), name
        assert len(re.findall(r"<h1[ >]", page)) == 1, name
        assert re.search(r"<title>[^<]{3,}</title>", page), name


def test_every_page_weighs_less_than_50_kilobytes_with_its_style(browser, pages):
    """As they travel: style and scripts are packed, pages, which hold links, are not."""
    names = ("app.css", "zone.js", "dates.js", "pace.js", "ticks.js", "here.js", "icon.svg")
    extra = sum(int(browser.get(f"/static/{n}").headers["content-length"]) for n in names)
    for name, path in pages.items():
        limit = 100_000 if name == "read" else 50_000
        assert len(browser.get(path).content) + extra < limit, name


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "", "origin": "http://testserver"}, True),
        ({"sec-fetch-site": "", "origin": "https://evil.example"}, False),
        ({"sec-fetch-site": "", "origin": "http://testserver.evil.example"}, False),
        ({"sec-fetch-site": ""}, True),
        # `Referrer-Policy: no-referrer` makes older browsers say so for our own forms.
        ({"sec-fetch-site": "", "origin": "null"}, True),
    ],
)
def test_a_form_is_taken_only_from_our_own_pages(school, pages, headers, let_in):
    browser = Browser(school, **headers)
    answer = browser.post(f"{pages['manage']}/pause", **{"for": "open"})
    assert answer.status_code == (303 if let_in else 403)
    if not let_in:
        assert "came from somewhere else" in heading(answer.text)


@pytest.mark.parametrize("path", ["/admin/enter", "/admin/logout", "/admin/learners/1/stop"])
def test_where_a_cookie_is_the_key_null_is_a_stranger(school, path):
    browser = Browser(school, **{"sec-fetch-site": "", "origin": "null"})
    assert browser.post(path).status_code == 403


def test_a_body_that_is_too_large_is_refused_however_it_comes(school, browser):
    big = b"email=" + b"x" * MAX_BODY
    path = f"/courses/{COURSE}/signup"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert browser.client.post(path, content=big, headers=form).status_code == 413
    chunks = iter([big, big])
    assert browser.client.post(path, content=chunks, headers=form).status_code in (413, 422)
    assert browser.client.post("/api/v1/signups", content=big).status_code == 413


def test_a_crash_gives_a_friendly_page_with_all_headers(school, browser, monkeypatch):
    monkeypatch.setattr(school.catalog, "courses", lambda: 1 / 0)
    answer = browser.get("/")
    assert answer.status_code == 500
    assert heading(answer.text) == "Something broke on our side"
    assert "ZeroDivision" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_database_that_is_away_gives_503_and_a_page(school, browser, pages, monkeypatch):
    from scheduler.errors import DatabaseUnavailable

    def away():
        raise DatabaseUnavailable("the disk is full; make room")

    monkeypatch.setattr(school.db, "read", away)
    answer = browser.get(pages["learn"])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert heading(answer.text) == "Back in a moment"


def test_https_brings_hsts_and_secure_cookies(tmp_path):
    school = build(tmp_path, base_url="https://course.example")
    browser = Browser(school)
    answer = browser.fill_in()
    assert "max-age" in answer.headers["strict-transport-security"]
    for cookie in answer.headers.get_list("set-cookie"):
        assert "Secure" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie


@pytest.mark.parametrize(
    ("trusted", "forwarded", "same"),
    [
        ((), "203.0.113.9", True),  # a header anybody can send is not believed
        (("198.51.100.0/24",), "203.0.113.9", False),
        (("198.51.100.7",), "1.2.3.4, 203.0.113.9", False),
    ],
)
def test_the_caller_is_who_our_own_proxy_says(tmp_path, trusted, forwarded, same):
    from starlette.requests import Request

    from course.web import desk

    school = build(tmp_path, trusted_proxies=trusted)
    visitors = desk.build(school).visitors

    def seen(*headers):
        return visitors.ip(
            Request({"type": "http", "headers": list(headers), "client": ("198.51.100.7", 1)})
        )

    with_header = seen((b"x-forwarded-for", forwarded.encode()))
    assert (with_header == seen()) is same
    if not same:
        assert with_header == "203.0.113.9"


def test_the_doors_do_not_load_what_sends():
    import subprocess
    import sys

    program = (
        "import sys, course.web.app;"
        "print([m for m in sys.modules if m.startswith(('scheduler.dispatch',"
        " 'scheduler.providers', 'scheduler.drivers', 'sendgrid', 'apscheduler'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_operators_own_template_wins_and_what_it_lacks_is_ours(tmp_path):
    own = tmp_path / "templates"
    (own / "web").mkdir(parents=True)
    (own / "static").mkdir()
    (own / "web" / "limited.html").write_text("<h1>Ours</h1>", "utf-8")
    (own / "static" / "app.css").write_text("/* ours */", "utf-8")
    (own / "email").symlink_to(CHECKOUT / "templates" / "email")
    browser = Browser(build(tmp_path, templates=own))
    assert heading(browser.get("/").text) == "Three Days of Clear Writing"
    assert browser.get("/static/app.css").text == "/* ours */"
    assert browser.get("/static/zone.js").status_code == 200
    assert browser.get("/static/..%2fweb%2fbase.html").status_code == 404


def test_a_site_below_a_path_links_below_it(tmp_path):
    school = build(tmp_path, base_url="https://example.org/learn")
    browser = Browser(school)
    page = browser.get("/").text
    assert f'action="/learn/courses/{COURSE}/signup"' in page
    assert all(
        link.startswith(("/learn/", "#", "?"))
        for link in re.findall(r'(?:href|src)="([^"]*)"', page)
    )
    school.clock.advance(timedelta(seconds=10))
    from tests.little_browser import forms

    form = forms(page)[0]
    answer = browser.post(form.action.removeprefix("/learn"), **form.fields | {"email": "a@b.com"})
    assert answer.headers["location"] == "/learn/check-inbox"
