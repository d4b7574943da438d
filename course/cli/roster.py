"""Reads a CSV of learners row by row: each becomes a person, or a reason why not.

Copes with what spreadsheets write: a byte order mark, CRLF, semicolons, tabs, UTF-16, any
spelling of the headings. Keeps one row in memory; refuses to touch a database.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

from course.pace_words import PaceError, parse_days, parse_hour
from scheduler import zones
from scheduler.enrolling import NewPerson
from scheduler.errors import UnknownZone

COLUMNS = ("email", "first_name", "timezone", "hour", "days", "language")

#: Other headings people and mailing tools write.
_ALIASES = {
    "e-mail": "email", "mail": "email", "emailaddress": "email", "address": "email",
    "subscriberemail": "email", "firstname": "first_name", "name": "first_name",
    "givenname": "first_name", "vorname": "first_name", "tz": "timezone", "zone": "timezone",
    "time": "hour", "sendhour": "hour", "day": "days", "weekdays": "days", "lang": "language",
    "locale": "language",
}  # fmt: skip

# What the slow, complete check would accept as it stands; anything else is handed to it.
_PLAIN = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}"
)
_NEVER_PLAIN = (".invalid", ".local", ".onion", ".localhost", ".arpa", ".alt", ".test", ".example")
#: Bytes that are no UTF-8, as `surrogateescape` leaves them.
_UNREAD = re.compile("[\udc80-\udcff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LONGEST_NAME = 100


# A file has a hundred thousand rows and a handful of hours.
_hour, _days = lru_cache(256)(parse_hour), lru_cache(256)(parse_days)


class NotARoster(Exception):
    """The file as a whole cannot be read; the message says how to cure it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file: a person, or the cause why it is none."""

    line: int
    #: As written, for the report.
    address: str
    person: NewPerson | None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Roster:
    """An opened file: its rows, and what was noticed about its headings."""

    rows: Iterator[Row]
    notes: tuple[str, ...]


def open_roster(file: IO[bytes]) -> Roster:
    """Read the headings; the rows are read as they are asked for. Raises NotARoster."""
    text = _decoded(file)
    first, skipped = text.readline(), 0
    while first and not first.strip():
        first, skipped = text.readline(), skipped + 1
    if not first:
        raise NotARoster("the file is empty: write a first line `email,first_name,timezone`")
    delimiter = max(",;\t|", key=first.count)
    head = next(csv.reader([first], delimiter=delimiter))
    notes: list[str] = []
    if any("@" in cell for cell in head):
        # No headings: the columns are taken in the documented order.
        notes.append(f"no headings found; the columns are taken as {', '.join(COLUMNS)}")
        columns: list[str | None] = [*COLUMNS]
        rows = _rows(text, columns, delimiter, skipped, before=first)
        return Roster(rows, tuple(notes))
    columns = [_column(cell) for cell in head]
    if "email" not in columns:
        raise NotARoster(
            f"there is no column `email` in the first line ({', '.join(c.strip() for c in head)}):"
            " name it email"
        )
    doubled = {name for name in columns if name and columns.count(name) > 1}
    if doubled:
        raise NotARoster(f"two columns are called {', '.join(sorted(doubled))}: rename one")
    unknown = [cell.strip() for cell, name in zip(head, columns, strict=True) if name is None]
    if any(unknown):
        notes.append(f"columns left aside: {', '.join(filter(None, unknown))}")
    return Roster(_rows(text, columns, delimiter, skipped + 1), tuple(notes))


def _rows(
    text: io.TextIOBase,
    columns: list[str | None],
    delimiter: str,
    above: int,
    before: str = "",
) -> Iterator[Row]:
    def lines() -> Iterator[str]:
        if before:
            yield before
        yield from text

    reader = csv.reader(lines(), delimiter=delimiter, strict=False)
    while True:
        line = above + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, "", None, f"not a CSV row ({error}): check its quotes")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        last = above + reader.line_num
        if last - line > 3:
            cause = f"its quote is closed only on line {last}: all lines up to there are left out"
            yield Row(line, cells[0].strip().partition("\n")[0][:254], None, cause)
            continue
        if any(cell.strip() for cell in cells[len(columns) :]):
            cause = f"{len(cells)} cells, but {len(columns)} headings: quote cells with {delimiter}"
            yield Row(line, cells[0].strip()[:254], None, cause)
            continue
        named = {
            name: cell.strip()
            for name, cell in zip(columns, cells, strict=False)
            if name is not None
        }
        yield _row(line, named)


def _row(line: int, cells: Mapping[str, str]) -> Row:
    typed = cells.get("email", "")
    shown = typed[:254].encode("utf-8", "replace").decode()
    try:
        return Row(line, shown, _person(cells))
    except (ValueError, UnknownZone) as error:
        return Row(line, shown, None, str(error))


def _person(cells: Mapping[str, str]) -> NewPerson:
    if any(not cell.isascii() and _UNREAD.search(cell) for cell in cells.values()):
        raise ValueError("not UTF-8 text: save the file as CSV UTF-8")
    name = cells.get("first_name", "")
    if name[:1] == "'" and name[1:2] in ("=", "+", "-", "@"):
        name = name[1:]  # the mark our own export sets against formulas
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"first_name: at most {_LONGEST_NAME} printable characters")
    timezone, hour, days = cells.get("timezone"), cells.get("hour"), cells.get("days")
    language = cells.get("language") or "en"
    if not _LANGUAGE.fullmatch(language):
        raise ValueError(f"language: {language!r} is no language tag: write en, de or pt-BR")
    if timezone:
        zones.zone(timezone)
    try:
        return NewPerson(
            address=address(cells.get("email", "")),
            first_name=name,
            timezone=timezone or None,
            hour=_hour(hour) if hour else None,
            weekdays=_days(days) if days else None,
            language=language,
        )
    except PaceError as error:
        raise ValueError(f"{'hour' if 'hour' in str(error) else 'days'}: {error}") from None


def address(typed: str) -> str:
    """The address mail goes to. Raises ValueError with the cure."""
    local, at, domain = typed.rpartition("@")
    plain = f"{local}{at}{domain.lower()}"
    if (
        _PLAIN.fullmatch(plain)
        and len(local) <= 64
        and len(plain) <= 254
        and not plain.endswith(_NEVER_PLAIN)
        and all(len(label) <= 63 and label[2:4] != "--" for label in domain.split("."))
    ):
        return plain
    from course.web.addresses import read_address

    return read_address(typed)


def _column(cell: str) -> str | None:
    name = cell.strip().lower().replace(" ", "_")
    if name in COLUMNS:
        return name
    return _ALIASES.get(name.replace("_", "")) or _ALIASES.get(name)


def _decoded(file: IO[bytes]) -> io.TextIOWrapper:
    """Text whatever the spreadsheet wrote; bytes that are no UTF-8 make a bad row, not a crash."""
    buffered = io.BufferedReader(file) if isinstance(file, io.RawIOBase) else file
    start = buffered.peek(4)[:4] if isinstance(buffered, io.BufferedReader) else b""
    utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return io.TextIOWrapper(
        buffered,
        encoding="utf-16" if utf16 else "utf-8-sig",
        errors="replace" if utf16 else "surrogateescape",
        newline="",
    )
