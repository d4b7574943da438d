"""One thing `course doctor` looked at, and how to cure it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How bad it is. A warning is also what could not be looked at.
Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the answer."""

    check: str
    level: Level
    found: str
    fix: str = ""
    #: What to publish in DNS, ready to be copied: `NAME TXT "value"`.
    record: str = ""


def txt(name: str, value: str) -> str:
    """A TXT record as one line that can be copied whole."""
    return f'{name} TXT "{value}"'
