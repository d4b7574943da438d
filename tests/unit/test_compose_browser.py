"""The mails in a real browser: nothing overflows, nothing is unreadable, nothing is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mailroom import EVERY_MAIL, body, claimed, composed, composer, plant, whole_school

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

LONG = (
    "# A lesson with long things in it\n\n" + "Donaudampfschifffahrtsgesellschaft" * 4 + "\n\n"
    "https://example.org/" + "path/" * 30 + "\n\n```\n" + "x = 1; " * 20 + "\n```\n\n"
    "| one | two | three | four |\n|---|---|---|---|\n| aaaa | bbbbb | ccccc | ddddd |\n"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    school = composer(plant(tmp_path_factory.mktemp("school"), **{"4-long": LONG}))
    found = {}
    for key in (
        "bed",
        "sow",
        "grow",
        "long",
        "@welcome",
        "@confirm",
        "@links",
        "@address",
        "@moved",
        "@taken",
    ):
        found[key] = body(composed(school, claimed(key, name="Wilhelmina-Charlotte")), "html")
    shipped = composer(whole_school(tmp_path_factory.mktemp("shipped")))
    found["deeds"] = body(composed(shipped, claimed("career-mobility/@completed")), "html")
    arabic = plant(tmp_path_factory.mktemp("rtl"), course="title: حديقة\nlanguage: ar\n")
    found["rtl"] = body(composed(composer(arabic), claimed("bed")), "html")
    one = claimed("bed")
    found["online"] = school.read_online(school.document(composed(school, one).version), one)
    return found


KEYS = [
    "bed",
    "sow",
    "grow",
    "long",
    "@welcome",
    "@confirm",
    "@links",
    "@address",
    "@moved",
    "@taken",
    "deeds",
    "rtl",
    "online",
]


@pytest.mark.parametrize("key", KEYS)
def test_r20_nothing_overflows_with_styles_or_without(
    chromium: playwright.Browser, pages: dict[str, str], key: str
) -> None:
    html = pages[key]
    bare = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    naked = re.sub(r' style="[^"]*"', "", bare)
    # Code is never broken without a style that allows it: authors are warned above 60 columns.
    naked = re.sub(r"<pre.*?</pre>", "", naked, flags=re.DOTALL) if key != "long" else bare
    page = chromium.new_page()
    for source in (html, bare, naked) if key != "online" else (html,):
        page.set_content(source)
        for width in (320, 700):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (key, width)
    page.close()


@pytest.mark.parametrize("key", KEYS)
def test_x9_axe_finds_nothing_serious(
    chromium: playwright.Browser, pages: dict[str, str], key: str
) -> None:
    page = chromium.new_page(viewport={"width": 375, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(pages[key])
    page.evaluate(axe.Axe().axe_script)
    # The other scheme changes colours and nothing else.
    for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)
        options = {"resultTypes": ["violations"], **rules}
        found = page.evaluate("options => axe.run(options)", options)["violations"]
        serious = {v["id"]: [n["html"][:120] for n in v["nodes"]] for v in found
                   if v["impact"] in ("critical", "serious")
                   or v["id"] in ("image-alt", "color-contrast", "html-has-lang", "link-name",
                                  "heading-order")}  # fmt: skip
        assert serious == {}, scheme
    page.close()
    assert [url for url in asked if not url.startswith(("data:", "about:"))] == []


def test_x7_the_main_button_is_44_high_and_in_dark_mode_too(
    chromium: playwright.Browser, pages: dict[str, str]
) -> None:
    for scheme in ("light", "dark"):
        page = chromium.new_page(viewport={"width": 320, "height": 800}, color_scheme=scheme)
        page.set_content(pages["bed"])
        box = page.get_by_role("link", name="I did it").bounding_box()
        assert box is not None
        assert box["height"] >= 44
        page.close()


def test_r20_x9_the_shipped_course_fits_and_can_be_read_by_everybody(
    chromium: playwright.Browser, tmp_path: Path
) -> None:
    school = composer(whole_school(tmp_path))
    page = chromium.new_page(viewport={"width": 320, "height": 800}, color_scheme="dark")
    for key in (key for key in EVERY_MAIL if "/" in key):
        page.set_content(body(composed(school, claimed(key)), "html"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, key
        page.evaluate(axe.Axe().axe_script)
        found = page.evaluate(
            "axe.run({runOnly: ['color-contrast', 'heading-order', 'image-alt', 'link-name', "
            "'list', 'listitem', 'aria-allowed-role', 'target-size'], resultTypes: ['violations']})"
        )
        assert [(v["id"], v["nodes"][0]["html"][:120]) for v in found["violations"]] == [], key
    page.close()
