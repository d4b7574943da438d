"""Finds lists that Markdown tools read differently: those right below a line of text.

Refuses to repair: it names the line and says what to type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from course.source.tokens import Scan

_ITEM = re.compile(r"^[ \t]*(?:[-*+]|[0-9]{1,9}\.)[ \t]+\S")
_CURE = (
    "a list right below a line of text stays part of that paragraph: put an empty line before it"
)


def joined_lists(found: Scan) -> Iterator[tuple[int, str, str]]:
    """(offset, rule, cure) for list lines that Python-Markdown takes for text."""
    position = 0
    in_list = False
    after_blank = True
    before = ""
    for line in found.text.split("\n"):
        if not line.strip():
            after_blank = True
        else:
            if _ITEM.match(line):
                if not in_list and not after_blank and _is_prose(before):
                    yield found.origin(position), "list-blank", _CURE
                in_list = in_list or after_blank
            elif after_blank and not line.startswith(" "):
                in_list = False
            after_blank = line.startswith("#")
        before = line
        position += len(line) + 1


def _is_prose(line: str) -> bool:
    opening = line.lstrip()[:1]
    return opening != "" and opening not in "#|><!" and not _ITEM.match(line)
