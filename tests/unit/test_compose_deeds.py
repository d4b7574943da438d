"""The letters at the end say what their learner has done: the same in every form, and safely."""

from __future__ import annotations

import html as html_library
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from course.catalog import Catalog
from course.compose import CourseComposer
from scheduler.domain.delivery import Claimed, Deeds
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.message import Message
from tests.mailroom import COURSE, MORNING, body, claimed, composed, composer, links_in, plant

DONE = """\
---
title: The end
preheader: What you have done in this garden, what is still open, and what comes after it.
show_done: true
---
You have had it all.

## Afterwards

Rest.
"""


LESSON = """\
---
title: The {name}
action: {{do: "Do the {name}.", leaves: "{leaves}"}}
---
Words about it.
"""
KEYS = ("bed", "sow", "grow")
LEAVES = ("A *dug* bed & a spade", "{{ course.title }} sown", "")


def school(folder: Path, form: Literal["raw", "parts"] = "raw", **files: str) -> CourseComposer:
    lessons = {
        f"{number}-{key}": LESSON.format(name=key, leaves=leaves)
        for number, (key, leaves) in enumerate(zip(KEYS, LEAVES, strict=True), 1)
    }
    return composer(plant(folder, **{**lessons, "completed": DONE, **files}), form)


def letter(done: int, *, skipped: tuple[str, ...] = (), key: str = "@completed") -> Claimed:
    """A letter at the end for somebody who has done the first so many of three actions."""
    one = claimed(key)
    deeds = Deeds(
        {name: MORNING - timedelta(days=3 - place) for place, name in enumerate(KEYS[:done])},
        frozenset(KEYS) - set(skipped),
        frozenset(skipped),
    )
    run = replace(one.enrollment, state=EnrollmentState.COMPLETED, completed_at=MORNING)
    return replace(one, enrollment=run, deeds=deeds)


def boxes(text: str) -> list[str]:
    return re.findall(r"^\[(.)\]", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("done", "skipped", "ticked", "summary"),
    [
        (0, (), "   ", "0 of 3 done"),
        (2, (), "xx ", "2 of 3 done"),
        (3, (), "xxx", "All done"),
        (2, ("grow",), "xx-", "All done"),
    ],
)
def test_the_letter_says_what_is_done_and_what_is_open(
    tmp_path: Path, done: int, skipped: tuple[str, ...], ticked: str, summary: str
) -> None:
    message = composed(school(tmp_path), letter(done, skipped=skipped))
    text, html = body(message, "plain"), body(message, "html")
    assert boxes(text) == list(ticked)
    assert summary in text
    assert summary in html
    assert html.count("☑") == ticked.count("x")
    assert text.count("still open\n") == html.count(">still open<") == ticked.count(" ")


def test_each_action_has_its_day_in_the_learners_zone_and_its_own_words(tmp_path: Path) -> None:
    late = letter(3)
    assert late.deeds is not None
    night = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # half past midnight in Berlin
    late = replace(late, deeds=replace(late.deeds, done={**late.deeds.done, "sow": night}))
    text = body(composed(school(tmp_path), late), "plain")
    assert "Day 1 · A dug bed & a spade\n    done on 20 November 2026" in text
    assert "Day 2 · A Garden in Three Days sown\n    done on 22 November 2026" in text
    assert "Day 3 · The grow\n" in text


def test_the_list_stands_before_the_first_heading(tmp_path: Path) -> None:
    message = composed(school(tmp_path), letter(1))
    for kind in ("plain", "html"):
        page = body(message, kind)  # type: ignore[arg-type]
        places = [page.index(w) for w in ("You have had it all.", "1 of 3 done", "Afterwards")]
        assert places == sorted(places)


def test_only_who_has_finished_is_led_to_the_certificate(tmp_path: Path) -> None:
    composer = school(tmp_path)
    certificate = f"{composer.links.learn(7)}/certificate"
    for done, expected in ((2, False), (3, True)):
        message = composed(composer, letter(done))
        assert (certificate in links_in(body(message, "html"))) is expected
        assert (certificate in body(message, "plain")) is expected
    off = school(tmp_path / "off", course=COURSE + "certificate: no\n")
    assert "ertificate" not in body(composed(off, letter(3)), "html")


def test_a_letter_in_german_dates_in_german(tmp_path: Path) -> None:
    composer = school(tmp_path, course=COURSE.replace("language: en", "language: de"))
    assert "20. November 2026" in body(composed(composer, letter(1)), "plain")


def test_the_provider_that_fills_in_the_holes_gets_the_same_letter(tmp_path: Path) -> None:
    raw, parts = school(tmp_path / "raw"), school(tmp_path / "parts", "parts")
    for done in range(4):
        one = letter(done)
        expected, filled_in = composed(raw, one), composed(parts, one)
        shared = filled_in.shared
        assert shared is not None
        text, html = (_filled(page, filled_in) for page in (shared.text, shared.html))
        assert text.rstrip("\u200c\n") == body(expected, "plain").rstrip("\n")
        assert html_library.unescape(html) == html_library.unescape(body(expected, "html"))


