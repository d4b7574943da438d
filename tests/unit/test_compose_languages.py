"""A lesson's frame speaks the course's language; a letter of ours speaks its reader's."""

from __future__ import annotations

import html as html_text
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from course.compose import CourseComposer
from course.links import Links
from course.mail.document import NOTICES
from scheduler.domain.delivery import Claimed
from tests import pseudo
from tests.mailroom import (
    BASE,
    FULL,
    MORNING,
    SENDER,
    body,
    claimed,
    composed,
    composer,
    parsed,
    plant,
)

#: What only English says around a lesson.
ENGLISH = re.compile(
    r"Read online|I did it|The one idea|Watch and read|Check your|Sources|You get this mail|"
    r"Your pace|every day|To do|One question|Reply in|Go deeper|Leave this course"
)


def reader(key: str, language: str, number: int = 1) -> Claimed:
    one = claimed(key, number=number)
    return replace(one, learner=replace(one.learner, language=language))


def with_templates(home: Path, folder: Path, **course: str) -> CourseComposer:
    """A composer that has one language more than we bring along."""
    catalog = plant(home / "lessons", **course)
    return CourseComposer(
        catalog, Links(BASE, ("key for tests",), lambda: MORNING), SENDER, folder, "raw"
    )


def words_of(page: str) -> str:
    """What a reader sees or hears of an HTML part, without addresses."""
    page = re.sub(r"<!--.*?-->|<style.*?</style>", " ", page, flags=re.DOTALL)
    heard = re.findall(r'\b(?:alt|aria-label|title)="([^"]*)"', page)
    seen = html_text.unescape(re.sub(r"<[^>]+>", " ", page))
    return " ".join([seen, *heard])


def test_a_german_course_has_a_german_frame_in_both_parts(tmp_path):
    school = composer(plant(tmp_path, course="title: Ein Garten\nlanguage: de\n"))
    message = composed(school, claimed("bed"))
    html, text = body(message, "html"), body(message, "plain")
    for part in (words_of(html), text):
        for german in (
            "Tag 1 von 3", "Online lesen", "Der eine Gedanke", "Ich hab’s gemacht", "Quellen",
            "Du bekommst diese Mail, weil du dich für Ein Garten angemeldet hast.",
            "Dein Rhythmus: jeden Tag um 07:00 Uhr", "später in dieser Woche",
        ):  # fmt: skip
            assert german in " ".join(part.split()), german
        assert not ENGLISH.search(part), ENGLISH.search(part)
    assert '<html lang="de" dir="ltr"' in html
    assert parsed(message)["Content-Language"] == "de"


def test_a_country_of_its_own_keeps_its_tag_and_speaks_the_language(tmp_path):
    school = composer(plant(tmp_path, course="title: Ein Garten\nlanguage: de-CH\n"))
    html = body(composed(school, claimed("sow")), "html")
    assert '<html lang="de-CH" dir="ltr"' in html
    assert "Online lesen" in html


def test_a_language_nobody_has_translated_keeps_its_lesson_and_gets_an_english_frame(tmp_path):
    school = composer(plant(tmp_path, course="title: Un jardin\nlanguage: fr\n"))
    html = body(composed(school, claimed("sow")), "html")
    assert '<html lang="fr" dir="ltr"' in html
    assert "Read online" in html


def test_callouts_and_tasks_are_named_in_the_language_of_the_lesson(tmp_path):
    markdown = "Etwas Text.\n\n> [!NOTE]\n> Hier.\n\n- [ ] offen\n- [x] getan\n"
    course = {"course": "title: Ein Garten\nlanguage: de\n", "4-own": markdown}
    html = body(composed(composer(plant(tmp_path, **course)), claimed("own")), "html")
    assert "Hinweis</strong>" in html
    assert re.findall(r'role="img" aria-label="(\w[^"]*)"', html)[:2] == ["zu tun", "erledigt"]
    assert "list-style: none" in html


