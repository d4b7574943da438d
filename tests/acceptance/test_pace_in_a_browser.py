"""The settings page in a real browser: hour, breaks and once more, with JavaScript and without."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from scheduler.domain.enrollment import EnrollmentState


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(request, chromium, site):
    """A window that fails the test when a page breaks or its policy is not kept."""
    context = chromium.new_context(
        java_script_enabled=request.param, base_url=site.settings.base_url,
        viewport={"width": 320, "height": 700},
    )  # fmt: skip
    window = context.new_page()
    window.has_scripts = request.param
    broken: list[str] = []
    window.on("response", lambda r: broken.append(r.url) if r.status >= 400 else None)
    window.on("console", lambda m: broken.append(m.text) if m.type == "error" else None)
    yield window
    context.close()
    assert broken == []


def test_p2_p3_p4_dates_first_then_a_break_and_the_last_lesson_once_more(page, site):
    run = site.join()
    site.work()
    page.goto(site.links.manage(run))

    # P2: the dates of a pace are seen before it is saved, and are the saved ones.
    page.uncheck("input[value=tue]")
    page.select_option("#hour", "18:30")
    if page.has_scripts:
        assert page.is_hidden("text=Show the dates first")
    else:
        page.click("text=Show the dates first")
    page.wait_for_selector("#dates >> text=Lesson 2: Wednesday at 18:30")
    assert site.run(run).cadence.hour.hour == 7
    page.fill("#first_name", "Zoë")
    page.click("button:text-is('Save')")
    assert "Saved. Lesson 2 comes Wednesday at 18:30 (Berlin time)." in page.inner_text("main")
    assert page.input_value("#first_name") == "Zoë"
    page.select_option("#language", "de")
    page.click("button:text-is('Save')")
    assert "Lektion 2 kommt am Mittwoch um 18:30 Uhr" in page.inner_text("main")
    page.select_option("#language", "en")
    page.click("button:text-is('Speichern')")

    # P3: a break until a day, and its end.
    page.fill("#until", "2026-12-05")
    page.click("text=Pause until then")
    said = page.inner_text("main")
    assert "It goes on Saturday, 5 December." in said
    assert "Nothing is lost." in said
    if page.has_scripts:
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert Axe().run(page).response["violations"] == []
    page.click("text=Resume now")
    assert "Good to have you back." in page.inner_text("main")

    # P4: past a lesson, where the author allows it; once more, and over.
    outline = site.catalog.folder / "clear-writing" / "course.yaml"
    outline.write_text(outline.read_text("utf-8") + "\nskip: yes\n", "utf-8")
    site.catalog.refresh()
    page.reload()
    page.click("text=Skip lesson 2")
    assert "Lesson 3 comes" in page.inner_text("main")
    page.click("text=Send me lesson 1 again")
    assert "Lesson 1 comes to your inbox once more." in page.inner_text("main")
    page.click("text=Start the course over")
    page.click("text=Start over with lesson 1")
    assert "A new round begins." in page.inner_text("main")
    newest = site.run_of("zoe@example.com")
    assert (newest.round, newest.state) == (2, EnrollmentState.ACTIVE)
