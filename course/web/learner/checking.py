"""The self-check of a lesson: what was chosen, and what is right about it.

Keeps nothing and counts nothing: the answers stand in the address of the page and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from course.web.learner.texts import Texts


@dataclass(frozen=True, slots=True)
class Tried:
    """One question as its reader left it. Places are counted from 0."""

    #: Name of its radio buttons: `q1`.
    name: str
    ask: Markup
    options: tuple[Markup, ...]
    answer: int
    why: Markup
    chosen: int | None

    @property
    def right(self) -> bool:
        """Was the right one chosen?"""
        return self.chosen == self.answer


def tried(
    quiz: Sequence[Mapping[str, Any]], texts: Texts, given: Mapping[str, str]
) -> tuple[Tried, ...]:
    """Every question; `given` has the chosen options by name, counted from 1."""
    found = []
    for number, question in enumerate(quiz, 1):
        name = f"q{number}"
        places = {str(place): place - 1 for place in range(1, len(question["options"]) + 1)}
        found.append(
            Tried(
                name,
                texts.line(question["ask"]),
                tuple(texts.line(option) for option in question["options"]),
                question["answer"],
                texts.line(question["why"]),
                places.get(given.get(name, "")),
            )
        )
    return tuple(found)
