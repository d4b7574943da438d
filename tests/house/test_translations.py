"""Every sentence that people are shown is translated in every catalog that comes with us."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.house import translations

FILES = sorted(translations.CATALOGS.glob("*.po"))
TEMPLATE = translations.collected()
#: What a translation may move but never lose: placeholders, tags, addresses, entities.
_FIXED = re.compile(r"%\(\w+\)s|</?\w+|(?:href|class|id|data-\w+)=\"[^\"]*\"|%%")
AGAIN = "run: python -m tests.house.translations"


def fixed(text: str) -> Counter[str]:
    return Counter(_FIXED.findall(text))


def forms(string: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string)


def test_german_comes_with_us_and_there_is_something_to_say():
    assert "de.po" in [file.name for file in FILES]
    assert len(TEMPLATE) > 200


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_catalog_has_exactly_the_messages_of_the_program(file: Path):
    assert file.read_text("utf-8") == translations.brought_up_to_date(file, TEMPLATE), AGAIN


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_message_is_translated_and_none_only_perhaps(file: Path):
    assert translations.untranslated(translations.read(file)) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_translation_keeps_placeholders_tags_and_addresses(file: Path):
    wrong = []
    for message in translations.read(file):
        ids = forms(message.id)
        for said in forms(message.string):
            # "1 lesson" may leave its number out, as the English does.
            if message.id and fixed(said) not in [fixed(each) for each in ids]:
                wrong.append(said)
    assert wrong == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_translation_ends_as_its_sentence_does(file: Path):
    def end(text: str) -> str:
        return text[-1] if text and text[-1] in ".?:" else ""

    wrong = [
        message.string
        for message in translations.read(file)
        if message.id and isinstance(message.id, str) and len(message.id) > 20
        if end(message.id) != end(str(message.string))
    ]
    assert wrong == []


def test_german_has_its_own_quotes_and_says_du():
    (german,) = [file for file in FILES if file.stem == "de"]
    said = [text for message in translations.read(german) for text in forms(message.string)]
    # "Sie" at the start of a sentence may be the lesson; in the middle of one it is too formal.
    formal = re.compile(r"“[^„]*”|(?<=[a-zäöüß,] )(?:Sie|Ihnen|Ihre?[nmrs]?)\b")
    foreign = [text for text in said if formal.search(text)]
    assert foreign == []
    assert all(text.count("„") == text.count("“") for text in said)


@pytest.mark.parametrize("template", translations.SHOWN, ids=lambda file: file.name)
def test_every_word_of_a_template_goes_through_the_catalogs(template: Path):
    assert translations.unwrapped(template) == []


def test_no_message_hides_in_an_f_string_where_nobody_finds_it():
    files = sorted((translations.CHECKOUT / "course").rglob("*.py"))
    assert len(files) > 100
    assert [
        place for file in files for place in hidden(file.read_text(encoding="utf-8"), file)
    ] == []
    assert hidden('f"{gettext(1)}!"', "x") == ["x:1"]


def hidden(code: str, where: object) -> list[str]:
    return [
        f"{where}:{call.lineno}"
        for string in ast.walk(ast.parse(code))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("gettext", "ngettext")
    ]
