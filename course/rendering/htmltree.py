"""A small tree of sanitised HTML: read it, change it, write it.

Refuses to clean: feed it only what nh3 has cleaned, which is always well formed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

VOID = frozenset({"br", "hr", "img", "input", "col", "wbr", "source", "track"})
#: A literal brace that a template engine would take for the start of an expression.
_BRACES = re.compile(r"\{\{+|\{(?=[%#]|\Z)")


class Ready(str):
    """Text that is written as it is: a template expression, already safe inside HTML."""

    __slots__ = ()


class Element:
    """One element; the root has an empty tag."""

    __slots__ = ("attrs", "children", "tag")

    def __init__(
        self,
        tag: str,
        attrs: dict[str, str | list[str]] | None = None,
        children: list[Element | str] | None = None,
    ) -> None:
        self.tag = tag
        self.attrs: dict[str, str | list[str]] = attrs or {}
        self.children: list[Element | str] = children if children is not None else []

    def attr(self, name: str) -> str:
        value = self.attrs.get(name, "")
        return value if isinstance(value, str) else "".join(value)

    def walk(self) -> Iterator[Element]:
        """This element and all below, parents first; safe while children are being replaced."""
        yield self
        for child in list(self.children):
            if isinstance(child, Element):
                yield from child.walk()

    def elements(self) -> list[Element]:
        return [child for child in self.children if isinstance(child, Element)]

    def text(self) -> str:
        """All text below, expressions included."""
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)

    def has_class(self, name: str) -> bool:
        return name in self.attr("class").split()

    def is_blank(self) -> bool:
        return not self.elements() and not self.text().strip()


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self.open) - 1, 0, -1):
            if self.open[depth].tag == tag:
                del self.open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(html: str) -> Element:
    """The tree of some sanitised HTML."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


def write(element: Element) -> str:
    """HTML that is also template source: only `Ready` text is left for the template engine."""
    out: list[str] = []
    _write(element, out)
    return "".join(out)


def _write(element: Element, out: list[str]) -> None:
    if element.tag:
        out.append(f"<{element.tag}")
        for name, value in element.attrs.items():
            pieces = [value] if isinstance(value, str) else value
            out.append(f' {name}="{"".join(_escaped(p, in_attribute=True) for p in pieces)}"')
        out.append(">")
        if element.tag in VOID:
            return
    for child in element.children:
        if isinstance(child, Element):
            _write(child, out)
        else:
            out.append(_escaped(child))
    if element.tag:
        out.append(f"</{element.tag}>")


def _escaped(text: str, *, in_attribute: bool = False) -> str:
    if isinstance(text, Ready):
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = text.replace("\u00a0", "&nbsp;")
    if in_attribute:
        text = text.replace('"', "&quot;")
    return literal(text)


def literal(text: str) -> str:
    """`text` as template source that prints exactly `text`."""
    return _BRACES.sub(lambda m: "{{ '" + m.group() + "' }}", text) if "{" in text else text
