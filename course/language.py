"""Speaks to people in their own language: sentences, dates and lists, and which way it is written.

A language is one gettext catalog, `templates/languages/de.po`; English needs none. Refuses to
fail for a language nobody has translated: the next wish is taken, in the end English.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from course.errors import ConfigError

if TYPE_CHECKING:
    from babel import Locale

#: Languages written from right to left where the tag names no script.
_RTL = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})
_RTL_SCRIPTS = frozenset({"adlm", "arab", "hebr", "nkoo", "rohg", "syrc", "thaa"})
_TAG = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def N_(message: str) -> str:  # noqa: N802, the name that translators' tools know
    """Marks a sentence for the catalogs where it is written down, and is said only later."""
    return message


def direction(tag: str) -> Literal["ltr", "rtl"]:
    """The `dir` of a text in that language (BCP 47)."""
    first, *rest = re.split("[-_]", tag.lower())
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), "")
    rtl = script in _RTL_SCRIPTS if script else first in _RTL
    return "rtl" if rtl else "ltr"


@dataclass(frozen=True, eq=False)
class Language:
    """One language that pages and mails can be written in. Safe in several threads."""

    #: BCP 47, as in `lang=`.
    tag: str
    translations: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """The `dir` that goes with `lang`."""
        return direction(self.tag)

    @property
    def is_english(self) -> bool:
        """Are the sentences as they stand in the program?"""
        return self.tag == "en"

    @cached_property
    def name(self) -> str:
        """What its speakers call it: "Deutsch"."""
        name = self.locale.get_display_name() if not self.is_english else "English"
        return (name or self.tag)[:1].upper() + (name or self.tag)[1:]

    @cached_property
    def locale(self) -> Locale:
        """How dates and lists are written: the nearest one that Babel knows."""
        from babel import Locale, UnknownLocaleError

        # Plain English says 5 December, and no comma before the last "and".
        parts = re.split("[-_]", self.tag if not self.is_english else "en_GB")
        for length in range(len(parts), 0, -1):
            try:
                return Locale.parse("_".join(parts[:length]))
            except (ValueError, UnknownLocaleError):
                continue
        return Locale("en", "GB")

    # -- sentences -----------------------------------------------------------------------------

    def gettext(self, message: str, **values: object) -> str:
        """The sentence with its `%(name)s` filled in."""
        said = self.translations.gettext(message)
        return said % values if values else said

    def pgettext(self, context: str, message: str, **values: object) -> str:
        """The same for a message that means different things in different places."""
        said = self.translations.pgettext(context, message)
        return said % values if values else said

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        """The form that fits the number; `%(n)s` is the number itself."""
        return self.translations.ngettext(one, many, n) % {"n": n, **values}

    # -- dates, hours and lists ----------------------------------------------------------------

    def weekday(self, number: int, *, short: bool = False) -> str:
        """Monday is 0: "Monday", or "Mon" where there is little room."""
        if self.is_english:
            return _WEEKDAYS[number][: 3 if short else None]
        from babel.dates import get_day_names

        names = get_day_names("abbreviated" if short else "wide", "stand-alone", self.locale)
        return str(names[number])

    def date(self, day: date, *, year: bool = True) -> str:
        """Says "5 December 2026"; without the year "5 December"."""
        from babel.dates import format_date, format_skeleton

        if year:
            return str(format_date(day, "long", locale=self.locale))
        return str(format_skeleton("MMMMd", day, locale=self.locale))

    def hour(self, at: time) -> str:
        """Says "07:00", in the figures of the language."""
        if self.is_english:
            return f"{at:%H:%M}"
        from babel.dates import format_time

        return str(format_time(at.replace(tzinfo=None), "HH:mm", locale=self.locale))

    def listed(self, words: Collection[str]) -> str:
        """Says "a", "a and b" or "a, b and c"."""
        if not self.is_english:
            from babel.lists import format_list

            return str(format_list(list(words), locale=self.locale))
        *front, last = list(words) or [""]
        return f"{', '.join(front)} and {last}" if front else last

    def city(self, timezone: str) -> str:
        """Says "Kolkata" for `Asia/Kolkata`."""
        if not self.is_english:
            zones = self.locale.time_zones
            for name in (timezone, *_former_names(timezone)):
                if city := zones.get(name, {}).get("city"):
                    return str(city)
        return timezone.partition("/")[2].rpartition("/")[2].replace("_", " ") or timezone


ENGLISH = Language("en")


class Languages:
    """The languages of some template folders: English, and every `languages/<tag>.po` there.

    A file in an earlier folder goes before one of the same name in a later one, message by
    message: what it leaves out is said by the later one.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._files: dict[str, list[Path]] = {}
        for folder in folders:
            for file in sorted((folder / "languages").glob("*.po")):
                if _TAG.fullmatch(file.stem):
                    self._files.setdefault(_normal(file.stem), []).append(file)
        self._known: dict[str, Language] = {}
        #: Tags, English first.
        self.tags: tuple[str, ...] = ("en", *sorted(tag for tag in self._files if tag != "en"))

    def read(self) -> tuple[Language, ...]:
        """Every language, with English first. Raises ConfigError for a file that is damaged."""
        return tuple(self._language(tag) for tag in self.tags)

    def find(self, tag: str) -> Language | None:
        """That language, else its parent (de-CH: de); None when nobody has translated it."""
        parts = _normal(tag).split("-")
        for length in range(len(parts), 0, -1):
            known = "-".join(parts[:length])
            if known in self.tags:
                return self._language(known)
        return None

    def of(self, *tags: str) -> Language:
        """The first of these that is translated; English when none is."""
        return next((found for tag in tags if (found := self.find(tag))), self._language("en"))

    def accepted(self, header: str) -> Language | None:
        """The best match for an `Accept-Language` header (RFC 9110 12.5.4), if there is one."""
        wishes: list[tuple[float, str]] = []
        for wish in header[:1000].split(","):
            tag, _, quality = wish.partition(";")
            weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", quality) if quality else None
            worth = float(weight[1]) if weight else 0.0 if quality else 1.0
            if worth > 0 and _TAG.fullmatch(tag.strip()):
                wishes.append((worth, tag.strip()))
        # Sorting is stable: of two that are equally welcome, the one named first.
        wishes.sort(key=lambda wish: -wish[0])
        return next((found for _, tag in wishes if (found := self.find(tag))), None)

    def _language(self, tag: str) -> Language:
        if tag not in self._known:
            parts = tag.split("-")
            chain = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
            files = [file for name in chain for file in self._files.get(name, ())]
            self._known[tag] = Language(tag, _joined(files)) if files else Language(tag)
        return self._known[tag]


