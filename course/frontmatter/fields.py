"""One YAML mapping, asked for its keys by name; every value knows its line and column.

Never turns text into numbers, dates or booleans unless the field asks for one. Refuses to raise:
what has the wrong shape becomes a finding.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from course.errors import Notes

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Text:
    """One string as it was read, with where it stands (for what is found inside it)."""

    name: str
    value: str
    line: int
    column: int
    raw: tuple[str, ...]

    def locate(self, fragment: str) -> tuple[int, int]:
        """Line and column of `fragment`, or of the value when escapes or folding hide it."""
        needle = fragment.split("\n", 1)[0].strip()
        for offset, line in enumerate(self.raw):
            column = line.find(needle, self.column - 1 if offset == 0 else 0)
            if needle and column >= 0:
                return self.line + offset, column + 1
        return self.line, self.column


class Fields:
    """One mapping, asked for its keys by name; wrong kinds become findings, never exceptions."""

    def __init__(
        self, node: yaml.MappingNode, lines: list[str], first_line: int, notes: Notes, name: str
    ) -> None:
        self._node = node
        self._lines = lines
        self._first = first_line
        self._notes = notes
        self._name = name
        self._values: dict[str, yaml.Node] = {}
        self._keys: dict[str, yaml.Node] = {}
        #: Every text taken from here or from below, for those who look inside texts.
        self.texts_taken: list[Text] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                notes.error(
                    "front-matter", self._mark(key), "this key is not a word: write `name: value`"
                )
                continue
            if key.value in self._values:
                notes.error(
                    "front-matter",
                    self._mark(key),
                    f"`{key.value}` is given twice: keep one of them",
                )
                continue
            self._values[key.value] = value
            self._keys[key.value] = key

    def __contains__(self, name: str) -> bool:
        return name in self._values and not _is_null(self._values[name])

    def at(self, name: str | None = None) -> tuple[int, int]:
        """Where the key stands; the mapping itself when there is no such key."""
        return self._mark(self._keys.get(name or "", self._node))

    def places(self) -> dict[str, tuple[int, int]]:
        return {name: self._mark(key) for name, key in self._keys.items()}

    def need(self, name: str) -> None:
        """An error when the key is absent or empty."""
        if name not in self or not _has_content(self._values[name]):
            of = f" of `{self._name}`" if self._name else ""
            self.error("front-matter", f"`{name}`{of} is missing: add `{name}: ...`", name)

    def error(self, rule: str, message: str, name: str | None = None) -> None:
        """An error at the key `name`, or at this group."""
        self._notes.error(rule, self.at(name), message)

    def rename(self, names: Mapping[str, str]) -> None:
        """Let other tools' words stand for ours; our own word wins when both are given."""
        for other, ours in names.items():
            if other in self._values and ours not in self._values:
                self._values[ours] = self._values.pop(other)
                self._keys[ours] = self._keys.pop(other)
            else:
                self._values.pop(other, None)

    def text(self, name: str, default: str = "") -> str:
        node = self._values.get(name)
        if node is None or _is_null(node):
            return default
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(name, node, "a text", f'`{name}: "some words"`')
            return default
        return self._take(name, node)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one."""
        found = []
        for item in self._items(name):
            if isinstance(item, yaml.ScalarNode):
                found.append(self._take(name, item))
            else:
                self._wrong(name, item, "a text or a list of texts", f"`{name}: [one, two]`")
        return tuple(found)

    def flag(self, name: str, default: bool = False) -> bool:
        node = self._values.get(name)
        if node is None or _is_null(node):
            return default
        word = node.value.lower() if isinstance(node, yaml.ScalarNode) else ""
        if word not in _TRUE | _FALSE:
            self._wrong(name, node, "`true` or `false`", f"`{name}: true`")
            return default
        return word in _TRUE

    def number(self, name: str, low: int = 0, high: int = 100_000) -> int | None:
        """A whole number from `low` to `high`; anything else is an error and None."""
        node = self._values.get(name)
        if node is None or _is_null(node):
            return None
        if isinstance(node, yaml.ScalarNode) and re.fullmatch(r"[+-]?[0-9]{1,9}", node.value):
            value = int(node.value)
            if low <= value <= high:
                return value
        self._wrong(name, node, f"a whole number from {low} to {high}", f"`{name}: {max(low, 1)}`")
        return None

    def mapping(self, name: str) -> Fields | None:
        node = self._values.get(name)
        if node is None or _is_null(node):
            return None
        if not isinstance(node, yaml.MappingNode):
            self._wrong(name, node, "a group of indented `key: value` lines", f"`{name}:` alone")
            return None
        return self._child(node, name)

    def mappings(self, name: str) -> list[Fields]:
        """A list of mappings; a text in it becomes an error that shows the shape."""
        found = []
        for item in self._items(name):
            if isinstance(item, yaml.MappingNode):
                found.append(self._child(item, name))
            else:
                self._wrong(name, item, "a list of `- key: value` groups", "a `-` before each")
        return found

    def texts_or_mappings(self, name: str) -> list[str | Fields]:
        """A list in which each item is a text or a group of its own."""
        found: list[str | Fields] = []
        for item in self._items(name):
            if isinstance(item, yaml.ScalarNode):
                found.append(self._take(name, item))
            elif isinstance(item, yaml.MappingNode):
                found.append(self._child(item, name))
            else:
                self._wrong(name, item, "a list of texts or groups", f"`{name}: [one, two]`")
        return found

    def plain(self, name: str) -> Any:
        """The value as ordinary Python data, for an author's own `params`."""
        node = self._values.get(name)
        return None if node is None else _plain(node)

    def name_strangers(self, known: Collection[str], ignored: Collection[str] = ()) -> None:
        """Warn about each key nobody knows, with the nearest one that exists."""
        for key in self._values.keys() - set(known) - set(ignored):
            if key.startswith("x-"):
                continue
            inside = f" in `{self._name}`" if self._name else ""
            self._notes.warn(
                "unknown-key",
                self.at(key),
                f"`{key}`{inside} is not a key of ours{did_you_mean(key, known)}; "
                "it is ignored. Put data of your own under `params:`"
                if not self._name
                else f"`{key}`{inside} is not a key of ours{did_you_mean(key, known)}: "
                "correct it or take it out",
            )

    def _items(self, name: str) -> list[yaml.Node]:
        node = self._values.get(name)
        if node is None or _is_null(node):
            return []
        return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]

    def _child(self, node: yaml.MappingNode, name: str) -> Fields:
        child = Fields(node, self._lines, self._first, self._notes, name)
        child.texts_taken = self.texts_taken
        return child

    def _take(self, name: str, node: yaml.ScalarNode) -> str:
        start, end = node.start_mark.line, node.end_mark.line
        raw = tuple(self._lines[start : end + 1])
        line, column = self._mark(node)
        value = str(node.value).strip()
        self.texts_taken.append(Text(name, value, line, column, raw))
        return value

    def _mark(self, node: yaml.Node) -> tuple[int, int]:
        return self._first + node.start_mark.line, node.start_mark.column + 1

    def _wrong(self, name: str, node: yaml.Node, wanted: str, example: str) -> None:
        mark = node.start_mark
        if self._lines[mark.line].startswith("{{", mark.column):
            wanted, example = "in quotes when it starts with `{{`", f'`{name}: "{{{{ ... }}}}"`'
        self._notes.error(
            "front-matter", self._mark(node), f"`{name}` should be {wanted}: write {example}"
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` for the nearest known word, else nothing."""
    folded = {name.replace("-", "_").lower(): name for name in known}
    near = difflib.get_close_matches(word.replace("-", "_").lower(), folded, n=1, cutoff=0.6)
    return f" (did you mean `{folded[near[0]]}`?)" if near else ""


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _has_content(node: yaml.Node) -> bool:
    return bool(node.value.strip() if isinstance(node, yaml.ScalarNode) else node.value)


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(_plain(key)): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return "" if _is_null(node) else str(node.value)
