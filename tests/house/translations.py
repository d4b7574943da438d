"""Collects every sentence that people are shown, and brings the catalogs up to date.

    python -m tests.house.translations          # adds what is new, drops what is gone
    python -m tests.house.translations fr       # begins a catalog for French

What it adds has no translation yet: the tests in `test_translations.py` say so.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

CHECKOUT = Path(__file__).resolve().parents[2]
CATALOGS = CHECKOUT / "templates" / "languages"

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
_HEADER = """\
# {name} translation of the pages and mails.
# `python -m tests.house.translations` adds what is new and drops what is gone."""


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


def read(file: Path) -> Catalog:
    """A catalog as it stands."""
    with file.open("rb") as opened:
        return read_po(opened, locale=str(Locale.parse(file.stem, sep="-")), abort_invalid=True)


def brought_up_to_date(catalog: Catalog, template: Catalog) -> bytes:
    """The catalog with exactly the messages of the program, ready to be written."""
    catalog.update(template, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    written = io.BytesIO()
    write_po(
        written, catalog, width=96, omit_header=False, sort_by_file=True, include_lineno=False,
        ignore_obsolete=True,
    )  # fmt: skip
    return written.getvalue()


def _begun(tag: str) -> Catalog:
    locale = Locale.parse(tag, sep="-")
    header = _HEADER.format(name=locale.get_display_name("en"))
    return Catalog(
        locale=locale, header_comment=header, project="mini-email-course", version="1", fuzzy=False
    )


def main(tags: list[str]) -> None:
    """Update every catalog, and begin those that are named and not there yet."""
    template = collected()
    for file in sorted({*CATALOGS.glob("*.po"), *(CATALOGS / f"{tag}.po" for tag in tags)}):
        catalog = read(file) if file.exists() else _begun(file.stem)
        file.write_bytes(brought_up_to_date(catalog, template))
        missing = sum(1 for message in catalog if message.id and not _is_said(message.string))
        print(f"{file.relative_to(CHECKOUT)}: {len(catalog)} messages, {missing} to translate")


def _is_said(string: str | tuple[str, ...]) -> bool:
    return all(string) if isinstance(string, tuple) else bool(string)


if __name__ == "__main__":
    main(sys.argv[1:])
