"""Finds addresses that stand in prose as they are, and where each of them ends.

Refuses to guess: only what begins with http:// or https:// is an address.
"""

from __future__ import annotations

import re

#: An address up to white space or a bracket that no address holds; its end is judged afterwards.
BARE = re.compile(r"(?<![\w/@.&=+-])https?://[^\s<>\"`|\\^{}\u0000-\u001f]+", re.IGNORECASE)
_HOST = re.compile(r"https?://(?:[^/?#@\s]*@)?(?:\[[0-9a-f:.]+\]|[^\W_][\w.-]*)", re.IGNORECASE)
_TRAILING = ".,;:!?'\u2019\u201d\u00bb\u2026*_~"
_PAIRS = {")": "(", "]": "["}


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
