"""Looks at raw HTML inside Markdown, by its source, so that every find has a line.

Refuses to clean anything: `markup` does that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from course.source.tokens import Scan

#: Tags whose end HTML lets one leave out, and those that have none.
_OPEN_ENDED = frozenset(
    [
        *("p", "li", "td", "th", "tr", "dt", "dd", "thead", "tbody", "tfoot", "option", "rp", "rt"),
        *("br", "hr", "img", "input", "col", "wbr", "source", "track", "area", "base", "embed"),
        *("link", "meta", "param", "colgroup"),
    ]
)
_CLOSED = frozenset(
    [
        *("a", "abbr", "address", "article", "aside", "audio", "b", "bdi", "bdo", "big", "body"),
        *("blockquote", "button", "canvas", "caption", "center", "cite", "code", "data", "del"),
        *("details", "dfn", "dialog", "div", "dl", "em", "fieldset", "figcaption", "figure"),
        *("font", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "html"),
        *("i", "iframe", "ins", "kbd", "label", "legend", "main", "map", "mark", "math", "nav"),
        *("object", "ol", "output", "picture", "pre", "q", "ruby", "s", "samp", "script"),
        *("section", "select", "small", "span", "strike", "strong", "style", "sub", "summary"),
        *("sup", "svg", "table", "template", "textarea", "time", "tt", "u", "ul", "var", "video"),
    ]
)
#: What mail programs drop or show wrongly, with what to do instead.
NOT_IN_MAIL = {
    "iframe": "a link on a line of its own",
    "video": "a link on a line of its own",
    "audio": "a link on a line of its own",
    "script": "plain text; mail runs no script",
    "style": "the course's templates for looks",
    "form": "a link to a page with the form",
    "input": "a task list (`- [ ] item`)",
    "button": "a link",
    "select": "a list",
    "textarea": "a question in the text",
    "svg": "a PNG picture",
    "canvas": "a PNG picture",
    "object": "a link",
    "embed": "a link",
}
_TAG = re.compile(
    r"(?<!\\)<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*)"
    r"(?=[\s/>])(?P<rest>(?:[^<>\"']|\"[^\"<>]{0,2000}\"|'[^'<>]{0,2000}'|[\"']){0,4000}?)>"
)


def tags(found: Scan) -> Iterator[re.Match[str]]:
    """Every tag in the prose; `found.origin(match.start())` is its offset in the source."""
    return _TAG.finditer(found.text)


def nesting(found: Scan) -> int:
    """How deep tags stand inside one another, unclosed ones counted."""
    depth = deepest = 0
    for tag in tags(found) if "<" in found.text else ():
        if tag.group("name").lower() in _CLOSED:
            depth = max(0, depth - 1) if tag.group("close") else depth + 1
            deepest = max(deepest, depth)
    return deepest


def unclosed(found: Scan) -> Iterator[tuple[int, str]]:
    """Offsets of tags that are opened and never closed, with the cure."""
    if "<" not in found.text:
        return
    open_at: dict[str, list[int]] = {}
    for tag in tags(found):
        name = tag.group("name").lower()
        if name not in _CLOSED or tag.group("rest").endswith("/"):
            continue
        if not tag.group("close"):
            open_at.setdefault(name, []).append(tag.start())
        elif open_at.get(name):
            open_at[name].pop()
    for name, positions in open_at.items():
        for position in positions:
            yield (
                found.origin(position),
                f"`<{name}>` is never closed: add `</{name}>`, or write `\\<{name}>` to show it",
            )


def questionable(found: Scan) -> Iterator[tuple[int, str, str]]:
    """(offset, rule, cure) of tags that are unknown, or that no mail program shows."""
    told: set[str] = set()
    for token in found.tokens:
        match = re.match(r"<(script|style|textarea)", token.source, re.IGNORECASE)
        if token.kind == "void" and match and match.group(1).lower() not in told:
            name = match.group(1).lower()
            told.add(name)
            yield token.offset, "not-in-mail", _instead(name)
    for tag in tags(found):
        name = tag.group("name").lower()
        if tag.group("close") or name in told:
            continue
        if name in NOT_IN_MAIL:
            told.add(name)
            yield found.origin(tag.start()), "not-in-mail", _instead(name)
        elif name not in _CLOSED | _OPEN_ENDED:
            told.add(name)
            yield (
                found.origin(tag.start()),
                "unknown-html",
                f"`<{name}>` is not HTML and would vanish: write `\\<{name}>`, or use `backticks`",
            )


def _instead(name: str) -> str:
    return f"`<{name}>` does not work in mail and is taken out: use {NOT_IN_MAIL[name]}"
