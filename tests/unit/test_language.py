"""One language is one catalog; whatever is asked for, something that people can read comes out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course.errors import ConfigError
from course.language import ENGLISH, Language, Languages, direction
from course.pace_words import say_days
from course.web import words
from course.web.speaking import for_a_moment
from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS, Cadence
from tests.mailroom import TEMPLATES

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)  # a Monday
GERMAN = Languages([TEMPLATES]).of("de")
HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'


def catalog(home: Path, tag: str, **messages: str) -> Path:
    """A folder of templates with one more language."""
    folder = home / "languages"
    folder.mkdir(parents=True, exist_ok=True)
    body = "".join(f'msgid "{said}"\nmsgstr "{then}"\n\n' for said, then in messages.items())
    (folder / f"{tag}.po").write_text(HEAD + body, "utf-8")
    return home


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("de", "de"), ("de-CH", "de"), ("de_AT", "de"), ("DE", "de"), ("de-Latn-CH-1996", "de"),
        ("en-GB", "en"), ("fr", "en"), ("tlh", "en"), ("", "en"), ("-", "en"), ("../../etc", "en"),
    ],
)  # fmt: skip
def test_a_language_that_nobody_has_translated_falls_back_step_by_step(asked, spoken):
    assert Languages([TEMPLATES]).of(asked).tag == spoken


@given(st.text(max_size=40))
def test_no_tag_in_the_world_fails(tag):
    assert Languages([TEMPLATES]).of(tag).tag in ("en", "de")


def test_the_first_wish_that_can_be_met_is_met():
    assert Languages([TEMPLATES]).of("ja", "de", "en").tag == "de"


@pytest.mark.parametrize(
    ("header", "spoken"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR,fr;q=0.9,en;q=0.8,de;q=0.7", "en"),
        ("en;q=0.5, de;q=0.7", "de"),
        ("de;q=0, en", "en"),
        ("fr, ja;q=0.4", None),
        ("*", None),
        ("", None),
        ("de;q=high, ;;;,=", None),
    ],
)
def test_a_browser_gets_the_best_of_what_it_accepts(header, spoken):
    found = Languages([TEMPLATES]).accepted(header)
    assert (found.tag if found else None) == spoken


def test_one_more_file_is_one_more_language(tmp_path):
    languages = Languages([catalog(tmp_path, "fr", Save="Enregistrer"), TEMPLATES])
    assert languages.tags == ("en", "de", "fr")
    french = languages.of("fr-CA")
    assert (french.gettext("Save"), french.gettext("Undo")) == ("Enregistrer", "Undo")
    assert french.name == "Français"


def test_a_country_says_what_it_says_otherwise_and_leaves_the_rest_to_its_language(tmp_path):
    languages = Languages([catalog(tmp_path, "de-CH", today="hüt"), TEMPLATES])
    swiss = languages.of("de-CH")
    assert (swiss.gettext("today"), swiss.gettext("Sources")) == ("hüt", "Quellen")
    assert languages.of("de-AT").gettext("today") == "heute"


def test_an_operator_changes_one_sentence_and_keeps_the_others(tmp_path):
    german = Languages([catalog(tmp_path, "de", today="heut"), TEMPLATES]).of("de")
    assert (german.gettext("today"), german.gettext("Sources")) == ("heut", "Quellen")


def test_a_damaged_catalog_is_named_with_its_line(tmp_path):
    catalog(tmp_path, "fr")
    (tmp_path / "languages" / "fr.po").write_text(HEAD + "Save: Enregistrer\n", "utf-8")
    with pytest.raises(ConfigError, match=r"fr\.po:\d+ is no catalog"):
        Languages([tmp_path]).read()


@pytest.mark.parametrize("said", ["morgen, %(tag)s", "morgen, %(weekday)d", "100 % morgen"])
def test_a_translation_that_cannot_be_filled_in_is_found_before_a_page_is_made(tmp_path, said):
    catalog(tmp_path, "de", **{"tomorrow, %(weekday)s": said})
    with pytest.raises(ConfigError, match=r"de\.po:\d+ says .* placeholders"):
        Languages([tmp_path]).read()


@pytest.mark.parametrize(
    ("tag", "way"),
    [
        ("en", "ltr"), ("de-CH", "ltr"), ("ar", "rtl"), ("ar-XB", "rtl"), ("he-IL", "rtl"),
        ("az-Arab", "rtl"), ("ar-Latn", "ltr"), ("uz_Cyrl", "ltr"), ("fa_IR", "rtl"),
    ],
)  # fmt: skip
def test_the_way_a_language_runs_follows_its_script(tag, way):
    assert direction(tag) == way == Language(tag).direction


@pytest.mark.parametrize(
    ("instant", "english", "german"),
    [
        ((23, 10), "today at 11:00", "heute um 11:00 Uhr"),
        ((24, 6), "tomorrow, Tuesday, at 07:00", "morgen, Dienstag, um 07:00 Uhr"),
        ((22, 6), "yesterday, Sunday, at 07:00", "gestern, Sonntag, um 07:00 Uhr"),
        ((27, 6), "Friday at 07:00", "am Freitag um 07:00 Uhr"),
        ((30, 6), "Monday, 30 November, at 07:00", "am Montag, 30. November, um 07:00 Uhr"),
    ],
)
def test_g9_an_instant_is_said_in_words_and_in_the_order_of_the_language(instant, english, german):
    at = datetime(2026, 11, *instant, tzinfo=UTC)
    assert words.in_words(at, "Europe/Berlin", NOW, ENGLISH) == english
    assert words.in_words(at, "Europe/Berlin", NOW, GERMAN) == german


def test_g9_another_year_is_named():
    at = datetime(2027, 1, 4, 6, tzinfo=UTC)
    assert words.day_in_words(at, "Europe/Berlin", NOW, ENGLISH) == "Monday, 4 January 2027"
    assert words.day_in_words(at, "Europe/Berlin", NOW, GERMAN) == "am Montag, 4. Januar 2027"


def test_days_zones_and_paces_are_said_the_german_way():
    assert say_days(EVERY_DAY, GERMAN) == "jeden Tag"
    assert say_days(WEEKDAYS, GERMAN) == "Montag bis Freitag"
    assert say_days(frozenset({0, 2, 4}), GERMAN) == "montags, mittwochs und freitags"
    assert words.zone_in_words("Asia/Kolkata", GERMAN) == "Ortszeit Kalkutta"
    pace = Cadence(weekdays=EVERY_DAY, hour=time(7), every_days=2)
    said = words.pace_in_words(pace, "Europe/Vienna", GERMAN)
    assert said == "07:00 Uhr, Ortszeit Wien, jeden Tag, eine Lektion alle 2 Tage"
    assert words.stamp(NOW, "Europe/Berlin", GERMAN) == "Mo, 23. November, 09:00"


def test_small_numbers_are_words_where_there_are_words_for_them(tmp_path):
    french = Languages([catalog(tmp_path, "fr")]).of("fr")
    said = []
    for language in (ENGLISH, GERMAN, french):
        with for_a_moment(language):
            said.append((words.number(3), words.number(13)))
    assert said == [("three", "13"), ("drei", "13"), ("3", "13")]


def test_what_a_language_leaves_to_babel_is_said_in_it_without_a_catalog():
    arabic = Language("ar-XB")  # no such country: its dates are those of plain Arabic
    assert arabic.weekday(1) == "الثلاثاء"
    assert "نوفمبر" in arabic.date(date(2026, 11, 24))
    assert arabic.city("Europe/Berlin") == "برلين"
