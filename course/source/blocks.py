"""Walks the lines of a Markdown text and finds code blocks: fences, and indented ones.

Decides by itself what a code block is, so that checking and rendering cannot disagree; a block in
a list or a quote stays there. Refuses to look at what stands inside paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from course.source.lists import LEVEL, Lists, columns
from course.source.tokens import TAG, Edit, Scan, Token

_FENCE = re.compile(
    r"^(?P<lead>(?:[ ]{0,3}>)*(?:(?<=>)[ ])?)(?P<indent>[ \t]*)"
    r"(?P<marker>(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)?(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})(?P<info>.*)$"
)
_QUOTED = re.compile(r"^(?:[ ]{0,3}>)+")
_QUOTE_LEAD = re.compile(r"^(?:[ ]{0,3}>[ ]?)+")
_RAW_START = re.compile(r"^\s*(?:<(?P<name>pre|script|style|textarea)\b|<!--)", re.IGNORECASE)
_LANGUAGE = re.compile(r"^[ ]*\{?[ ]*\.?(?P<name>[A-Za-z0-9_+#.-]*)")
_HTML = re.compile(
    r"<(?P<close>/?)(?P<name>address|article|aside|blockquote|center|details|dialog|div|dl|"
    r"fieldset|figcaption|figure|footer|form|header|main|nav|ol|section|summary|table|tbody|td|"
    r"tfoot|th|thead|tr|ul)\b[^>]*>",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"^[ \t]*{TAG}[ \t]*$")


def pieces(source: str, found: Scan) -> Iterator[tuple[int | None, str]]:
    """Pieces of text in order: (offset, prose) or (None, ready token line)."""
    yield from _Lines(source).pieces(found)


class _Lines:
    """Walks the lines, and keeps in mind in which lists and raw HTML it stands."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = source.split("\n")
        self.offsets = [0]
        for line in self.lines:
            self.offsets.append(self.offsets[-1] + len(line) + 1)
        self.lists = Lists()
        #: The lists inside the quote that goes on, and how deep that quote is.
        self.quoted = Lists()
        self.quotes = 0
        self.html = 0
        #: Raw elements with no end tag ahead: looking again would take quadratic time.
        self.endless: set[str] = set()

    def pieces(self, found: Scan) -> Iterator[tuple[int | None, str]]:
        index, prose_from = 0, 0
        while index < len(self.lines):
            line = self.lines[index]
            block = self._fenced(index, found) or self._indented(index)
            if block:
                end, lead, token = block
                if prose_from < index:
                    yield self._prose(prose_from, index)
                bare = lead.rstrip() if ">" in lead else ""
                after_blank = self.lists.after_blank
                blank_before = "" if after_blank or lead.strip(" \t>") else f"{bare}\n"
                yield None, f"{blank_before}{lead}{found.put(token)}\n{bare}\n"
                index = prose_from = end
                self.lists.blank()
                continue
            if _ALONE.match(line):
                # A tag alone on its line stands between blocks, not inside one.
                if prose_from < index:
                    yield self._prose(prose_from, index)
                yield None, "\n"
                yield self.offsets[index], line + "\n\n"
                self.lists.blank()
                self._remember(index, found)
                self.lists.blank()
                index += 1
                prose_from = index
                continue
            skip = self._raw(index)
            self._remember(index, found)
            index = skip
        if prose_from < len(self.lines):
            yield self._prose(prose_from, len(self.lines))

    def _prose(self, start: int, end: int) -> tuple[int, str]:
        return self.offsets[start], self.source[self.offsets[start] : self.offsets[end]]

    def _raw(self, index: int) -> int:
        """The line after a raw `<pre>`, script, style or comment; else the next line."""
        match = _RAW_START.match(self.lines[index])
        if not match:
            return index + 1
        name = (match.group("name") or "").lower()
        if name in self.endless:
            return index + 1
        end = re.compile(rf"</{name}\s*>" if name else "-->", re.IGNORECASE)
        close = end.search(self.source, self.offsets[index] + match.end())
        if not close:
            self.endless.add(name)
            return index + 1
        return index + 1 + self.source.count("\n", self.offsets[index], close.end())

    def _remember(self, index: int, found: Scan) -> None:
        line = self.lines[index]
        if not line.strip():
            self.lists.blank()
            self.quotes = 0
            return
        if self.html or line.lstrip().startswith("<"):
            for tag in _HTML.finditer(line):
                self.html = max(0, self.html + (-1 if tag.group("close") else 1))
        self._place(index, 0, self.lists, found)
        if quote := _QUOTE_LEAD.match(line):
            if quote.group().count(">") != self.quotes:
                self.quoted, self.quotes = Lists(), quote.group().count(">")
            self._place(index, quote.end(), self.quoted, found)

    def _place(self, index: int, column: int, lists: Lists, found: Scan) -> None:
        line = self.lines[index][column:]
        lead = lists.place(line)
        if lead.columns != columns(line) or lead.bracket >= 0:
            space = len(line) - len(line.lstrip(" \t"))
            bracket = column + lead.bracket if lead.bracket >= 0 else -1
            edit = Edit(column, space, lead.columns, bracket)
            found.edits.setdefault(self.offsets[index], []).append(edit)

    def _fenced(self, index: int, found: Scan) -> tuple[int, str, Token] | None:
        match = _FENCE.match(self.lines[index])
        if not match or self._is_indented_code(index):
            return None
        lead, fence = match.group("lead"), match.group("fence")
        indent, marker = match.group("indent"), match.group("marker") or ""
        width = columns(indent) + len(marker.expandtabs(4))
        closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
        code: list[str] = []
        end = index + 1
        while True:
            if end >= len(self.lines):
                found.open_fences.append(self.offsets[index])
                break
            line = self.lines[end]
            if lead:
                quoted = _QUOTED.match(line)
                if not quoted:
                    break
                line = _without_quote(line, lead.count(">"))
            if closing.match(line) and columns(line) - width < 4:
                end += 1
                break
            code.append(_dedent(line, width))
            end += 1
        language = _LANGUAGE.match(match.group("info"))
        token = Token(
            "block",
            self.source[self.offsets[index] : self.offsets[end] - 1],
            "\n".join(code),
            self.offsets[index],
            language.group("name") if language else "",
        )
        if lead:
            return end, lead + indent + marker, token
        return end, " " * self.lists.code(self.lines[index]) + marker.replace(")", "."), token

    def _is_indented_code(self, index: int) -> bool:
        line = self.lines[index]
        return (
            bool(line.strip())
            and self.lists.after_blank
            and not self.html
            and columns(line) >= self.lists.code_from
        )

    def _indented(self, index: int) -> tuple[int, str, Token] | None:
        if not self._is_indented_code(index):
            return None
        width = self.lists.code_from
        end = index
        while end < len(self.lines) and (
            not self.lines[end].strip() or columns(self.lines[end]) >= width
        ):
            end += 1
        while not self.lines[end - 1].strip():
            end -= 1
        code = "\n".join(_dedent(line, width) for line in self.lines[index:end])
        source = self.source[self.offsets[index] : self.offsets[end] - 1]
        return (
            end,
            " " * (LEVEL * self.lists.depth),
            Token("block", source, code, self.offsets[index]),
        )


def _dedent(line: str, width: int) -> str:
    """Take away up to `width` columns of leading white space."""
    taken = 0
    for position, character in enumerate(line):
        if taken >= width or character not in " \t":
            return line[position:]
        step = 1 if character == " " else 4 - taken % 4
        if taken + step > width:
            return " " * (taken + step - width) + line[position + 1 :]
        taken += step
    return ""


def _without_quote(line: str, depth: int) -> str:
    for _ in range(depth):
        match = re.match(r"^[ ]{0,3}>[ ]?", line)
        if not match:
            break
        line = line[match.end() :]
    return line
