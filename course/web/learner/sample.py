"""Lesson 1 as a web page, for whoever wants to read before signing up.

Filled in for nobody in particular: no name, and every personal link leads to the course page.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from course.catalog import Course
from course.lesson import Lesson, Resource
from course.web.learner.texts import for_nobody


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
    texts = for_nobody(course, lesson)
    line = texts.line
    action = lesson.action
    return Article(
        body=texts.block(lesson.body),
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
