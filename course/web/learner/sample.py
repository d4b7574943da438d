"""Lesson 1 as a web page, for whoever wants to read before signing up.

Filled in for nobody in particular: no name, and every personal link leads to the course page.
"""

from __future__ import annotations

from dataclasses import dataclass

from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from course import markup
from course.catalog import Course
from course.lesson import Lesson, Resource
from course.source.variables import NAMES, sandbox

_SANDBOX: ImmutableSandboxedEnvironment = sandbox(autoescape=True)


@dataclass(frozen=True, slots=True)
class Question:
    """One self-check question, ready to be shown."""

    ask: Markup
    options: tuple[Markup, ...]
    answer: Markup
    why: Markup


@dataclass(frozen=True, slots=True)
class Article:
    """A lesson's parts as safe HTML."""

    body: Markup
    idea: Markup
    objective: Markup
    action: Markup
    action_minutes: int
    plan: Markup
    core: tuple[Resource, ...]
    quiz: tuple[Question, ...]


def as_article(course: Course, lesson: Lesson) -> Article:
    """The lesson with its Markdown rendered and its values filled in."""
    values = _values(course, lesson)

    def block(text: str) -> Markup:
        return _filled(markup.to_html(text), values)

    def line(text: str) -> Markup:
        return _filled(markup.inline(text), values)

    action = lesson.action
    return Article(
        body=block(lesson.body),
        idea=line(lesson.idea),
        objective=line(lesson.objective),
        action=line(action.do) if action else Markup(),
        action_minutes=action.minutes if action else 0,
        plan=line(action.plan) if action else Markup(),
        core=tuple(resource for resource in lesson.resources if resource.core),
        quiz=tuple(
            Question(
                ask=line(one.ask),
                options=tuple(line(option) for option in one.options),
                answer=line(one.options[one.answer]),
                why=line(one.why),
            )
            for one in lesson.quiz
        ),
    )


def _filled(html: str, values: dict[str, dict[str, object]]) -> Markup:
    # nh3 has cleaned the HTML and the sandbox escapes what it fills in: this is safe to show.
    return Markup(_SANDBOX.from_string(html).render(values))  # noqa: S704


def _values(course: Course, lesson: Lesson) -> dict[str, dict[str, object]]:
    cadence = course.syllabus.cadence
    known: dict[str, object] = {
        "learner.first_name": "",
        "learner.hour": f"{cadence.hour:%H:%M}",
        "learner.days": "every day",
        "lesson.number": lesson.number or 1,
        "lesson.title": lesson.title,
        "lesson.minutes": lesson.minutes(),
        "course.title": course.title,
        "course.total": course.total,
    }
    values: dict[str, dict[str, object]] = {}
    for name in NAMES:
        root, _, leaf = name.partition(".")
        # Links of one's own do not exist before signing up.
        values.setdefault(root, {})[leaf] = known.get(name, "#join")
    return values
