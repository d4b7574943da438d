"""Finds lists that other Markdown tools read differently: the four-space rule.

Refuses to repair: it names the line and says what to type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from course.source.tokens import Scan

_ITEM = re.compile(r"^(?P<indent>[ \t]*)(?:[-*+]|[0-9]{1,9}\.)[ \t]+\S")
_ITEM_CURE = "indent by four for each level, or it joins the outer list"
_PARAGRAPH_CURE = "indent it by four, or the list ends here"
_BLANK_CURE = (
    "a list right below a line of text stays part of that paragraph: put an empty line before it"
)


def strange_indents(found: Scan) -> Iterator[tuple[int, str, str]]:
    """(offset, rule, cure) for list lines that Python-Markdown takes apart; each list once."""
    position = 0
    in_list = False
    told = False
    after_blank = True
    before = ""
    for line in found.text.split("\n"):
        item = _ITEM.match(line)
        width = len(line) - len(line.lstrip(" ")) if line.strip() else 0
        if not line.strip():
            after_blank = True
        else:
            if item and "\t" not in item.group("indent"):
                if in_list and width % 4 and not told:
                    told = True
                    yield (
                        found.origin(position + width),
                        "list-indent",
                        f"this item is indented by {width} spaces: {_ITEM_CURE}",
                    )
                elif not in_list and not after_blank and _is_prose(before):
                    yield (
                        found.origin(position),
                        "list-blank",
                        _BLANK_CURE,
                    )
                in_list = in_list or after_blank
            elif in_list and after_blank and 0 < width < 4 and not told:
                told = True
                yield (
                    found.origin(position + width),
                    "list-indent",
                    f"this paragraph of a list is indented by {width} spaces: {_PARAGRAPH_CURE}",
                )
            elif after_blank and width == 0:
                in_list = told = False
            after_blank = line.startswith("#")
        before = line
        position += len(line) + 1


def _is_prose(line: str) -> bool:
    opening = line.lstrip()[:1]
    return opening != "" and opening not in "#|><!" and not _ITEM.match(line)
