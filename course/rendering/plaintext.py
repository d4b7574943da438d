"""Writes sanitised HTML as the plain text part of a mail.

A walker over the lesson's own tree, never over the finished page. Prose is wrapped at 72 columns;
code is left exactly as it is; template expressions pass through whole. Refuses to guess at layout:
a table that is wider than a mail becomes `label: value` lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from course.rendering.htmltree import Element, read

WIDTH = 72
_SPACE = re.compile(r"[ \t\n\r\f]+")
#: A word is never broken; an expression counts as part of its word, spaces and all.
_WORD = re.compile(r"(?:\{\{.*?\}\}|\{%.*?%\}|[^ \t\n\r\f])+")
_BLOCKS = frozenset(
    [
        *("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "tbody"),
        *("thead", "tfoot", "tr", "td", "th", "pre", "blockquote", "hr", "section", "article"),
        *("center", "figure", "figcaption", "caption", "dl", "dt", "dd"),
    ]
)
_BREAK = "\v"


@dataclass(slots=True)
class _Block:
    """Lines that belong together. `tight`: no empty line between it and the one before."""

    lines: list[str]
    tight: bool = False
    #: Code: never stripped, wrapped or indented.
    exact: bool = False


def to_text(html: str) -> str:
    """The text part of `html`; ends with a line end unless empty."""
    out: list[str] = []
    for block in _blocks(read(html).children, WIDTH):
        if out and not block.tight:
            out.append("")
        out.extend(block.lines if block.exact else [line.rstrip(" ") for line in block.lines])
    return "\n".join(out) + "\n" if out else ""


def _blocks(children: list[Element | str], width: int) -> Iterator[_Block]:
    run: list[Element | str] = []
    for child in children:
        if isinstance(child, Element) and child.tag in _BLOCKS:
            yield from _paragraph(run, width)
            run = []
            yield from _block(child, width)
        else:
            run.append(child)
    yield from _paragraph(run, width)


def _paragraph(run: list[Element | str], width: int) -> Iterator[_Block]:
    text = _inline(run)
    lines = [line for piece in text.split(_BREAK) for line in _wrap(piece, width)]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    if lines:
        yield _Block(lines)


def _block(element: Element, width: int) -> Iterator[_Block]:
    match element.tag:
        case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
            yield from _heading(element, width)
        case "ul" | "ol":
            yield from _list(element, width)
        case "pre":
            yield _Block(element.text().split("\n"), exact=True)
        case "blockquote":
            yield from _prefixed(list(_blocks(element.children, width - 2)), "> ", "> ")
        case "hr":
            yield _Block(["-" * 24])
        case "table" if element.attr("role") != "presentation":
            yield from _table(element, width)
        case _:
            yield from _blocks(element.children, width)


def _heading(element: Element, width: int) -> Iterator[_Block]:
    for block in _paragraph(element.children, width):
        rule = "=" if element.tag == "h1" else "-" if element.tag == "h2" else "~"
        longest = max(len(line) for line in block.lines)
        yield _Block([*block.lines, rule * min(longest, width)])


def _list(element: Element, width: int) -> Iterator[_Block]:
    start = element.attr("start")
    number = int(start) if start.lstrip("-").isdigit() else 1
    items = [c for c in element.elements() if c.tag == "li"]
    wide = len(f"{number + len(items) - 1}. ")
    loose = any(c.tag == "p" for item in items for c in item.elements())
    for place, item in enumerate(items):
        mark = "- " if element.tag == "ul" else f"{number + place}. ".ljust(wide)
        inner = list(_blocks(item.children, width - len(mark))) or [_Block([""])]
        for index, block in enumerate(inner[1:], 1):
            # A nested list follows its item without an empty line.
            if not loose and not block.exact and not inner[index - 1].exact:
                block.tight = True
        prefixed = list(_prefixed(inner, mark, " " * len(mark)))
        if prefixed and place and not loose and not prefixed[0].exact:
            prefixed[0].tight = True
        yield from prefixed


def _prefixed(blocks: list[_Block], first: str, rest: str) -> Iterator[_Block]:
    """Put a prefix before every line. Code in a list keeps its own first column."""
    mark = first
    quoted = rest.strip() != ""
    for index, block in enumerate(blocks):
        if quoted and index and not block.tight:
            yield _Block([rest.rstrip()], tight=True)
        if block.exact and not quoted:
            if mark != rest:
                yield _Block([mark.rstrip()], tight=block.tight)
                mark = rest
            yield block
            continue
        lines = [(mark if i == 0 else rest) + line for i, line in enumerate(block.lines)]
        mark = rest
        yield _Block(lines, tight=block.tight or (quoted and index > 0), exact=block.exact)


def _table(element: Element, width: int) -> Iterator[_Block]:
    rows = [
        [c for c in row.elements() if c.tag in {"td", "th"}]
        for row in element.walk()
        if row.tag == "tr"
    ]
    texts = [[" ".join(_inline(cell.children).split()) for cell in row] for row in rows if row]
    if not texts:
        return
    columns = max(len(row) for row in texts)
    texts = [row + [""] * (columns - len(row)) for row in texts]
    widths = [max(len(row[i]) for row in texts) for i in range(columns)]
    has_head = all(cell.tag == "th" for cell in next(row for row in rows if row))
    if sum(widths) + 2 * (columns - 1) <= width:
        lines = ["  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) for row in texts]
        if has_head:
            lines.insert(1, "  ".join("-" * max(w, 1) for w in widths))
        yield _Block(lines)
        return
    head = texts.pop(0) if has_head else [""] * columns
    for row in texts:
        lines = []
        for label, value in zip(head, row, strict=True):
            if value:
                piece = f"{label}: {value}" if label else value
                lines.extend(_wrap(piece, width, "  "))
        if lines:
            yield _Block(lines)


def _inline(children: list[Element | str]) -> str:
    """One run of text; line breaks of the author's are marked, other white space is one space."""
    out: list[str] = []
    for child in children:
        if isinstance(child, str):
            out.append(_SPACE.sub(" ", child))
            continue
        match child.tag:
            case "br":
                out.append(_BREAK)
            case "img":
                alt = " ".join(child.attr("alt").split())
                out.append(f"[Image: {alt}]" if alt else "")
            case "a":
                out.append(_link(child))
            case "code" if "`" not in child.text() and child.text():
                out.append(f"`{child.text()}`")
            case "del" | "s" | "strike":
                out.append(f"~~{_inline(child.children)}~~")
            case "q":
                out.append(f'"{_inline(child.children)}"')
            case "wbr":
                pass
            case _:
                out.append(_inline(child.children))
    return "".join(out)


def _link(element: Element) -> str:
    text = _inline(element.children)
    href = element.attr("href")
    address = href.removeprefix("mailto:")
    shown = " ".join(text.split())
    if not href or shown in {href, address}:
        return text
    if not shown:
        return f"<{address}>"
    return f"{text} <{address}>"


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    lines, line = [], ""
    for word in _WORD.findall(text):
        if line.strip() and len(line) + 1 + len(word) > max(width, 20):
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line.strip() else line + word
    return [*lines, line]
