"""Pages that run from right to left fit a phone, and none of their sentences was forgotten.

In a made-up language every translated sentence is in Arabic letters: what a reader still sees in
Latin ones went through no catalog.
"""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests import pseudo
from tests.little_browser import Browser
from tests.little_school import COURSE, LESSON, LETTER, OUTLINE, build

#: What the author, the operator and the learner wrote, and what is nobody's sentence.
CONTENT = sorted(
    {
        *re.findall(r"^ *(?:- |[\w-]+: )\"?(.{5,}?)\"?$", OUTLINE + LESSON + LETTER, re.MULTILINE),
        *("Three Days of Clear Writing", "Short sentences", "Plain words", "One more pass"),
        *("You are in", "You did it", "The Writing School", "1 High Street, Anytown"),
        *(
            "Clear Writing",
            "Cut",
            "one sentence in two.",
            "On sentences",
            "A. Writer",
            "UTC",
            "Zoë",
        ),
        *("English", "Deutsch", "Readers are busy.", "Give them one thing at a time."),
    },
    key=len,
    reverse=True,
)
ADDRESS = re.compile(r"https?://\S+|[\w.•+-]+@[\w.-]+")
LATIN = re.compile(r"[A-Za-zÀ-ÿ’'-]{3,}(?:[ ,]+[A-Za-z’'-]+)*")

#: Every text a reader sees or hears, with all that can be opened open.
SEEN = """() => {
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  const out = [document.title];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    const own = parent.closest("script, style, code, option, textarea, [lang=en]");
    if (!own && parent.checkVisibility()) out.push(walk.currentNode.data.trim());
  }
  for (const name of ["aria-label", "alt", "title", "placeholder", "label", "data-label"])
    document.querySelectorAll(`[${name}]`).forEach(one => { out.push(one.getAttribute(name)); });
  document.querySelectorAll("option:checked").forEach(one => { out.push(one.text.trim()); });
  return out.filter(text => text);
}"""


def forgotten(texts: list[str]) -> list[str]:
    """English that went through no catalog."""
    found = []
    for text in texts:
        left = ADDRESS.sub(" ", text)
        for known in CONTENT:
            left = left.replace(known, " ")
        found += LATIN.findall(left)
    return found


@pytest.fixture
def school(tmp_path):
    made = build(tmp_path, demo=True, templates=pseudo.templates_with_it(tmp_path))
    yield made
    made.close()


@pytest.fixture
def phone(chromium, school):
    """A window of a phone on the school, without a server between them."""
    browser = Browser(school)
    context = chromium.new_context(
        base_url="http://testserver", viewport={"width": 390, "height": 844}
    )

    def answer(route):
        asked = route.request
        parts = urlsplit(asked.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        got = browser.client.request(
            asked.method, path, content=asked.post_data_buffer,
            headers={k: v for k, v in asked.headers.items() if k in ("content-type", "accept")},
        )  # fmt: skip
        while got.is_redirect:
            got = browser.get(got.headers["location"])
        route.fulfill(
            status=got.status_code, body=got.content,
            headers={k: v for k, v in got.headers.items() if k != "content-length"},
        )  # fmt: skip

    context.set_default_timeout(5_000)
    context.route("**/*", answer)
    window = context.new_page()
    yield window
    context.close()


def looked_at(window, what: str) -> list[str]:
    """What is wrong with the page that is open."""
    wrong = []
    way = window.evaluate("[document.documentElement.lang, document.documentElement.dir]")
    if way != [pseudo.TAG, "rtl"]:
        wrong.append(f"{what}: {way}")
    seen = window.evaluate(SEEN)
    root = "document.documentElement"
    wide, fits = window.evaluate(f"[{root}.scrollWidth, {root}.clientWidth]")
    if wide > fits:
        wrong.append(f"{what}: {wide} px wide")
    if window.evaluate("getComputedStyle(document.querySelector('main')).direction") != "rtl":
        wrong.append(f"{what}: main runs the other way")
    return [*wrong, *(f"{what}: {text}" for text in forgotten(seen))]


@pytest.mark.browser
def test_every_page_of_a_learner_fits_a_phone_from_right_to_left_with_every_sentence_translated(
    phone, school
):
    address = "zoe@example.com"
    links = school.links
    wrong: list[str] = []

    def visit(path: str) -> None:
        phone.goto(path)
        wrong.extend(looked_at(phone, path.split("/")[1] or "front"))

    # A visitor, and a slip of the finger.
    visit(f"/?lang={pseudo.TAG}")
    for path in (f"/courses/{COURSE}/lessons/1", "/lost", "/no-such-page", "/learn/no-such-link"):
        visit(path)
    phone.goto("/")
    phone.fill("#email", "zoe@@example")
    phone.click("#join button.big")
    wrong += looked_at(phone, "complaint")
    school.clock.advance(timedelta(seconds=10))
    phone.fill("#email", address)
    phone.click("#join button.big")
    wrong += looked_at(phone, "check-inbox")
    # A learner: the mail knows the language of the form.
    school.work()
    (mail,) = school.mails(address)
    confirm = school.link(mail, "confirm")
    visit(confirm)  # in the browser that signed up it confirms at once
    other = school.sign_up("yan@example.org", language=pseudo.TAG)
    visit(school.link_path(links.confirm(other)))
    school.work()
    run = school.run_of(address)
    assert run is not None
    learn = school.link_path(links.learn(run.id))
    manage = school.link_path(links.manage(run.id))
    leave = school.link_path(links.leave(run.id))
    lesson = next(mail for mail in school.mails(address) if "/done/" in str(mail))
    done = school.link(lesson, "done")
    own = (f"{learn}/plan", f"{learn}/certificate", f"{manage}/data")
    for path in (confirm, learn, manage, *own, leave, done):
        visit(path)
    phone.click("main form button")
    wrong += looked_at(phone, "done afterwards")
    phone.goto(leave)
    phone.click("main button.big")
    wrong += looked_at(phone, "left")
    visit(learn)
    assert wrong == [], "\n".join(wrong)
