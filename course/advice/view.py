"""One lesson with all that reviewing reads from it, read once.

Refuses to have an opinion: `advice` and `body_advice` have those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from course.catalog import Course
from course.errors import Notes
from course.lesson import Lesson
from course.source.landmarks import Landmarks, landmarks
from course.source.scan import scan
from course.source.tokens import TOKEN, Scan


class LessonView:
    """One lesson with all that is read from it once."""

    def __init__(self, course: Course, lesson: Lesson) -> None:
        self.course = course
        self.lesson = lesson
        self.notes = Notes(lesson.path)

    @cached_property
    def found(self) -> Scan:
        return scan(self.lesson.body)

    @cached_property
    def marks(self) -> Landmarks:
        return landmarks(self.found)

    def at(self, offset: int) -> tuple[int, int]:
        line, column = self.found.at(offset)
        return line + self.lesson.body_line - 1, column

    def field(self, name: str) -> tuple[int, int]:
        return self.lesson.places.get(name, (1, 1))

    def code_lines(self) -> int:
        return sum(t.content.count("\n") + 1 for t in self.found.tokens if t.kind == "block")

    def subject(self) -> str:
        """The subject with the course's values filled in, the learner's left out."""
        values = {
            "course.title": self.course.title,
            "course.total": str(self.course.total),
            "lesson.number": str(self.lesson.number or ""),
            "lesson.title": self.lesson.title,
        }
        filled = re.sub(
            r"\{\{-?\s*([a-z_.]+).*?\}\}",
            lambda m: values.get(m.group(1), ""),
            self.lesson.subject,
        )
        return " ".join(re.sub(r"\{%.*?%\}", "", filled).split())

    def web_addresses(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Every fixed address of the web in this lesson, once."""
        seen: set[str] = set()
        for url, at in [
            *((link.url, self.at(link.offset)) for link in self.marks.links),
            *((p.src, self.at(p.offset)) for p in self.marks.pictures),
            *((r.url, self.field("resources")) for r in self.lesson.resources),
            *((r.transcript, self.field("resources")) for r in self.lesson.resources),
            *((s.url, self.field("sources")) for s in self.lesson.sources),
        ]:
            if (
                url.startswith(("http://", "https://"))
                and not TOKEN.search(url)
                and url not in seen
            ):
                seen.add(url)
                yield url, at
