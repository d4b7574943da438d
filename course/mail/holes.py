"""Keeps the `{{ }}` and `{% if %}` of a lesson apart from the text around them.

While Markdown becomes HTML and the layout is inlined, every tag hides behind a mark of letters
and figures; afterwards the finished page is cut at the marks into fixed text and holes. A learner's
value therefore never meets a parser. It refuses holes where a value could become more than text:
at the start of an address, in a style, in a tag's name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from jinja2 import Template, TemplateError, nodes
from markupsafe import escape

from course.errors import CourseError
from course.source import expressions, variables

#: Where a hole stands decides how its value is escaped: text of a page or an attribute, part of
#: an address, text of a text part or header.
Place = Literal["html", "query", "text"]

# No braces outside strings and no endless strings: a page full of `{{` is judged in time.
_STRING = r"\"(?:\\.|[^\"\\]){0,300}\"|'(?:\\.|[^'\\]){0,300}'"
_INSIDE = rf"(?:{_STRING}|[^\"'{{}}%]|%(?!\}})){{0,600}}?"
_TAG = re.compile(rf"\{{\{{{_INSIDE}\}}\}}|\{{%{_INSIDE}%\}}|\{{#[^{{}}]{{0,600}}?#\}}", re.DOTALL)
_HTML_TAG = re.compile(
    r"<!--.*?-->|<[A-Za-z/!][^\"'<>]*(?:(?:\"[^\"]*\"|'[^']*')[^\"'<>]*)*>", re.DOTALL
)
_ATTRIBUTE = re.compile(r"([A-Za-z_:-]+)\s*=\s*\"([^\"]*)\"")
_STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL | re.IGNORECASE)
_ADDRESS_BEFORE = re.compile(r"(?:https?://|mailto:)[^\s<>]*\Z")
_BARE_URL = re.compile(r"\{\{\s*url\.[a-z]+\s*\}\}\Z")
#: Braces that are meant as text, as `markup` writes them; one character holds the place of one.
_LITERAL = re.compile(r"\{\{ '(\{+)' \}\}")
_BRACE = "\U0010f7fd"
_NAME = re.compile(r"\b([a-z]+)\.([a-z_]+)")
#: Columns a value usually takes, where a mark would be narrower: an address has its own line.
_ROOM = {
    "url": 72, "learner.days": 20, "learner.asked_at": 33, "learner.address": 40,
    "learner.new_address": 30,
}  # fmt: skip
_BLOCK_DEPTH = {"if": 1, "endif": -1}


class HoleError(CourseError):
    """A `{{ }}` that cannot be filled; the message says what can stand there."""


@dataclass(frozen=True, slots=True)
class Hole:
    """One value, or one `{% if %}` with all between it and its `{% endif %}`."""

    #: The same for holes that always hold the same text.
    source: str
    place: Place
    #: `learner.first_name`, `url.read`...: the learner's values it is made of, sorted.
    names: tuple[str, ...]
    #: Set when the hole is one bare name, which needs no template to be filled.
    bare: str
    template: Template | None = field(default=None, compare=False, repr=False)
    #: Values that all learners share, used beside the learner's.
    constants: Mapping[str, str | int] = field(default_factory=dict, compare=False, repr=False)

    def fill(self, values: Mapping[str, str | int]) -> str:
        """The text that stands here, escaped for its place. Raises HoleError."""
        if self.template is None:
            text = str(values[self.bare])
            return str(escape(text)) if self.place == "html" else self._quoted(text)
        spaces: dict[str, dict[str, str | int]] = {}
        for name, value in (*self.constants.items(), *((n, values[n]) for n in self.names)):
            space, _, attribute = name.partition(".")
            spaces.setdefault(space, {})[attribute] = value
        try:
            return self._quoted(self.template.render(spaces))
        except (TemplateError, ArithmeticError, TypeError, ValueError) as wrong:
            raise HoleError(f"{_short(self.source)} cannot be filled: {wrong}") from None

    def _quoted(self, text: str) -> str:
        return quote(text, safe="") if self.place == "query" else text


Piece = str | Hole


class Marks:
    """Hides the tags of one mail; `seed` is the source the marks must not occur in.

    `constants` are the values that all learners share: they become fixed text at once.
    """

    def __init__(self, seed: str, constants: Mapping[str, str | int]) -> None:
        #: What every mark begins with.
        self.prefix = "zq" + hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:10]
        self._constants = constants
        self._mark = re.compile(self.prefix + r"n(\d+)q*z")
        self._tags: list[str] = []
        self._numbers: dict[str, int] = {}
        self._holes: dict[tuple[str, Place], Hole] = {}
        #: Tags put in by our own layout, which no author could write.
        self._ours: set[str] = set()
        self._environments = {
            "html": variables.sandbox(autoescape=True),
            "text": variables.sandbox(autoescape=False),
        }

    def hide(self, source: str) -> str:
        """`source` with a mark in place of every tag. Raises HoleError for one without an end.

        A mark is as wide as its value usually is, so that lines and columns come out right.
        """
        source = _LITERAL.sub(lambda found: _BRACE * len(found[1]), source)
        hidden = _TAG.sub(lambda found: self._hidden(found[0]), source)
        for opening, closing in (("{{", "}}"), ("{%", "%}")):
            if (at := hidden.find(opening)) >= 0:
                raise HoleError(
                    f"{_short(hidden[at : at + 40])} is not closed: end it with {closing}, or put "
                    "braces meant as text in `backticks`"
                )
        return hidden

    def name(self, dotted: str) -> str:
        """The mark of one bare value, for our own layout: `name("url.done")`."""
        return self.tag("{{ " + dotted + " }}")

    def tag(self, source: str) -> str:
        """The mark of a `{{ }}` or `{% %}` of our own layout, which may name any value."""
        self._ours.add(source)
        return self._hidden(source)

    def cut(self, text: str, kind: Literal["html", "text"]) -> tuple[Piece, ...]:
        """Fixed text and holes, in order. Raises HoleError."""
        places = self._places(text) if kind == "html" else self._places_in_text(text)
        parts = self._mark.split(text)
        parts[::2] = [part.replace(_BRACE, "{") for part in parts[::2]]
        pieces: list[Piece] = [parts[0]]
        block: list[str] = []
        block_place: Place = "text"
        depth = 0
        for index in range(1, len(parts), 2):
            tag, following = self._tags[int(parts[index])], parts[index + 1]
            word = self._judged(tag)
            if not depth:
                block = []
                block_place = places.get(index // 2, kind)
            depth += _BLOCK_DEPTH.get(word, 0)
            if depth < 0 or (not depth and word in ("elif", "else")):
                raise HoleError(f"{_short(tag)} has no {{% if %}} before it: add one")
            block.append("" if tag.startswith("{#") else tag)
            if depth:
                # Between if and endif stands fixed text, whatever it looks like.
                block.append(following.replace("{", "{{ '{' }}"))
                continue
            if source := "".join(block):
                hole = self._hole(source, block_place)
                pieces.append(hole if hole.names else hole.fill(self._constants))
            pieces.append(following)
        if depth:
            raise HoleError("an {% if %} has no {% endif %}: add it in the same field or section")
        return _joined(pieces)

    def _hidden(self, tag: str) -> str:
        number = self._numbers.setdefault(tag, len(self._tags))
        if number == len(self._tags):
            self._tags.append(tag)
        mark = f"{self.prefix}n{number}z"
        return f"{mark[:-1]}{'q' * (self._room(tag) - len(mark))}z"

    def _room(self, tag: str) -> int:
        """Columns to keep free for what stands in place of the tag."""
        if not tag.startswith("{{"):
            return 0
        return max(
            (
                len(str(self._constants[found[0]]))
                if found[0] in self._constants
                else _ROOM.get(found[0], _ROOM.get(found[1], 0))
                for found in _NAME.finditer(tag)
            ),
            default=0,
        )

    def _judged(self, tag: str) -> str:
        """The word of a `{% %}` tag, else "". Raises HoleError for what a lesson may not use."""
        if tag.startswith("{#"):
            return ""
        if tag in self._ours:
            return tag[2:-2].split()[0] if tag.startswith("{%") else ""
        if (tag, "html") in self._holes or (tag, "text") in self._holes:
            return ""
        word = ""
        if tag.startswith("{%"):
            word, faults = expressions.judge_tag(tag[2:-2])
        else:
            faults = expressions.judge_expression(tag[2:-2])
        if faults:
            raise HoleError(faults[0].message)
        return word

    def _places(self, html: str) -> dict[int, Place]:
        """The place of each mark that stands inside a tag, by its order on the page."""
        order = {found.start(): number for number, found in enumerate(self._mark.finditer(html))}
        places: dict[int, Place] = {}
        if any(self._mark.search(style[0]) for style in _STYLE.finditer(html)):
            raise HoleError("a value cannot stand inside <style>: move it into the text")
        for found in _HTML_TAG.finditer(html):
            if not self._mark.search(found[0]):
                continue
            spans = [(a.start(2), a.end(2), a[1].lower()) for a in _ATTRIBUTE.finditer(found[0])]
            for mark in self._mark.finditer(found[0]):
                inside = [span for span in spans if span[0] <= mark.start() < span[1]]
                if not inside:
                    raise HoleError("a value cannot stand inside a tag or a comment: move it out")
                places[order[found.start() + mark.start()]] = self._in_attribute(mark, *inside[0])
        return places

    def _places_in_text(self, text: str) -> dict[int, Place]:
        """In a text part an address is known by its beginning."""
        return {
            number: "query"
            for number, found in enumerate(self._mark.finditer(text))
            if _ADDRESS_BEFORE.search(text, max(0, found.start() - 2000), found.start())
        }

    def _in_attribute(self, mark: re.Match[str], start: int, _end: int, attribute: str) -> Place:
        tag = self._tags[int(mark[1])]
        if attribute == "style" or attribute.startswith("on"):
            raise HoleError(f"{_short(tag)} cannot stand in {attribute}=: move it into the text")
        if attribute not in ("href", "src"):
            return "html"
        if mark.start() > start:
            return "query"
        if not _BARE_URL.match(tag):
            raise HoleError(
                f"an address cannot begin with {_short(tag)}: begin it with https:// "
                "or with one of the url values"
            )
        return "html"

    def _hole(self, source: str, place: Place) -> Hole:
        """The same tag in the same kind of place is one hole, wherever it stands."""
        if (source, place) not in self._holes:
            self._holes[source, place] = self._made(source, place)
        return self._holes[source, place]

    def _made(self, source: str, place: Place) -> Hole:
        environment = self._environments["html" if place == "html" else "text"]
        tree = environment.parse(source)
        used = sorted({f"{got.node.name}.{got.attr}" for got in tree.find_all(nodes.Getattr)
                       if isinstance(got.node, nodes.Name)})  # fmt: skip
        names = tuple(name for name in used if name not in self._constants)
        first = tree.body[0] if len(tree.body) == 1 else None
        outputs = first.nodes if isinstance(first, nodes.Output) else []
        if len(outputs) == 1 and isinstance(outputs[0], nodes.Getattr):
            return Hole(source, place, names, used[0])
        constants = {name: self._constants[name] for name in used if name not in names}
        return Hole(source, place, names, "", environment.from_string(source), constants)


def fill(pieces: Sequence[Piece], values: Mapping[str, str | int]) -> str:
    """The plain way: every hole filled, nothing encoded."""
    return "".join(piece if isinstance(piece, str) else piece.fill(values) for piece in pieces)


def _joined(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Neighbouring texts become one, empty ones none."""
    result: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        elif piece != "":
            result.append(piece)
    return tuple(result)


def _short(source: str) -> str:
    line = " ".join(source.split())
    return line if len(line) < 60 else f"{line[:57]}..."