def _joined(files: Sequence[Path]) -> gettext.NullTranslations:
    """The catalogs behind each other: what the first does not say, the next one does."""
    first, *rest = [_translations(file) for file in files]
    for later in rest:
        first.add_fallback(later)
    return first


def _translations(file: Path) -> gettext.GNUTranslations:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    try:
        with file.open("rb") as opened:
            catalog = read_po(opened, abort_invalid=True)
    except (PoFileError, UnicodeDecodeError, ValueError) as wrong:
        at = f":{wrong.lineno + 1}" if isinstance(wrong, PoFileError) and wrong.lineno >= 0 else ""
        raise ConfigError(
            [f"{file}{at} is no catalog of translations: {wrong}. Mend it, or take it away"]
        ) from None
    for message in catalog:
        if message.id and (said := _unsayable(message.id, message.string or "")):
            cure = "use the placeholders of the original, and %% for a plain percent sign"
            raise ConfigError([f"{file}:{message.lineno} says {said!r}: {cure}"])
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _unsayable(original: str | Sequence[str], said: str | Sequence[str]) -> str:
    """A translation that could not be filled in when a page is made; empty when all can."""
    originals = (original,) if isinstance(original, str) else original
    names = {name for text in originals for name in re.findall(r"%\((\w+)\)s", text)}
    for text in (said,) if isinstance(said, str) else said:
        try:
            text % dict.fromkeys(names, "")
        except (KeyError, TypeError, ValueError):
            return text
    return ""


def _normal(tag: str) -> str:
    """`de_ch` as `de-CH`: the language small, a script capitalized, a country in capitals."""
    first, *rest = re.split("[-_]", tag.strip())
    others = (part.capitalize() if len(part) == 4 else part.upper() for part in rest)
    return "-".join([first.lower(), *others])


@lru_cache(maxsize=1)
def _older_names() -> dict[str, list[str]]:
    from babel.core import get_global

    older: dict[str, list[str]] = {}
    for old, new in get_global("zone_aliases").items():
        older.setdefault(new, []).append(old)
    return older


def _former_names(timezone: str) -> tuple[str, ...]:
    """Names a place had before: CLDR files a city under one of those."""
    return tuple(_older_names().get(timezone, ()))
