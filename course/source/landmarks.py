"""Finds links, pictures and headings in Markdown source, each with its place.

Reads the scanned text, so code never counts. Refuses to render: what Markdown makes of a strange
corner may differ, the line number is what matters here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from course.source.bareurls import BARE, address_in
from course.source.expressions import Fault, is_address
from course.source.rawhtml import tags
from course.source.tokens import TOKEN, Scan, Token

_LABEL = r"\[(?P<label>(?:[^\[\]\\]|\\.|\[[^\[\]]{0,300}\](?:\([^()\s]{0,500}\))?){0,600}?)\]"
_TARGET = (
    r"\(\s*(?:<(?P<angled>[^<>\n]*)>|(?P<bare>(?:[^()\s<>]|\([^()\s]{0,500}\))*))"
    r"(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"
)
_INLINE = re.compile(rf"(?<!\\)(?P<image>!?){_LABEL}{_TARGET}")
_NESTED_IMAGE = re.compile(rf"(?<!\\)!{_LABEL}{_TARGET}")
_BY_NAME = re.compile(r"(?<!\\)!\[(?P<label>[^\[\]\n]{0,300})\]\[(?P<name>[^\[\]\n]{0,200})\]")
_DEFINITION = re.compile(
    r"^[ ]{0,3}\[(?P<name>[^\]\^\n][^\]\n]*)\]:[ \t]*<?(?P<url>[^\s>]+)", re.MULTILINE
)
_AUTOMATIC = re.compile(r"<(?P<url>(?:https?|ftp)://[^<>\s]+)>")
_ATTRIBUTE = re.compile(
    r"(?P<name>[A-Za-z-]+)\s*=\s*(?:\"(?P<a>[^\"]*)\"|'(?P<b>[^']*)'|(?P<c>[^\s\"'>]+))"
)
_HEADING = re.compile(r"^[ ]{0,3}(?P<hashes>#{1,6})[ \t]*(?P<words>[^\n#][^\n]*)$", re.MULTILINE)
_UNDERLINED = re.compile(r"^(?P<words>[^\s#>|\-=][^\n]*)\n(?P<rule>=+|-{2,})[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Link:
    """A link. `offset` is into the scanned source; tokens stay in `text` and `url`."""

    text: str
    url: str
    offset: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture; `alt` is None when a raw `<img>` has none at all."""

    alt: str | None
    src: str
    offset: int


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Landmarks:
    """All of one text, in order of place."""

    links: tuple[Link, ...]
    pictures: tuple[Picture, ...]
    headings: tuple[Heading, ...]


def landmarks(found: Scan) -> Landmarks:
    """What stands where in a scanned text."""
    links: list[Link] = []
    pictures: list[Picture] = []
    text = found.text
    if "[" in text:
        _from_markdown(found, links, pictures)
    if "<" in text:
        _from_html(found, links, pictures)
    if "://" in text:
        links.extend(_bare(found))
    headings = [
        Heading(len(m.group("hashes")), m.group("words").strip(" #"), found.origin(m.start()))
        for m in _HEADING.finditer(text)
    ] + [
        Heading(1 if m.group("rule")[0] == "=" else 2, m.group("words"), found.origin(m.start()))
        for m in _UNDERLINED.finditer(text)
    ]
    return Landmarks(
        tuple(sorted(links, key=lambda x: x.offset)),
        tuple(sorted(pictures, key=lambda x: x.offset)),
        tuple(sorted(headings, key=lambda x: x.offset)),
    )


def _from_markdown(found: Scan, links: list[Link], pictures: list[Picture]) -> None:
    text = found.text
    definitions = {
        m.group("name").casefold(): (m.group("url"), m.start()) for m in _DEFINITION.finditer(text)
    }
    for match in _INLINE.finditer(text):
        url = match.group("angled") or match.group("bare") or ""
        offset = found.origin(match.start())
        if match.group("image"):
            pictures.append(Picture(match.group("label"), url, offset))
            continue
        for inner in _NESTED_IMAGE.finditer(match.group("label")):
            src = inner.group("angled") or inner.group("bare") or ""
            pictures.append(Picture(inner.group("label"), src, offset))
        links.append(Link(match.group("label"), url, offset))
    shown = set()
    for match in _BY_NAME.finditer(text):
        name = (match.group("name") or match.group("label")).casefold()
        shown.add(name)
        if name in definitions:
            src = definitions[name][0]
            pictures.append(Picture(match.group("label"), src, found.origin(match.start())))
    links.extend(
        Link(name, url, found.origin(start))
        for name, (url, start) in definitions.items()
        if name not in shown
    )


def _from_html(found: Scan, links: list[Link], pictures: list[Picture]) -> None:
    links.extend(
        Link(match.group("url"), match.group("url"), found.origin(match.start()))
        for match in _AUTOMATIC.finditer(found.text)
    )
    for tag in tags(found):
        name = tag.group("name").lower()
        if tag.group("close") or name not in {"a", "img"}:
            continue
        attributes = {
            m.group("name").lower(): m.group("a") or m.group("b") or m.group("c") or ""
            for m in _ATTRIBUTE.finditer(tag.group("rest"))
        }
        offset = found.origin(tag.start())
        if name == "img":
            pictures.append(Picture(attributes.get("alt"), attributes.get("src", ""), offset))
        elif "href" in attributes:
            end = found.text.find("</", tag.end(), tag.end() + 500)
            words = found.text[tag.end() : end] if end > 0 else ""
            links.append(Link(words, attributes["href"], offset))


def _bare(found: Scan) -> Iterator[Link]:
    """Addresses in prose, which become links; not those that are part of a link already."""
    text = found.text
    taken = [m.span() for rule in (_INLINE, _DEFINITION, _AUTOMATIC) for m in rule.finditer(text)]
    for tag in tags(found):
        is_link = tag.group("name").lower() == "a" and not tag.group("close")
        end = text.find("</a", tag.end()) if is_link else -1
        taken.append((tag.start(), max(tag.end(), end)))
    taken.sort()
    place = reach = 0
    for match in BARE.finditer(text):
        while place < len(taken) and taken[place][0] <= match.start():
            reach = max(reach, taken[place][1])
            place += 1
        if match.start() < reach or TOKEN.search(match.group()):
            continue
        if address := address_in(match.group()):
            yield Link(address, address, found.origin(match.start()))


def unsafe_addresses(found: Scan) -> Iterator[tuple[int, Fault]]:
    """Addresses that would start with something a learner typed, which could be a script."""
    if not TOKEN.search(found.text):
        return
    marks = landmarks(found)
    for url, offset in [
        *((link.url, link.offset) for link in marks.links),
        *((picture.src, picture.offset) for picture in marks.pictures),
    ]:
        if TOKEN.match(url) and not may_start_address(url, found.tokens):
            yield (
                offset,
                Fault(
                    "link-value",
                    "",
                    "this address starts with a value that is not an address: start it with "
                    "https:// or with one of the `url.` values",
                ),
            )


def may_start_address(url: str, tokens: list[Token]) -> bool:
    """True when what stands first in `url` is one of our own addresses."""
    found = [tokens[n] for n in map(int, TOKEN.findall(url)) if n < len(tokens)]
    if not found or not TOKEN.match(url):
        return False
    if found[0].kind == "value":
        return is_address(found[0].content)
    # With `{% if %}` in front, any of the values may come first.
    return all(
        token.kind == "tag" or (token.kind == "value" and is_address(token.content))
        for token in found
    )
