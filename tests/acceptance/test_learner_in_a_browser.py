"""A learner's whole way in a real browser, without JavaScript; and how the pages look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe

from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import ledger
from tests.little_school import COURSE


@dataclass
class Morning:
    began_at: datetime
    ended_at: datetime
    sent: int


@pytest.fixture
def page(chromium, site):
    """A window without JavaScript that fails the test when a page of ours is broken."""
    context = chromium.new_context(java_script_enabled=False, base_url=site.settings.base_url)
    window = context.new_page()
    broken: list[str] = []
    window.on(
        "response", lambda r: broken.append(f"{r.status} {r.url}") if r.status >= 500 else None
    )
    window.on("console", lambda m: broken.append(m.text) if "Content Security" in m.text else None)
    yield window
    context.close()
    assert broken == []


EVERY_RULE = {"resultTypes": ["violations"]}
# What a width or a colour scheme alone can change.
RULES_OF_LOOKS = EVERY_RULE | {"runOnly": ["color-contrast", "target-size", "link-in-text-block"]}
LOOKS = [
    (320, "light", EVERY_RULE),
    (320, "dark", RULES_OF_LOOKS),
    (1280, "light", RULES_OF_LOOKS),
    (1280, "dark", EVERY_RULE),
]


def say(page) -> str:
    return page.inner_text("main")


def test_from_the_first_visit_to_the_last_lesson_without_javascript(page, site):
    site.next_morning = lambda: _morning(site)
    page.goto("/")
    page.click("text=Read lesson 1 first")
    assert page.inner_text("h1") == "Short sentences"
    page.click("text=Send me the course")
    page.fill("#email", "zoe@@example")
    page.click("text=Send me lesson 1")
    assert page.title().startswith("Error: ")
    page.click("role=alert >> a")
    page.fill("#email", "zoe@example.com")
    page.fill("#first_name", "Zoë")
    page.click("summary")
    page.select_option("#timezone", "Asia/Kolkata")
    page.select_option("#hour", "06:30")
    page.click("text=Send me lesson 1")
    assert page.inner_text("h1") == "Check your inbox"

    site.work()
    page.click("text=Open the outbox of this demo")
    page.click("text=Please confirm")
    page.frame_locator("iframe").locator("text=Yes, send me the course").click()
    page.wait_for_url("**/welcome")
    assert page.inner_text("h1") == "You are in."
    assert "lesson 2 comes tomorrow, Tuesday, at 06:30 (Kolkata time)" in say(page)

    site.work()
    page.goto("/outbox")
    page.click("text=Next morning")
    assert "A new morning." in say(page)
    page.click("text=Plain words >> nth=0")
    page.frame_locator("iframe").locator("text=Read online").click()
    page.wait_for_url("**/read/**")
    assert "Hello Zoë" in page.inner_text("body")

    run = site.run_of("zoe@example.com")
    page.goto(site.links.learn(run.id))
    assert "1 of 4 done" in say(page)
    page.click("text=Change the hour, pause or stop")
    page.uncheck("text=Sat")
    page.select_option("#hour", "20:00")
    page.click("text=Save")
    assert "Saved. Lesson 3 comes tomorrow, Wednesday, at 20:00 (Kolkata time)." in say(page)
    page.click("text=1 week")
    assert "Nothing is lost." in say(page)
    page.click("text=Resume now")
    page.click("text=Send me lesson 3 now")
    site.work()
    assert site.run(run.id).state is EnrollmentState.COMPLETED


def test_leaving_takes_one_click_and_undo_another(page, site):
    run = site.join()
    site.work()
    page.goto("/outbox")
    page.click("text=Short sentences >> nth=0")
    page.frame_locator("iframe").locator("a[href*='/leave/']").first.click()
    page.wait_for_url("**/leave/**")
    page.get_by_role("button", name="Unsubscribe").click()
    assert page.inner_text("h1") == "Done."
    assert site.run(run).state is EnrollmentState.STOPPED
    page.click("text=Undo")
    assert page.inner_text("h1") == "Welcome back."
    assert site.run(run).state is EnrollmentState.ACTIVE


def test_another_address_is_asked_in_its_own_mailbox(page, site):
    run = site.join()
    site.work()
    page.goto(site.links.manage(run))
    page.fill("#email", "zoe@example.net")
    page.click("text=Send a mail there")
    assert "Until then everything comes to z••@example.com" in say(page)
    site.work()
    page.goto("/outbox")
    page.click("text=Please confirm your new address")
    page.frame_locator("iframe").locator("text=Yes, send it here").click()
    page.wait_for_url("**/address/**")
    page.get_by_role("button", name="Yes, send it here").click()
    assert "Everything comes to z••@example.net." in say(page)
    site.work()
    page.goto("/outbox")
    page.click("text=Your address was changed")
    page.frame_locator("iframe").locator("text=It was not me").last.click()
    page.wait_for_url("**/address/**")
    page.get_by_role("button", name="Send it here again").click()
    assert "Everything comes to z••@example.com." in say(page)


def test_a_typo_is_answered_with_two_buttons(page, site):
    page.goto("/")
    page.fill("#email", "zoe@gmial.com")
    page.click("text=Send me lesson 1")
    page.click("text=Use zoe@gmail.com")
    assert "zoe@gmail.com" in say(page)
    assert page.inner_text("h1") == "Check your inbox"


@pytest.mark.parametrize(
    ("zone", "said", "kept"),
    [
        ("America/New_York", "New York time", "America/New_York"),
        ("Asia/Calcutta", "Kolkata time", "Asia/Kolkata"),
    ],
)
def test_with_javascript_the_visitors_own_zone_is_filled_in(chromium, site, zone, said, kept):
    context = chromium.new_context(base_url=site.settings.base_url, timezone_id=zone)
    page = context.new_page()
    page.goto("/")
    assert said in page.inner_text("summary")
    page.fill("#email", "zoe@example.com")
    page.click("text=Send me lesson 1")
    assert page.inner_text("h1") == "Check your inbox"
    assert site.run_of("zoe@example.com").timezone == kept
    context.close()


def test_with_javascript_the_closed_line_says_what_is_chosen(chromium, site):
    context = chromium.new_context(base_url=site.settings.base_url, timezone_id="Asia/Calcutta")
    page = context.new_page()
    page.goto("/")
    page.click("summary")
    page.select_option("#hour", "18:30")
    page.select_option("#days", "weekdays")
    page.select_option("#timezone", "America/Argentina/Buenos_Aires")
    page.click("summary")
    line = page.inner_text("summary")
    assert line.startswith("Sent at 18:30, Buenos Aires time, Monday to Friday")
    page.fill("#email", "zoe@example.com")
    page.click("text=Send me lesson 1")
    page.goto("/")
    assert page.inner_text("summary").startswith("Sent at 07:00, Kolkata time, every day")
    context.close()


def test_a_zone_chosen_by_hand_survives_an_error(chromium, site):
    context = chromium.new_context(base_url=site.settings.base_url, timezone_id="America/New_York")
    page = context.new_page()
    page.goto("/")
    page.click("summary")
    page.select_option("#timezone", "Asia/Tokyo")
    page.fill("#email", "zoe@@")
    page.click("text=Send me lesson 1")
    assert "Tokyo time" in page.inner_text("summary")
    assert page.evaluate("document.activeElement.id") == "problems"
    context.close()


# -- how the pages look ------------------------------------------------------------------------


@pytest.fixture
def pages(site) -> dict[str, str]:
    """One address of every kind of page a learner or the office sees."""
    pending = site.sign_up("pia@example.com")
    run = site.join(first_name="Zoë", timezone="Asia/Kolkata")
    paused = site.join("paul@example.com")
    site.work()
    site.enrolling.ask_to_move(run, "zoe@example.net")
    site.enrolling.pause(paused, consent=_agreed("pause"))
    with site.db.read() as tx:
        sent = next(d.id for d in ledger.deliveries_of(tx, run) if d.kind == "lesson")
        asked = next(d.id for d in ledger.deliveries_of(tx, run) if d.key == "@address")
    mail = min(site.outbox.glob("*.eml")).name
    links = site.links
    return {
        "front": "/",
        "sample": f"/courses/{COURSE}/lessons/1",
        "inbox": "/check-inbox",
        "confirm": links.confirm(pending),
        "already": links.confirm(run),
        "welcome": links.confirm(run) + "/welcome",
        "learn": links.learn(run),
        "manage": links.manage(run),
        "manage paused": links.manage(paused),
        "address": links.address(asked),
        "leave": links.leave(run),
        "data": links.manage(run) + "/data",
        "lost": "/lost",
        "lost sent": "/lost?did=sent",
        "done": links.done(sent),
        "read": links.read(sent),
        "trouble": "/confirm/cut-off",
        "nothing": "/nothing",
        "outbox": "/outbox",
        "mail": f"/outbox/{mail}",
        "enter": links.admin_enter("for-looking"),
        "today": "/admin/",
        "learners": "/admin/learners",
        "learner": f"/admin/learners/{site.run(run).learner_id}",
    }


def test_no_page_shuts_anybody_out_or_scrolls_sideways(chromium, site, pages):
    context = chromium.new_context(base_url=site.settings.base_url)
    page = context.new_page()
    page.goto(site.links.admin_enter("for-the-office"))
    page.click("text=Enter")
    axe = Axe()
    found: list[str] = []

    def look(name: str) -> None:
        page.wait_for_load_state()
        page.evaluate(axe.axe_script)
        for width, scheme, options in LOOKS:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                found.append(f"{name}: scrolls sideways, {wide} px")
            for fault in page.evaluate("options => axe.run(options)", options)["violations"]:
                nodes = [node["html"][:120] for node in fault["nodes"][:3]]
                found.append(f"{name} ({width} px, {scheme}): {fault['id']}: {nodes}")

    for name, path in pages.items():
        page.goto(path)
        look(name)
    page.goto("/")
    page.click("summary")
    look("pace opened")
    page.fill("#email", "zoe@@")
    page.click("text=Send me lesson 1")
    look("error")
    page.fill("#email", "zoe@gmial.com")
    page.click("text=Send me lesson 1")
    look("suggestion")
    for typed in ("zoe@", "zoe@gmial.com"):
        page.goto(pages["manage"])
        page.fill("#email", typed)
        page.click("text=Send a mail there")
        look(f"another address: {typed}")
    page.goto(pages["address"])
    page.click("text=Yes, send it here")
    look("moved")
    page.goto(pages["leave"])
    page.get_by_role("button", name="Unsubscribe").click()
    look("left")
    context.close()
    assert found == []


def test_at_200_per_cent_text_nothing_is_cut_off(chromium, site, pages):
    context = chromium.new_context(
        base_url=site.settings.base_url,
        viewport={"width": 640, "height": 800},  # 1280 px at 200 %
        device_scale_factor=2,
    )
    page = context.new_page()
    for name, path in pages.items():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 640, name
    context.close()


def test_the_form_can_be_filled_in_by_keyboard_alone(chromium, site):
    context = chromium.new_context(base_url=site.settings.base_url)
    page = context.new_page()
    page.goto("/")
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("document.activeElement.id || document.activeElement.innerText.trim()")
        )
        if seen[-1] == "email":
            page.keyboard.type("zoe@example.com")
        if seen[-1] == "Send me lesson 1":
            ring = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert ring == "3px"
            page.keyboard.press("Enter")
            break
    assert seen[0] == "Skip to the content"
    assert "lantern" not in seen
    page.wait_for_url("**/check-inbox")
    context.close()


def _morning(site) -> Morning:
    began = site.clock.now()
    site.pass_time(timedelta(days=1))
    return Morning(began, site.clock.now(), 1)


def _agreed(action: str):
    from tests.little_school import agreed

    return agreed(action)
