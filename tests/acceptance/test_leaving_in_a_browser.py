"""The way out in a real browser, with JavaScript and without: one press, an undo, no questions."""

from __future__ import annotations

import json

import pytest

from scheduler.domain.enrollment import EnrollmentState

SMALL_PHONE = {"width": 320, "height": 640}


@pytest.fixture(params=[False, True], ids=["without javascript", "with javascript"])
def page(request, chromium, site):
    context = chromium.new_context(
        java_script_enabled=request.param, base_url=site.settings.base_url, viewport=SMALL_PHONE
    )
    yield context.new_page()
    context.close()


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def area(page, name: str) -> float:
    box = button(page, name).bounding_box()
    return box["width"] * box["height"]


def test_one_press_ends_it_and_what_follows_is_a_choice(page, site):
    run = site.join()
    site.work()
    page.goto(site.links.leave(run))

    # The first button a keyboard reaches, and the largest; all of it before any scrolling.
    buttons = page.locator("main button").all_inner_texts()
    assert buttons == ["Unsubscribe", "Pause for a week instead", "Leave everything"]
    largest = max(buttons, key=lambda name: area(page, name))
    assert largest == "Unsubscribe"
    box = button(page, "Pause for a week instead").bounding_box()
    assert box["y"] + box["height"] <= SMALL_PHONE["height"]
    assert page.locator("main input:visible").count() == 0

    button(page, "Unsubscribe").click()
    assert page.inner_text("h1") == "Done."
    assert "z••@example.com gets nothing more from" in page.inner_text("main")
    assert site.run(run).state is EnrollmentState.STOPPED
    undo = button(page, "Undo").bounding_box()
    assert undo["y"] < button(page, "Too often").bounding_box()["y"]

    button(page, "Too long").click()
    assert page.inner_text("h1") == "Thank you."
    button(page, "Undo").click()
    assert page.inner_text("h1") == "Welcome back."
    assert site.run(run).state is EnrollmentState.ACTIVE

    page.goto(site.links.leave(run))
    button(page, "Pause for a week instead").click()
    assert page.inner_text("h1") == "Paused."
    page.goto(site.links.leave(run))
    button(page, "Leave everything").click()
    assert "from any course here" in page.inner_text("main")
    button(page, "Undo").click()
    assert site.run(run).state is EnrollmentState.PAUSED

    page.goto(f"{site.links.manage(run)}/data")
    with page.expect_download() as file:
        page.get_by_role("link", name="Download my data").click()
    assert file.value.suggested_filename == "my-course-data-2026-11-23.json"
    held = json.loads(file.value.path().read_text("utf-8"))
    assert held["learner"]["address"] == "zoe@example.com"
    button(page, "Delete everything").click()
    assert page.title().startswith("Error: ")
    page.get_by_label("To delete everything").fill("delete")
    button(page, "Delete everything").click()
    assert page.inner_text("h1") == "Everything is deleted."
    assert site.run_of("zoe@example.com") is None
