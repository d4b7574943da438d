"""A language nobody speaks, made of every message there is, for finding what is not translated.

It runs from right to left: Latin letters become Arabic ones, placeholders and markup stay. A page
in it shows at once which sentence never went through a catalog.
"""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from tests.house.translations import collected
from tests.little_school import CHECKOUT

TAG = "ar-XB"

#: What stays as it is: placeholders, tags with all their attributes, entities.
_KEPT = re.compile(r"(%\(\w+\)s|<[^>]+>|&[#\w]+;)")
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_ARABIC = "ابثدعفغهيجكلمنوپقرستةظثخيز"
_LETTERS = str.maketrans(_LATIN + _LATIN.upper(), _ARABIC * 2)


def said(message: str) -> str:
    """The message in letters that run from right to left."""
    pieces = _KEPT.split(message)
    pieces[::2] = [piece.translate(_LETTERS) for piece in pieces[::2]]
    return "".join(pieces)


def templates_with_it(home: Path) -> Path:
    """A folder of templates as an operator has it, with this language and our own mails."""
    folder = home / "templates"
    (folder / "languages").mkdir(parents=True)
    (folder / "email").symlink_to(CHECKOUT / "templates" / "email")
    catalog = Catalog(locale="en")  # two forms are enough for every number
    for message in collected():
        if message.id:
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            string = tuple(said(each) for each in ids)
            catalog.add(
                message.id, string if message.pluralizable else string[0], context=message.context
            )
    with (folder / "languages" / f"{TAG}.po").open("wb") as written:
        write_po(written, catalog)
    return folder