@pytest.mark.parametrize("key", NOTICES)
def test_a_letter_of_ours_is_in_its_readers_language_whatever_the_course_speaks(tmp_path, key):
    school = composer(plant(tmp_path))
    batch = [reader(key, tag, number) for number, tag in enumerate(("en", "de", "de-AT", "ja"), 1)]
    english, german, austrian, japanese = school.compose(batch)
    assert parsed(german)["Content-Language"] == "de"
    assert '<html lang="de" dir="ltr"' in body(german, "html")
    assert parsed(german)["Subject"] != parsed(english)["Subject"]
    assert austrian.version == german.version != english.version == japanese.version
    assert parsed(japanese)["Content-Language"] == "en"


def test_a_letter_of_ours_to_somebody_whose_language_is_missing_is_in_the_courses(tmp_path):
    school = composer(plant(tmp_path, course="title: Ein Garten\nlanguage: de\n"))
    assert parsed(composed(school, reader("@links", "ja")))["Content-Language"] == "de"


def test_dates_and_pace_in_a_letter_follow_its_language(tmp_path):
    school = composer(plant(tmp_path))
    moved = body(composed(school, reader("@moved", "de")), "plain")
    assert "23. November 2026 um 06:30 Uhr (UTC)" in " ".join(moved.split())
    links = body(composed(school, reader("@links", "de")), "html")
    assert "jeden Tag um 07:00 Uhr" in links
    assert "every day at 07:00" in body(composed(school, reader("@links", "en")), "html")


LATIN = re.compile(r"[A-Za-z][A-Za-z’']{2,}")
#: Names, addresses and units of no language.
NO_SENTENCE = re.compile(
    r"https?://\S+|\S+@\S+|Gärten & Co|Example Growers|\bUTC\b|\bAda\b|"
    r"12 Market Street, Springfield 12345, USA"
)


def unsaid(text: str) -> list[str]:
    """Words that went through no catalog."""
    return LATIN.findall(NO_SENTENCE.sub(" ", text))


@pytest.mark.parametrize("key", NOTICES)
def test_every_word_of_a_letter_of_ours_can_be_translated(tmp_path, key):
    folder = pseudo.templates_with_it(tmp_path)
    title = pseudo.said("A Garden in Three Days")
    school = with_templates(tmp_path, folder, course=f"title: {title}\nlanguage: en\n")
    message = composed(school, reader(key, pseudo.TAG))
    html = body(message, "html")
    assert f'<html lang="{pseudo.TAG}" dir="rtl"' in html
    assert unsaid(words_of(html)) == []
    assert unsaid(body(message, "plain")) == []
    assert unsaid(str(parsed(message)["Subject"])) == []


def in_pseudo(value: object, key: str = "") -> object:
    if isinstance(value, dict):
        return {name: in_pseudo(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [in_pseudo(each, key) for each in value]
    keep = key in ("url", "transcript", "kind") or not isinstance(value, str)
    return value if keep else pseudo.said(re.sub(r"\{\{.*?\}\}", "", str(value)))


@pytest.mark.parametrize("gap", [1, 2])
def test_every_word_around_a_lesson_can_be_translated(tmp_path, gap):
    folder = pseudo.templates_with_it(tmp_path)
    front = yaml.safe_load(FULL.split("---")[1])
    lesson = yaml.safe_dump(in_pseudo(front), allow_unicode=True)
    text = pseudo.said("Just a few words, but enough of them to make one whole paragraph.\n")
    title = pseudo.said("A Garden in Three Days")
    course = f"title: {title}\nlanguage: {pseudo.TAG}\ncadence: {{every_days: {gap}}}\n"
    school = with_templates(
        tmp_path, folder, course=course, **{"4-whole": f"---\n{lesson}---\n{text}"}
    )
    message = composed(school, claimed("whole"))
    assert unsaid(words_of(body(message, "html"))) == []
    assert unsaid(body(message, "plain")) == []
