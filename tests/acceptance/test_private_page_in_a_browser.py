"""The private page as its reader meets it: with and without JavaScript, by keyboard, in print."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe

from scheduler.store import ledger, notes, ticks, visits
from tests.private_page import CHECKLIST, NOTES, rewrite

EVERY_RULE = {"resultTypes": ["violations"]}
RULES_OF_LOOKS = EVERY_RULE | {"runOnly": ["color-contrast", "target-size", "link-in-text-block"]}
LOOKS = [
    (320, "light", EVERY_RULE),
    (320, "dark", RULES_OF_LOOKS),
    (1280, "light", RULES_OF_LOOKS),
    (1280, "dark", EVERY_RULE),
]


@pytest.fixture
def run(site) -> int:
    rewrite(site, 1, CHECKLIST)
    rewrite(site, 2, CHECKLIST + NOTES)
    number = site.join(first_name="Zoë")
    site.work()
    site.pass_time(timedelta(days=1))
    return number


def ticked(site, run: int) -> set[tuple[str, str]]:
    with site.db.read() as tx:
        return {(tick.lesson_key, tick.item) for tick in ticks.ticks_of(tx, run)}


def written(site, run: int) -> dict[str, str]:
    with site.db.read() as tx:
        return {note.item: note.text for note in notes.notes_of(tx, run)}


def kept(page, form: str) -> None:
    page.locator(f"{form} .saved", has_text="Saved.").wait_for()


def test_without_javascript_one_button_saves_and_the_answers_are_checked(chromium, site, run):
    context = chromium.new_context(java_script_enabled=False, base_url=site.settings.base_url)
    page = context.new_page()
    page.goto(site.links.learn(run))
    today = page.locator(".today")
    today.get_by_label("I did it").check()
    today.get_by_label("Count your words.").check()
    today.locator(".steps").get_by_role("button", name="Save").click()
    kept(page, ".today .steps")
    assert {item for _, item in ticked(site, run)} >= {"action"}
    assert len(ticked(site, run)) == 2
    today.get_by_role("button", name="Confusing").click()
    assert "You said it was confusing." in today.inner_text()
    today.get_by_label("Count your words.").press("Enter")  # Enter saves, and says nothing else
    assert "You said it was confusing." in today.inner_text()
    today.get_by_label("First line").fill("If it is Monday, then I cut.")
    today.get_by_label("By").fill("2026-12-24")
    today.locator(".notes").get_by_role("button", name="Save").click()
    kept(page, ".notes")
    page.click("text=Print it")
    assert "By Thursday, 24 December" in page.inner_text("main")
    page.click("text=Write on your page")
    # A link into a lesson that is folded up opens it.
    page.goto(f"{site.links.learn(run)}#lesson-short-sentences")
    page.locator("#lesson-short-sentences").get_by_label("I did it").check()
    page.locator("#lesson-short-sentences").get_by_role("button", name="Save").click()
    assert "3 of 4 done" in page.inner_text("main")
    page.locator(".today").get_by_role("link", name="Check yourself").click()
    page.get_by_label("b) two").check()
    page.get_by_role("button", name="Check my answers").click()
    assert "Not this one. The answer is a) one" in page.inner_text("main")
    assert page.url.endswith("?q1=2#answers")
    with site.db.read() as tx:
        assert visits.visited_at(tx, run) is not None
    context.close()


def test_with_javascript_all_is_saved_as_one_goes_and_a_failure_loses_nothing(chromium, site, run):
    context = chromium.new_context(base_url=site.settings.base_url)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(m.text) if "Content Security" in m.text else None)
    with page.expect_response("**/here") as visit:
        page.goto(site.links.learn(run))
    assert visit.value.status == 204
    today = page.locator(".today")
    assert not today.get_by_role("button", name="Save").is_visible()
    with page.expect_response("**/ticks/plain-words") as saved:
        today.get_by_label("I did it").check()
    assert saved.value.status == 204
    page.locator("#progress", has_text="2 of 4 done").wait_for()
    today.get_by_text("Was it clear?").wait_for()
    with page.expect_response("**/ticks/plain-words"):
        today.get_by_label("I did it").uncheck()
    page.locator("#progress", has_text="1 of 4 done").wait_for()
    assert ticked(site, run) == set()

    # The line is cut: it says so, and the next tick takes the lost one along.
    page.route("**/ticks/**", lambda route: route.abort())
    today.get_by_label("Count your words.").check()
    today.get_by_text("Not saved. Your ticks are still here").wait_for()
    assert today.locator(".steps").get_by_role("button", name="Save").is_visible()
    page.unroute("**/ticks/**")
    with page.expect_response("**/ticks/plain-words"):
        today.get_by_label("Thank a reader.").check()
    today.locator(".steps .acts button").wait_for(state="hidden")
    assert len(ticked(site, run)) == 2
    # An answer that got lost on its way back: what was ticked can still be taken back.
    page.route("**/ticks/**", lambda route: (route.fetch(), route.abort()))
    today.get_by_label("I did it").check()
    today.get_by_text("Not saved. Your ticks are still here").wait_for()
    assert ("plain-words", "action") in ticked(site, run)
    page.unroute("**/ticks/**")
    with page.expect_response("**/ticks/plain-words"):
        today.get_by_label("I did it").uncheck()
    today.locator(".steps .acts button").wait_for(state="hidden")
    assert ("plain-words", "action") not in ticked(site, run)

    page.route("**/notes/**", lambda route: route.abort())
    today.get_by_label("First line").fill("If it rains")
    today.get_by_text("Not saved. What you wrote is still here").wait_for()
    page.unroute("**/notes/**")
    today.locator(".notes").get_by_role("button", name="Save").click()
    kept(page, ".notes")
    with page.expect_response("**/notes/plain-words"):
        today.get_by_label("First line").press_sequentially(", then I read.")
        today.get_by_label("Second line").focus()
    kept(page, ".notes")
    page.reload()
    assert today.get_by_label("First line").input_value() == written(site, run)["line-1"]
    assert wrong == []
    context.close()


def test_nobody_is_shut_out_and_paper_shows_it_all(chromium, site, run):
    context = chromium.new_context(base_url=site.settings.base_url)
    page = context.new_page()
    axe = Axe()
    found: list[str] = []

    def look(name: str) -> None:
        page.wait_for_load_state()
        page.evaluate(axe.axe_script)
        for width, scheme, options in LOOKS:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{name} scrolls sideways at {width} px")
            for fault in page.evaluate("options => axe.run(options)", options)["violations"]:
                nodes = [node["html"][:120] for node in fault["nodes"][:3]]
                found.append(f"{name} ({width} px, {scheme}): {fault['id']}: {nodes}")
        page.set_viewport_size({"width": 640, "height": 800})  # 1280 px at 200 %
        if page.evaluate("document.documentElement.scrollWidth") > 640:
            found.append(f"{name} scrolls sideways at 200 %")

    own = site.links.learn(run)
    site.enrolling.mark_done(run, "plain-words")
    page.goto(f"{own}#lesson-short-sentences")
    look("own page")
    # By keyboard alone: space ticks, and it is kept.
    box = page.locator("#lesson-short-sentences").get_by_label("Count your words.")
    box.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert box.evaluate("box => box.matches(':focus-visible')")
    with page.expect_response("**/ticks/short-sentences"):
        page.keyboard.press("Space")
    page.locator("#side-short-sentences", has_text="1 of 4 ticked").wait_for()
    with site.db.read() as tx:
        sent = next(d.id for d in ledger.deliveries_of(tx, run) if d.key == "plain-words")
    with page.expect_response("**/here") as visit:
        page.goto(f"{site.links.read(sent)}?q1=2")
    assert visit.value.status == 204
    look("read online, answered")
    page.goto(f"{own}/plan")
    look("plan")
    page.goto(own)
    page.locator(".notes textarea").first.fill("x" * 2001)
    page.evaluate("document.querySelector('.notes').submit()")
    page.wait_for_selector("#problems")
    assert page.evaluate("document.activeElement.id") == "problems"
    look("too long a note")
    page.goto(own)
    page.emulate_media(media="print")
    assert page.locator(".today .todo").first.is_visible()
    assert not page.locator(".today .acts").first.is_visible()
    context.close()
    assert found == []
