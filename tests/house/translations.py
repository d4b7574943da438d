"""Collects every sentence that people are shown, and brings the catalogs up to date.

    python -m tests.house.translations          # adds what is new, drops what is gone
    python -m tests.house.translations fr       # begins a catalog for French

What it adds has no translation yet: the tests in `test_translations.py` say so.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

CHECKOUT = Path(__file__).resolve().parents[2]
CATALOGS = CHECKOUT / "templates" / "languages"

#: Templates whose every word is for learners and visitors.
SHOWN = sorted(
    file
    for folder in ("web", "email")
    for file in (CHECKOUT / "templates" / folder).glob("*.*")
    if file.suffix in (".html", ".txt") and not file.name.startswith("outbox")
)

#: In these templates and modules stands what learners and visitors see; staff read English.
_FOLDERS = ("course", "templates/web", "templates/email")
_METHODS = [("**.py", "python"), ("**.html", "jinja2"), ("**.txt", "jinja2")]
_OPTIONS = {pattern: {"trimmed": "true", "newstyle_gettext": "true"} for pattern, _ in _METHODS}
_KEYWORDS = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
_WRAPPED = re.compile(r"\b_\(\s*(?:\"[^\"]*\"|'[^']*')")
_QUOTED = re.compile(r"\"([A-Z][^\"]*[ .][^\"]*)\"")

_HEAD = """\
# {name}: what pages and mails say around the lessons.
# `python -m tests.house.translations` adds what is new and drops what is gone.
msgid ""
msgstr ""
"Language: {tag}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: {plurals}\\n\""""


def collected(checkout: Path = CHECKOUT) -> Catalog:
    """Every message of the program, without translations."""
    catalog = Catalog(fuzzy=False)
    for folder in _FOLDERS:
        for name, line, message, comments, context in extract_from_dir(
            checkout / folder, _METHODS, _OPTIONS, _KEYWORDS, comment_tags=("Translators:",)
        ):
            place = (f"{folder}/{name}", line)
            catalog.add(message, locations=[place], auto_comments=comments, context=context)
    return catalog


def unwrapped(template: Path) -> list[str]:
    """Words of a template that go through no catalog."""
    source = re.sub(
        r"\{% trans\b.*?endtrans %\}", " ", template.read_text("utf-8"), flags=re.DOTALL
    )
    source = re.sub(r"\{% block body %\}[\w ]*", " ", source)  # a class, no words
    source = re.sub(r"<style>.*?</style>|<!--.*?-->|\{#.*?#\}", " ", source, flags=re.DOTALL)
    # What a tag of the template language says: strings that are shown have a capital and a blank.
    inside = re.findall(r"\{[{%](.*?)[}%]\}", source, re.DOTALL)
    spoken = [text for code in inside for text in _QUOTED.findall(_WRAPPED.sub(" ", code))]
    bare = re.sub(r"\{[{%].*?[}%]\}", " ", source, flags=re.DOTALL)
    heard = re.findall(r'\b(?:aria-label|alt|title|placeholder)="([^"]*)"', bare)
    if template.suffix == ".html":
        bare = re.sub(r"<[^>]*>", " ", bare)
    # Entities, attributes that a macro makes, and places on a page.
    bare = re.sub(r"&#?\w+;|\s[\w-]+=\"[^\"]*\"|[/#]\w+", " ", bare)
    return [word for text in (*spoken, *heard, bare) for word in re.findall(r"[A-Za-z’]{3,}", text)]


def read(file: Path) -> Catalog:
    """A catalog as it stands."""
    with file.open("rb") as opened:
        return read_po(opened, locale=str(Locale.parse(file.stem, sep="-")), abort_invalid=True)


def brought_up_to_date(file: Path, template: Catalog) -> str:
    """The catalog with exactly the messages of the program; its head stays as it is."""
    catalog = read(file)
    catalog.update(template, no_fuzzy_matching=True)
    written = io.BytesIO()
    write_po(
        written, catalog, width=96, omit_header=True, sort_output=True, include_lineno=False,
        ignore_obsolete=True,
    )  # fmt: skip
    head = file.read_text("utf-8").partition("\n\n")[0]
    return f"{head}\n\n{written.getvalue().decode()}"


def _begin(file: Path) -> None:
    locale = Locale.parse(file.stem, sep="-")
    plurals = Catalog(locale).plural_forms
    head = _HEAD.format(name=locale.get_display_name("en"), tag=file.stem, plurals=plurals)
    file.write_text(f"{head}\n\n", "utf-8")


def main(tags: list[str]) -> None:
    """Update every catalog, and begin those that are named and not there yet."""
    template = collected()
    for tag in tags:
        if not (CATALOGS / f"{tag}.po").exists():
            _begin(CATALOGS / f"{tag}.po")
    for file in sorted(CATALOGS.glob("*.po")):
        file.write_text(brought_up_to_date(file, template), "utf-8")
        open_ones = untranslated(read(file))
        print(f"{file.relative_to(CHECKOUT)}: {len(open_ones)} of {len(template)} to translate")


def untranslated(catalog: Catalog) -> list[str]:
    """The messages that have no translation, or one that somebody should look at."""
    return [
        str(message.id)
        for message in catalog
        if message.id and (message.fuzzy or not _is_said(message.string))
    ]


def _is_said(string: str | tuple[str, ...] | list[str]) -> bool:
    return bool(string) if isinstance(string, str) else all(string)


if __name__ == "__main__":
    main(sys.argv[1:])
