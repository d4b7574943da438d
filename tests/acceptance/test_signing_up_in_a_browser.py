"""Signing up in a real browser: what the closed line, the dates, the code and the Enter key do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from scheduler.domain.enrollment import EnrollmentState
from tests.little_school import COURSE

ZOE = "zoe@example.com"


@pytest.fixture(params=["without javascript", "with javascript"])
def page(request, chromium, site):
    """A window in Kolkata that fails the test when a page of ours is broken."""
    context = chromium.new_context(
        java_script_enabled=request.param == "with javascript",
        base_url=site.settings.base_url,
        timezone_id="Asia/Kolkata",
    )
    window = context.new_page()
    broken: list[str] = []
    window.on(
        "response", lambda r: broken.append(f"{r.status} {r.url}") if r.status >= 500 else None
    )
    window.on("console", lambda m: broken.append(m.text) if "Content Security" in m.text else None)
    window.on("pageerror", lambda error: broken.append(str(error)))
    window.scripted = request.param == "with javascript"
    yield window
    context.close()
    assert broken == []


def code_in(site) -> str:
    site.work()
    text = site.mails(ZOE)[-1].get_body(("plain",)).get_content()
    found = re.search(r"^(\d{6})\s*$", text, re.MULTILINE)
    assert found
    return found[1]


def test_from_the_form_to_the_calendar_with_a_code(page, site):
    page.goto("/")
    # S1, S2: one field is needed, and what happens stands above the button.
    assert page.locator("#join :required").count() == 1
    assert "(optional)" in page.inner_text("label[for=first_name]")
    above = page.inner_text("main").partition("Send me lesson 1")[0]
    for said in ("3 free lessons by email", "5 to 20 minutes each", "Sent at 07:00", "The Writing"):
        assert said in above
    # S4, S5: the closed line states the choice, and the dates are shown before anything is saved.
    assert page.locator("#pace").get_attribute("open") is None
    zone = "Kolkata time" if page.scripted else "Berlin time"
    assert zone in page.inner_text("summary")
    page.click("summary")
    page.select_option("#timezone", "Asia/Kolkata")
    page.select_option("#days", "weekdays")
    page.select_option("#hour", "06:30")
    if page.scripted:
        assert not page.is_visible("#show-dates")
    else:
        page.click("#show-dates")
    page.wait_for_selector("#dates >> text=tomorrow, Tuesday, at 06:30")
    line = page.inner_text("summary")
    assert line.startswith("Sent at 06:30, Kolkata time, Monday to Friday")
    assert site.run_of(ZOE) is None
    # The Enter key sends the form, whatever button stands first in it.
    page.fill("#email", ZOE)
    page.press("#email", "Enter")
    page.wait_for_url("**/check-inbox")
    # C3: the code, here wrong at first.
    code = code_in(site)
    page.fill("#code", "000 000" if code != "000000" else "111 111")
    page.press("#code", "Enter")
    assert page.title().startswith("Error: ")
    assert page.locator("[role=alert]").count() == 1
    page.fill("#code", f"{code[:3]} {code[3:]}")
    page.click("role=button[name=Confirm]")
    # C6: when lesson 1 comes, read it now, the calendar, the sender.
    page.wait_for_url("**/welcome")
    assert page.inner_text("h1") == "You are in."
    said = page.inner_text("main")
    assert "Lesson 1 is on its way; lesson 2 comes tomorrow, Tuesday, at 06:30 (Kolkata" in said
    assert "Add hello@course.example to your contacts" in said
    with page.expect_download() as calendar:
        page.click("text=Hold 15 minutes in my calendar")
    assert "BEGIN:VEVENT" in calendar.value.path().read_text(encoding="utf-8")
    page.click("text=Read lesson 1 now")
    assert page.inner_text("h1") == "Short sentences"
    assert site.run_of(ZOE).state is EnrollmentState.ACTIVE


def test_a_form_on_another_site_ends_on_that_site(chromium, site):
    """Only a browser shows whether our own policy lets it go there."""
    hosts = site.settings.signup.model_copy(update={"return_hosts": ("www.example.org",)})
    object.__setattr__(site.settings, "signup", hosts)
    context = chromium.new_context()
    window = context.new_page()
    action = f"{site.settings.base_url}/courses/{COURSE}/signup"
    pages = {
        "https://www.example.org/": (
            f'<form method="post" action="{action}"><input name="email" value="{ZOE}">'
            '<input name="return_to" value="https://www.example.org/thanks"><button>Go</button>'
        ),
        "https://www.example.org/thanks": "<h1>Thank you</h1>",
    }
    window.route(
        "https://www.example.org/**",
        lambda route: route.fulfill(body=pages[route.request.url], content_type="text/html"),
    )
    window.goto("https://www.example.org/")
    window.click("text=Go")
    assert "press the button once more" in window.inner_text("main")
    window.click("text=Send me lesson 1")
    window.wait_for_url("https://www.example.org/thanks", timeout=5_000)
    assert window.inner_text("h1") == "Thank you"
    # The mail can still be answered with its code, on our page.
    window.goto(f"{site.settings.base_url}/check-inbox")
    window.fill("#code", code_in(site))
    window.click("role=button[name=Confirm]")
    assert window.inner_text("h1") == "You are in."
    context.close()


def test_the_dates_come_back_by_button_when_the_network_fails(chromium, site):
    context = chromium.new_context(base_url=site.settings.base_url)
    window = context.new_page()
    window.route("**/dates?*", lambda route: route.abort())
    window.goto("/")
    window.click("summary")
    window.select_option("#hour", "06:30")
    window.wait_for_selector("#show-dates", state="visible")
    window.click("#show-dates")
    assert "tomorrow, Tuesday, at 06:30" in window.inner_text("#dates")
    site.clock.advance(timedelta(seconds=5))
    context.close()
