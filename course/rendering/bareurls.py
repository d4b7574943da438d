"""Makes links of addresses that stand in prose as they are, as GitHub does.

Refuses to do so inside code, inside another link, or where a learner's value goes on with it.
"""

from __future__ import annotations

from course.rendering.htmltree import Element, Ready
from course.source.bareurls import BARE, address_in

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
