"""Replaces code and template expressions in Markdown source by opaque tokens.

So Markdown can neither mangle an expression nor look inside code. Refuses to judge Markdown
itself: everything that is neither code nor braces passes through untouched.
"""

from __future__ import annotations

import bisect
import re

from course.source.blocks import pieces
from course.source.tokens import CLOSE, OPEN, TAG, VALUE, Scan, Token

_INLINE = re.compile(
    r"(?P<escape>\\[\\`{}<])"
    r"|(?P<span>(?<!`)`+(?!`))"
    r"|(?P<comment><!--)"
    r"|(?P<raw><(?P<name>pre|code|script|style|textarea)\b[^<>]*>)"
    rf"|(?P<value>{VALUE})|(?P<tag>{TAG})|(?P<stray>\{{[{{%])"
    rf"|(?P<char>[{OPEN}{CLOSE}])",
    re.DOTALL | re.IGNORECASE,
)
#: Every find starts with one of these; jumping from one to the next is the quick way.
_OPENER = re.compile(rf"[\\`<{{{OPEN}{CLOSE}]")
_RUN = re.compile("`+")
_PARAGRAPH_END = re.compile(r"\n[ \t]*(?:\n|\Z)")
_UNSHOWN = frozenset({"script", "style", "textarea"})


def scan(source: str) -> Scan:
    """Replace code and braces by tokens. Line ends must already be `\\n`. Never raises."""
    found = Scan(source)
    out: list[str] = []
    length = 0
    for offset, piece in pieces(source, found):
        if offset is not None:
            found._pieces.append((length, offset))
            piece = _inline(piece, offset, found)
        out.append(piece)
        length += len(piece)
    found.text = "".join(out)
    found.apply_edits()
    return found


def scan_line(source: str) -> Scan:
    """The same for one-line texts: only code spans and braces, no blocks."""
    found = Scan(source)
    found.text = _inline(source, 0, found)
    return found


def _inline(text: str, base: int, found: Scan) -> str:
    out: list[str] = []
    position = 0
    #: Closing marks that are nowhere ahead: looking again would take quadratic time.
    missing: set[str] = set()
    ticks: _Ticks | None = None
    while match := _next(text, position):
        start, end = match.span()
        out.append(text[position:start])
        source = match.group()
        kind = "raw" if match.group("name") else match.lastgroup
        token: Token | None = None
        if kind == "span":
            ticks = ticks or _Ticks(text)
            close = ticks.closing(end, len(source))
            if close >= 0:
                end = close + len(source)
                content = _span_content(text, start, end, len(source))
                token = Token("span", text[start:end], content, base + start)
        elif kind in {"raw", "comment"}:
            name = (match.group("name") or "").lower()
            end = _after_closing(text, end, name, missing)
            if end:
                whole = text[start:end]
                shown = name and name not in _UNSHOWN
                token = Token("raw" if shown else "void", whole, whole, base + start)
            else:
                end = match.end()
        elif kind == "value":
            token = Token("value", source, _inside(source), base + start)
        elif kind == "tag":
            token = Token("tag", source, _inside(source), base + start)
        elif kind == "stray":
            token = Token("stray", source, source, base + start)
        elif kind == "char":
            token = Token("char", source, source, base + start)
        out.append(found.put(token) if token else source)
        position = end
    out.append(text[position:])
    return "".join(out)


def _next(text: str, position: int) -> re.Match[str] | None:
    while opener := _OPENER.search(text, position):
        if match := _INLINE.match(text, opener.start()):
            return match
        position = opener.end()
    return None


def _inside(source: str) -> str:
    return source[2:-2].removeprefix("-").removesuffix("-").strip()


class _Ticks:
    """Where runs of backticks stand, by their length; found once for a whole text."""

    def __init__(self, text: str) -> None:
        self.starts: dict[int, list[int]] = {}
        for run in _RUN.finditer(text):
            self.starts.setdefault(len(run.group()), []).append(run.start())
        self.ends = [gap.start() for gap in _PARAGRAPH_END.finditer(text)]
        self.ends.append(len(text))

    def closing(self, position: int, count: int) -> int:
        """Where the next run of exactly `count` starts in this paragraph; -1 if nowhere."""
        starts = self.starts.get(count, [])
        place = bisect.bisect_left(starts, position)
        end = self.ends[min(bisect.bisect_left(self.ends, position), len(self.ends) - 1)]
        return starts[place] if place < len(starts) and starts[place] < end else -1


def _span_content(text: str, start: int, end: int, ticks: int) -> str:
    code = re.sub(r"\n[ \t]*", " ", text[start + ticks : end - ticks])
    if code.startswith(" ") and code.endswith(" ") and code.strip(" "):
        code = code[1:-1]
    line = text[text.rfind("\n", 0, start) + 1 : start].lstrip()
    return code.replace("\\|", "|") if line.startswith("|") else code


def _after_closing(text: str, position: int, name: str, missing: set[str]) -> int:
    """The position after `</name>` or `-->`; 0 when there is none."""
    if name in missing:
        return 0
    closing = rf"</{name}\s*>" if name else "-->"
    match = re.compile(closing, re.IGNORECASE).search(text, position)
    if match is None:
        missing.add(name)
        return 0
    return match.end()
