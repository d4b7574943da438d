"""Cuts front matter from a file and reads its YAML, with errors in plain words and real lines.

Refuses what YAML makes dangerous or surprising: anchors, deep nesting, megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from course.errors import Notes
from course.frontmatter.fields import Fields, did_you_mean

#: Larger front matter is a data file, not a lesson; PyYAML needs about a second a megabyte.
MAX_FRONT_MATTER = 128 * 1024

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FENCE = re.compile(r"^---[ \t]*$")
_END = re.compile(r"^(?:---|\.\.\.)[ \t]*$")


@dataclass(frozen=True, slots=True)
class Split:
    """A file cut in two. Lines count from 1."""

    front: str | None
    front_line: int
    body: str
    body_line: int


def split(source: str, notes: Notes) -> Split | None:
    """Cut front matter from body; None (with a finding) when the front matter never ends."""
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].strip() == "+++":
        notes.error(
            "front-matter",
            (first + 1, 1),
            "the front matter is TOML: write it as YAML (`title: ...`) between two `---` lines",
        )
        return None
    if not _FENCE.match(lines[first]):
        return Split(None, 0, source, 1)
    for index in range(first + 1, len(lines)):
        if _END.match(lines[index]):
            return Split(
                "\n".join(lines[first + 1 : index]),
                first + 2,
                "\n".join(lines[index + 1 :]),
                index + 2,
            )
    notes.error(
        "front-matter",
        (first + 1, 1),
        "the front matter is never closed: add a line with `---` after its last key",
    )
    return None


def read(text: str, first_line: int, notes: Notes) -> Fields | None:
    """The mapping in `text`, or None with an error that names the real line of the file."""
    if len(text) > MAX_FRONT_MATTER:
        notes.error(
            "front-matter",
            (first_line, 1),
            f"the front matter has {len(text) // 1024} kB, more than {MAX_FRONT_MATTER // 1024}: "
            "move text into the body",
        )
        return None
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            mark = event.start_mark
            if mark and (isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None)):
                notes.error(
                    "front-matter",
                    (first_line + mark.line, mark.column + 1),
                    "`&` and `*` are anchors in YAML, not used here: put the value in quotes",
                )
                return None
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and re.search(r"flow|quoted scalar", error.context or ""):
            # Where it was opened helps more than where the text ran out.
            mark = error.context_mark
        at = (first_line + mark.line, mark.column + 1) if mark else (first_line, 1)
        notes.error("front-matter", at, _in_plain_words(error, text, mark))
        return None
    except yaml.YAMLError as error:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) if isinstance(position, int) else 0
        notes.error(
            "front-matter",
            (first_line + line, 1),
            "there is a character YAML cannot hold (a control character): delete it",
        )
        return None
    except RecursionError:
        notes.error(
            "front-matter", (first_line, 1), "the values are nested too deeply: make them flat"
        )
        return None
    if node is None:
        return nothing(notes)
    if not isinstance(node, yaml.MappingNode):
        notes.error(
            "front-matter",
            (first_line + node.start_mark.line, node.start_mark.column + 1),
            "this is not a list of `key: value` lines: start with `title: ...`",
        )
        return None
    return Fields(node, text.split("\n"), first_line, notes, "")


def nothing(notes: Notes) -> Fields:
    """A mapping without keys, for a file without front matter."""
    start = yaml.Mark("", 0, 0, 0, None, 0)
    return Fields(yaml.MappingNode("tag:yaml.org,2002:map", [], start, start), [], 1, notes, "")


def _in_plain_words(error: yaml.MarkedYAMLError, text: str, mark: Any) -> str:
    problem = (error.problem or "it cannot be read").strip()
    line = text.split("\n")[mark.line] if mark and mark.line <= text.count("\n") else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in problem:
        return "a tab is used for indenting: use spaces, two for each level"
    if "mapping values are not allowed" in problem:
        return 'a value holds `: `, which YAML reads as a new key: put the value in "quotes"'
    if "cannot start any token" in problem:
        return 'a value starts with a character YAML keeps for itself: put the value in "quotes"'
    if "quoted scalar" in (error.context or "") or "unexpected end of stream" in problem:
        return f"a quote is opened and never closed ({problem}): close it or escape quotes inside"
    if "could not find expected ':'" in problem:
        return "a line has no `:` after its key: write `key: value`, or indent a continued text"
    if "expected <block end>" in problem or "did not find expected key" in problem:
        return (
            "the indentation or a quote is not what YAML expects here: keys of one level start "
            'in the same column, and text that starts with `{`, `[`, `*` or a quote is "quoted"'
        )
    if "flow" in (error.context or "") or "did not find expected ',' or" in problem:
        return f'`[` or `{{` opens a list here ({problem}): close it, or put the text in "quotes"'
    return f"YAML cannot read this line ({problem}): check colons, quotes and indentation"


def as_mapping(fields: Fields | None, name: str) -> Mapping[str, Any]:
    """`params` as plain data; empty when absent."""
    value = fields.plain(name) if fields else None
    return value if isinstance(value, dict) else {}


__all__ = ["Fields", "as_mapping", "did_you_mean", "nothing", "read", "split"]
