"""Fills an author's lines in for one learner, or for nobody in particular, as safe HTML.

Refuses to know where a line stands; it takes Markdown with values and gives HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from course import markup
from course.catalog import Course
from course.language import ENGLISH, Language
from course.lesson import Lesson
from course.links import Links
from course.mail.person import days_in_words, hour_in_words, values_of
from course.source.variables import NAMES, sandbox
from course.web.speaking import speaking
from scheduler.domain.delivery import Claimed

_SANDBOX: ImmutableSandboxedEnvironment = sandbox(autoescape=True)
_PERSONAL = tuple(name for name in NAMES if name.startswith(("learner.", "url.")))


class Texts:
    """Knows one reader's values. `known` is by full name: `learner.first_name`."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self._values: dict[str, dict[str, object]] = {}
        for name in NAMES:
            root, _, leaf = name.partition(".")
            self._values.setdefault(root, {})[leaf] = known.get(name, "")

    def line(self, source: str) -> Markup:
        """A field with inline Markdown."""
        return self._filled(_inline(source)) if source else Markup()

    def block(self, source: str) -> Markup:
        """A body of Markdown."""
        return self._filled(markup.to_html(source))

    def _filled(self, html: str) -> Markup:
        # nh3 has cleaned the HTML and the sandbox escapes what it fills in: this is safe to show.
        if "{{" not in html and "{%" not in html:
            return Markup(html)  # noqa: S704
        return Markup(_SANDBOX.from_string(html).render(self._values))  # noqa: S704


def for_nobody(course: Course, lesson: Lesson) -> Texts:
    """For whoever has not signed up: no name, and every personal link leads to the form."""
    cadence, language = course.syllabus.cadence, speaking()
    known: dict[str, object] = {name: "#join" for name in NAMES if name.startswith("url.")}
    known |= {
        "learner.hour": hour_in_words(cadence, language),
        "learner.days": days_in_words(cadence, language),
        "lesson.number": lesson.number or 1,
        "lesson.title": lesson.title,
        "lesson.minutes": lesson.minutes(),
        "course.title": course.title,
        "course.total": course.total,
    }
    return Texts(known)


def for_learner(
    claimed: Claimed,
    links: Links,
    course: Mapping[str, Any],
    lesson: Mapping[str, Any],
    language: Language = ENGLISH,
) -> Texts:
    """For the one it was sent to; `course` and `lesson` as a mail's document has them.

    `language` is the one they are written in: days and hours are said in it.
    """
    return Texts(
        {
            **values_of(_PERSONAL, claimed, links, language),
            "lesson.number": lesson.get("number", ""),
            "lesson.title": lesson.get("title", ""),
            "lesson.minutes": lesson.get("minutes", ""),
            "course.title": course.get("title", ""),
            "course.total": course.get("total", ""),
        }
    )


@lru_cache(maxsize=4_000)
def _inline(source: str) -> str:
    return markup.inline(source)
