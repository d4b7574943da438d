"""Prints rows of figures, each beside its yardstick and its goal; a missed goal says so."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTHS = (3, 46, 20, 25, 7, 19, 7)
_HEADINGS = ("", "what", "measured", "yardstick", "ratio", "goal", "")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `met` None: there is no goal, or it could not be measured."""

    goal: str
    what: str
    measured: str
    yardstick: str = ""
    ratio: str = ""
    wanted: str = ""
    met: bool | None = None


def head() -> None:
    """The headings."""
    _line(_HEADINGS)
    print("-" * (sum(_WIDTHS) + 2 * len(_WIDTHS) - 2))


def show(rows: Sequence[Row]) -> None:
    """The rows of one group, as soon as they are known."""
    for row in rows:
        verdict = {True: "met", False: "MISSED", None: ""}[row.met]
        cells = (row.goal, row.what, row.measured, row.yardstick, row.ratio, row.wanted, verdict)
        _line(cells)
    print(flush=True)


def load() -> str:
    """How busy the machine is, whoever keeps it so."""
    return " ".join(f"{figure:.2f}" for figure in os.getloadavg())


def _line(cells: Sequence[str]) -> None:
    wrapped = [
        textwrap.wrap(cell, width, break_long_words=False) or [""]
        for cell, width in zip(cells, _WIDTHS, strict=True)
    ]
    for number in range(max(map(len, wrapped))):
        parts = (lines[number] if number < len(lines) else "" for lines in wrapped)
        print("  ".join(p.ljust(w) for p, w in zip(parts, _WIDTHS, strict=True)).rstrip())
