"""Reads what a file name says: number, key, letter.

Refuses to look at the file itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Un-numbered files that are letters, by the start of their key.
LETTERS = ("welcome", "completed", "followup")

_WORDS = "lesson|day|week|chapter|module|part|unit|session|class|episode|step|les|tag|leccion|jour"
_NUMBERED = re.compile(
    rf"^(?:(?P<word>{_WORDS})[ _.-]*)?(?P<number>[0-9]{{1,6}})(?![0-9])[ _.:)-]*(?P<rest>.*)$",
    re.IGNORECASE,
)
_DATED = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ _-]*(?P<rest>.*)$")


@dataclass(frozen=True, slots=True)
class Name:
    """What a file name says. `number` is None when it carries none."""

    slug: str
    number: int | None
    letter: bool = False


def parse_name(file_name: str) -> Name:
    """`01. The Effect.md` is number 1, key `the-effect`; `day-03.md` keeps `day-03` as its key."""
    stem = re.sub(r"\.(?:md|markdown|mdown|mkd)$", "", file_name, flags=re.IGNORECASE)
    if dated := _DATED.match(stem):
        return Name(slugify(dated.group("rest") or stem), None)
    match = _NUMBERED.match(stem)
    if match:
        slug = slugify(match.group("rest")) or slugify(stem)
        return Name(slug, int(match.group("number")))
    slug = slugify(stem)
    return Name(slug, None, slug.split("-")[0] in LETTERS)


def slugify(text: str) -> str:
    """Lower case words joined by single dashes; letters of every script are kept."""
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")


def readable(slug: str) -> str:
    """`the-manager-effect` as a title: `The manager effect`."""
    words = slug.replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def alias_key(alias: str) -> str:
    """A former name as a key: a path, a file name with number, or the bare key."""
    return parse_name(alias.strip().strip("/").rsplit("/", 1)[-1]).slug


def in_order(file_name: str) -> list[tuple[int, int | str]]:
    """Sorts as people expect: `2-b` before `10-a`."""
    pieces = re.split(r"([0-9]+)", file_name.casefold())
    return [(0, int(p)) if p.isdigit() and p.isascii() else (1, p) for p in pieces]