def test_a_long_course_keeps_within_what_a_provider_takes(tmp_path: Path) -> None:
    """Thirty lessons are listed; of more only the sum is said."""
    for count, rows in ((30, 30), (31, 0)):
        lessons = {
            f"{n}-l{n}": LESSON.format(name=f"lesson {n}", leaves="") for n in range(1, count + 1)
        }
        catalog = _only(tmp_path / str(count), lessons)
        one = letter(0)
        keys = [ref.key for ref in catalog.courses()["garden"].syllabus.lessons]
        deeds = Deeds(dict.fromkeys(keys, MORNING), frozenset(keys))
        message = composed(composer(catalog, "parts"), replace(one, deeds=deeds))
        assert sum(value == "[x]" for value in message.substitutions.values()) == rows
        assert "All done" in message.substitutions.values()


def test_read_online_tells_what_is_done_by_now(tmp_path: Path) -> None:
    composer = school(tmp_path)
    document = composer.document(composed(composer, letter(1)).version)
    assert "1 of 3 done" in composer.read_online(document, letter(1))
    assert "All done" in composer.read_online(document, letter(3))


def test_an_old_letter_keeps_its_own_list_when_the_course_changes(tmp_path: Path) -> None:
    composer = school(tmp_path)
    document = composer.document(composed(composer, letter(2)).version)
    (tmp_path / "lessons" / "garden" / "3-grow.md").unlink()
    composer.catalog.refresh()
    assert "2 of 3 done" in composer.read_online(document, letter(2))


def test_a_sample_is_shown_with_some_done_and_some_open(tmp_path: Path) -> None:
    composer = school(tmp_path)
    course = composer.catalog.courses()["garden"]
    shown = composer.preview(course, course.letters["@completed"])
    assert boxes(shown.text) == ["x", " ", " "]
    sent = composer.test_message(course, course.letters["@completed"], "you@example.org")
    assert boxes(body(sent, "plain")) == ["x", " ", " "]


def test_what_to_take_next_is_named_at_the_end(tmp_path: Path) -> None:
    after = COURSE + "next: [pond, {title: 'Trees & <b>', url: 'https://example.org/trees'}]\n"
    composer = school(tmp_path, course=after)
    assert "What to take next" in body(composed(composer, letter(0)), "plain")
    assert "courses/pond" not in body(composed(composer, letter(0)), "plain")
    pond = tmp_path / "lessons" / "pond"
    pond.mkdir()
    (pond / "course.yaml").write_text("title: A Pond\n")
    (pond / "1-dig.md").write_text("# Dig\n\nDeeper.\n")
    composer.catalog.refresh()
    message = composed(composer, letter(0))
    assert "https://course.example.org/courses/pond" in links_in(body(message, "html"))
    assert "Trees &amp; &lt;b&gt;" in body(message, "html")
    assert "- A Pond\n  https://course.example.org/courses/pond\n" in body(message, "plain")
    assert "courses/pond" not in body(composed(composer, letter(0, key="@welcome")), "plain")


def test_lessons_ask_nobody_what_was_done(tmp_path: Path) -> None:
    """The list belongs to letters at the end; lessons are compiled without it."""
    wrong = LESSON.format(name="bed", leaves="").replace("---\nWords", "show_done: yes\n---\nWords")
    catalog = plant(tmp_path, **{"1-bed": wrong, "completed": DONE})
    [finding] = [f for f in catalog.findings if "show_done" in f.message]
    assert (finding.level, finding.path.endswith("1-bed.md")) == ("error", True)


def _filled(page: str, message: Message) -> str:
    """What the provider makes of it: every tag replaced, once, in any order."""
    tags = "|".join(map(re.escape, message.substitutions))
    return re.sub(tags, lambda found: message.substitutions[found[0]], page)


def _only(folder: Path, lessons: dict[str, str]) -> Catalog:
    garden = folder / "lessons" / "garden"
    garden.mkdir(parents=True)
    (garden / "course.yaml").write_text(COURSE)
    for name, text in {**lessons, "completed": DONE}.items():
        (garden / f"{name}.md").write_text(text)
    return Catalog(folder / "lessons")


@pytest.mark.parametrize("done", [1, 3])
def test_what_was_done_is_said_in_the_language_of_the_course(tmp_path, done):
    composer = school(tmp_path, course="title: Ein Garten\nlanguage: de\n")
    message = composed(composer, letter(done, skipped=("grow",) if done == 1 else ()))
    english = re.compile(r"done on|All done|\d done|not sent|passed over|have finished|Day \d")
    for kind in ("plain", "html"):
        said = " ".join(html_library.unescape(re.sub(r"<[^>]+>", " ", body(message, kind))).split())
        assert english.findall(said) == []
        assert ("Alles geschafft" if done == 3 else "1 von 2 geschafft") in said
        assert "Tag 1 · A" in said
        assert "geschafft am 21. November 2026" in said or done == 1
        assert ("noch offen" in said) == (done == 1)
