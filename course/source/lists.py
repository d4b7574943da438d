"""Follows lists from line to line, and says how far Python-Markdown needs each line indented.

Everywhere else a nested list is indented by two, three or four spaces, whatever its author likes;
Python-Markdown wants four for each level. Refuses to look into code: `blocks` shows it prose only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: Columns for each level, as Python-Markdown counts.
LEVEL = 4
_ITEM = re.compile(r"(?P<marker>[-*+]|[0-9]{1,9}(?P<end>[.)]))(?P<gap>[ \t]+)\S")
#: Footnotes, definitions and admonitions hold what is indented by four below them.
_HOLDER = re.compile(r"\[\^[^\]]+\]:|:[ ]{1,3}\S|!!!|\?\?\?")
_RULE = re.compile(r"([-*_])(?:[ \t]*\1){2,}[ \t]*\Z")
_UNDERLINE = re.compile(r"=+[ \t]*\Z")
#: What an item holds begins at least this far behind its marker, even where a number is wider.
_INSIDE = 2


@dataclass(slots=True)
class _Open:
    """One item, or one holder, that may still go on."""

    #: Columns, as written: what it holds begins at `inside`, code in it at `content` + 4.
    marker: int
    inside: int
    content: int


@dataclass(frozen=True, slots=True)
class Lead:
    """What a line needs in front: `columns` of white space, and perhaps `1.` instead of `1)`."""

    columns: int
    #: Where the `)` stands in the line; -1 for none.
    bracket: int = -1


@dataclass(slots=True)
class Lists:
    """Which lists are open at this line."""

    _open: list[_Open] = field(default_factory=list)
    after_blank: bool = True
    #: May a list begin here? Below a line of text Python-Markdown takes it for more text.
    _fresh: bool = True
    #: By how much the block that goes on was moved.
    _moved: int = 0

    @property
    def depth(self) -> int:
        return len(self._open)

    @property
    def code_from(self) -> int:
        """The column from which, below an empty line, a line is code."""
        return (self._open[-1].content if self._open else 0) + 4

    def blank(self) -> None:
        self.after_blank = self._fresh = True

    def place(self, line: str) -> Lead:
        """Where this line of prose goes, and what it opens and closes."""
        content = line.lstrip(" \t")
        if not content:
            self.blank()
            return Lead(0)
        width = columns(line)
        item = None if _RULE.match(content) else _ITEM.match(content)
        if item and (self._open or (self._fresh and width < LEVEL)):
            lead = self._item(width, item, len(line) - len(content))
        elif self.after_blank or _HOLDER.match(content):
            lead = Lead(self._paragraph(width))
            if _HOLDER.match(content):
                self._open.append(_Open(width, width + LEVEL, width + LEVEL))
        else:
            goes_on = self._open and width >= self._open[-1].inside
            lead = Lead(max(0, width + self._moved) if goes_on else width)
        self.after_blank = line.startswith("#")
        self._fresh = bool(self.after_blank or _RULE.match(content) or _UNDERLINE.match(content))
        return lead

    def code(self, line: str) -> int:
        """The columns in front of a fence in this line; opens the item it may begin with."""
        content = line.lstrip(" \t")
        width = columns(line)
        if item := _ITEM.match(content):
            return self._item(width, item, 0).columns
        while self._open and width < self._open[-1].marker + _INSIDE:
            self._open.pop()
        return LEVEL * self.depth

    def _item(self, width: int, item: re.Match[str], before: int) -> Lead:
        self._close(width)
        wanted = LEVEL * self.depth if self.depth or width >= LEVEL else width
        gap = len(item["gap"].expandtabs(LEVEL))
        marker = len(item["marker"])
        text = width + marker + (gap if gap <= LEVEL else 1)
        self._open.append(_Open(width, width + _INSIDE, text))
        self._moved = wanted - width
        return Lead(wanted, before + marker - 1 if item["end"] == ")" else -1)

    def _paragraph(self, width: int) -> int:
        self._close(width)
        if not self._open:
            self._moved = 0
            return width
        beyond = width - self._open[-1].marker - LEVEL
        wanted = LEVEL * self.depth + min(max(0, beyond), LEVEL - 1)
        self._moved = wanted - width
        return wanted

    def _close(self, width: int) -> None:
        """All lists that a line this far in is no part of."""
        while self._open and width < self._open[-1].inside:
            self._open.pop()


def columns(line: str) -> int:
    """Width of the leading white space, a tab reaching to the next multiple of four."""
    width = 0
    for character in line:
        if character == " ":
            width += 1
        elif character == "\t":
            width += 4 - width % 4
        else:
            break
    return width
