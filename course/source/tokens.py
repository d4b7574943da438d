"""What is found in Markdown source before Markdown sees it: code, braces, and where they stood.

Holds values only; `scan` finds them. Refuses to judge what stands between braces.
"""

from __future__ import annotations

import bisect
import re
import sys
from dataclasses import dataclass, field
from typing import Literal

#: value `{{ }}`, tag `{% %}`, stray = opened and never closed, span and block = code, raw = HTML
#: `<pre>` or `<code>`, void = comments and scripts, which leave nothing, char = our own marks.
Kind = Literal["value", "tag", "stray", "span", "block", "raw", "void", "char"]

#: Token = OPEN + digits + CLOSE; private-use characters Markdown and HTML leave alone.
OPEN, CLOSE = "\U0010f7fe", "\U0010f7ff"
TOKEN = re.compile(f"{OPEN}([0-9]+){CLOSE}")

# An expression never holds a backtick (it would reach into code), a brace outside quotes,
# the start of an HTML tag or an empty line.
_INSIDE = (
    r"(?:\"[^\"\n`]*\"|'[^'\n`]*'|[^{}`\"'<\n%]|%(?!\})|<(?![A-Za-z/!])"
    r"|\n(?![ \t]*(?:\n|~~~|>|\Z)))"
)
VALUE = r"\{\{" + _INSIDE + r"{0,600}?\}\}"
TAG = r"\{%" + _INSIDE + r"{0,600}?%\}"


@dataclass(frozen=True, slots=True)
class Token:
    """One find. `source` as written; `content` the code itself or the inside of the braces."""

    kind: Kind
    source: str
    content: str
    #: Where it starts in the text that was scanned.
    offset: int
    language: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """What Markdown needs otherwise in one line: white space at `column`, `1.` for `1)`."""

    column: int
    space: int
    wanted: int
    #: Column of the bracket that becomes a dot; -1 for none.
    bracket: int


@dataclass(slots=True)
class Scan:
    """A text with tokens in place of code and braces."""

    source: str
    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    #: Offset of a fence that is never closed.
    open_fences: list[int] = field(default_factory=list)
    #: Lines whose indentation Markdown would misread, by their offset in the source.
    edits: dict[int, list[Edit]] = field(default_factory=dict)
    #: Where each piece of `text` starts, and where it comes from in the source.
    _pieces: list[tuple[int, int]] = field(default_factory=list)
    _ends: list[tuple[int, int]] = field(default_factory=list)

    def origin(self, position: int) -> int:
        """The offset in the source of a position in `text`."""
        if not self._ends:
            pairs = list(self._pieces)
            for match in TOKEN.finditer(self.text):
                token = self.tokens[int(match.group(1))]
                pairs.append((match.end(), token.offset + len(token.source)))
            self._ends = sorted([(0, 0), *pairs])
        start, offset = self._ends[bisect.bisect_right(self._ends, (position, sys.maxsize)) - 1]
        return min(offset + position - start, len(self.source))

    def apply_edits(self) -> None:
        """Move the lines of `text` to where Markdown reads them as they were meant."""
        if not self.edits:
            return
        edits = dict(self.edits)
        starts = dict(self._pieces)
        pieces: list[tuple[int, int]] = []
        out: list[str] = []
        position = length = 0
        for line in self.text.split("\n"):
            if position in starts:
                pieces.append((length, starts[position]))
            source = self.origin(position)
            position += len(line) + 1
            if source in edits and _is_meant(line, edits[source]):
                line, anchors = _edited(line, edits.pop(source))
                pieces.extend((length + to, source + behind) for to, behind in anchors)
            out.append(line)
            length += len(line) + 1
        self.text = "\n".join(out)
        self._pieces, self._ends = pieces, []

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of an offset in the source."""
        before = self.source.rfind("\n", 0, offset)
        return self.source.count("\n", 0, offset) + 1, offset - before

    def put(self, token: Token) -> str:
        self.tokens.append(token)
        return f"{OPEN}{len(self.tokens) - 1}{CLOSE}"


def _is_meant(line: str, edits: list[Edit]) -> bool:
    """False for an empty line of ours that stands before the one that is meant."""
    end = edits[-1].column + edits[-1].space
    return bool(line[end:].strip()) and all(
        not line[e.column : e.column + e.space].strip(" \t") for e in edits
    )


def _edited(line: str, edits: list[Edit]) -> tuple[str, list[tuple[int, int]]]:
    """The line as Markdown needs it, and which of its columns were which."""
    out, position = "", 0
    anchors = []
    for edit in edits:
        if edit.bracket >= 0:
            line = f"{line[: edit.bracket]}.{line[edit.bracket + 1 :]}"
        out += line[position : edit.column] + " " * edit.wanted
        position = edit.column + edit.space
        anchors.append((len(out), position))
    return out + line[position:], anchors
