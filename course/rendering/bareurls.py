"""Makes links of addresses that stand in prose as they are, as GitHub does.

Refuses to guess: only what begins with http:// or https:// is an address, and never inside code,
inside another link, or where a value of the learner's goes on with it.
"""

from __future__ import annotations

import re

from course.rendering.htmltree import Element, Ready

#: An address up to white space or a bracket that no address holds; its end is judged afterwards.
BARE = re.compile(r"(?<![\w/@.&=+-])https?://[^\s<>\"`|\\^{}\u0000-\u001f]+", re.IGNORECASE)
_HOST = re.compile(r"https?://(?:[^/?#@\s]*@)?(?:\[[0-9a-f:.]+\]|[^\W_][\w.-]*)", re.IGNORECASE)
_TRAILING = ".,;:!?'\u2019\u201d\u00bb\u2026*_~"
_PAIRS = {")": "(", "]": "["}
_CLOSED = frozenset({"a", "code", "pre"})


def link_bare_urls(parent: Element) -> None:
    """Change the tree in place."""
    children: list[Element | str] = []
    for place, child in enumerate(parent.children):
        if isinstance(child, Element):
            if child.tag not in _CLOSED:
                link_bare_urls(child)
            children.append(child)
        elif isinstance(child, Ready) or "://" not in child:
            children.append(child)
        else:
            after = parent.children[place + 1 : place + 2]
            children.extend(_linked(child, goes_on=bool(after) and isinstance(after[0], Ready)))
    parent.children = children


def address_in(text: str) -> str:
    """The address that `text`, a match of `BARE`, begins with; empty when it is none.

    What ends a sentence or closes a bracket opened before the address is no part of it.
    """
    while text:
        last = text[-1]
        if last in _TRAILING or (last in _PAIRS and text.count(last) > text.count(_PAIRS[last])):
            text = text[:-1]
        else:
            break
    return text if _HOST.match(text) else ""


def _linked(text: str, *, goes_on: bool) -> list[Element | str]:
    out: list[Element | str] = []
    position = 0
    for match in BARE.finditer(text):
        if goes_on and match.end() == len(text):
            break
        if address := address_in(match.group()):
            end = match.start() + len(address)
            out.append(text[position : match.start()])
            out.append(Element("a", {"href": address}, [address]))
            position = end
    out.append(text[position:])
    return [piece for piece in out if piece != ""]
