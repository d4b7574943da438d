"""The certificate in a real browser: one page of paper, readable by everybody, in any script."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.little_school import agreed

NAMES = {
    "ordinary": "Zoë Fischer",
    "right to left": "محمد بن عبد الرحمن الخوارزمي",
    "very long": "Wilhelmina Donaudampfschifffahrtsgesellschaftskapitänswitwe von und zu "
    "Hohenlohe-Waldenburg-Schillingsfürst",
    "without a gap": "x" * 120,
    "wide": "日本語" * 40,
}
PAPERS = ("A4", "Letter")


@pytest.fixture
def earned(site) -> int:
    """Somebody who has done all there is to do."""
    run = site.join(first_name="Zoë")
    send_all(site, run, 3)
    for lesson in site.catalog.course(site.run(run).course).syllabus.lessons:
        site.enrolling.mark_done(run, lesson.key)
    return run


def send_all(site, run: int, lessons: int) -> None:
    site.work()
    for _ in range(lessons - 1):
        site.enrolling.next_now(run, agreed("next"))
        site.work()


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def test_a_certificate_is_made_shown_and_printed_on_one_page(chromium, site, earned):
    context = chromium.new_context(base_url=site.settings.base_url)
    page = context.new_page()
    broken: list[str] = []
    page.on("console", lambda m: broken.append(m.text) if m.type == "error" else None)

    page.goto(site.links.learn(earned) + "/certificate")
    assert_accessible(page)
    page.fill("#name", NAMES["right to left"])
    page.click("text=Make my certificate")
    assert_accessible(page)
    address = page.inner_text(".to-copy")
    assert address == site.links.certificate(earned)
    page.click(".to-copy")
    assert page.evaluate("getSelection().toString()") == address
    page.click("text=Look at it, and print it")
    assert page.inner_text("h1") == NAMES["right to left"]
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).direction") == "rtl"
    page.evaluate("window.print = () => { window.asked = true }")
    page.click("text=Print, or save as PDF")
    assert page.evaluate("window.asked")

    for name in NAMES.values():
        site.enrolling.name_certificate(earned, name)
        page.emulate_media(media="screen", color_scheme="light")
        page.set_viewport_size({"width": 320, "height": 800})
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, name[:20]
        if name in (NAMES["ordinary"], NAMES["wide"]):
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert_accessible(page)
        page.emulate_media(media="print")
        for paper in PAPERS:
            pdf = page.pdf(format=paper)
            assert pages_of(pdf) == 1, f"{paper}: {name[:20]}"
    page.set_viewport_size({"width": 1280, "height": 900})
    assert_accessible(page)
    assert broken == []
    context.close()


def test_a_long_course_still_fits_on_one_page_and_needs_no_script(chromium, site):
    folder = site.catalog.folder / "clear-writing"
    text = (folder / "1-short-sentences.md").read_text(encoding="utf-8")
    for number in range(4, 25):
        wordy = f"Lesson {number} " + "with a title that is rather long for what it says " * 3
        (folder / f"{number}-l{number}.md").write_text(
            text.replace("title: Short sentences", f"title: {wordy}"), encoding="utf-8"
        )
    site.catalog.refresh()
    run = site.join()
    send_all(site, run, 24)
    for lesson in site.catalog.course("clear-writing").syllabus.lessons:
        site.enrolling.mark_done(run, lesson.key)
    site.enrolling.name_certificate(run, NAMES["very long"])
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.links.certificate(run))
    assert "24 actions done" in page.inner_text("main")
    assert not page.is_visible("[data-print]")
    assert page.locator(".certificate-deeds li").count() == 24
    for paper in PAPERS:
        assert pages_of(page.pdf(format=paper)) == 1, paper
    context.close()


def assert_accessible(page) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
