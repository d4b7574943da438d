"""The few values and filters a lesson may use, and the sandbox that renders them.

Refuses everything else: calls, loops, arithmetic, unknown names. One place, so that what
`course check` accepts is exactly what rendering accepts.
"""

from __future__ import annotations

import difflib

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: Every name a lesson may use, with what it holds.
NAMES: dict[str, str] = {
    "learner.first_name": "what the learner calls themselves; may be empty",
    "learner.hour": 'local hour of the lessons, "07:00"',
    "learner.days": 'the days lessons come on, "every day"',
    "lesson.number": "place of this lesson in the course, counted from 1",
    "lesson.title": "title of this lesson",
    "lesson.minutes": "minutes this lesson takes",
    "course.title": "title of the course",
    "course.total": "number of lessons in the course",
    "url.read": "this lesson in the browser",
    "url.learn": "the learner's own page",
    "url.plan": "the learner's own plan, on a page to print",
    "url.certificate": "the learner's certificate, or what is missing for it",
    "url.manage": "hour, days, pause",
    "url.leave": "leave the course",
    "url.done": 'mark today\'s action "done"',
}
#: Only known while an address is being confirmed.
CONFIRM_NAMES: dict[str, str] = {"url.confirm": "confirms the address"}
ROOTS = frozenset(name.split(".")[0] for name in NAMES)

FILTERS = frozenset(
    {"default", "upper", "lower", "title", "capitalize", "trim", "escape", "replace", "length"}
)
#: Comparisons in word form; markup writes `>` so, because HTML would eat the sign.
TESTS = frozenset({"defined", "undefined", "eq", "ne", "lt", "le", "gt", "ge"})
TAGS = frozenset({"if", "elif", "else", "endif"})

#: What other tools call these values.
_ALSO_CALLED = {
    "name": "learner.first_name",
    "first_name": "learner.first_name",
    "firstname": "learner.first_name",
    "learner.name": "learner.first_name",
    "learner.firstname": "learner.first_name",
    "subscriber.first_name": "learner.first_name",
    "subscriber.name": "learner.first_name",
    "user.first_name": "learner.first_name",
    "user.name": "learner.first_name",
    "contact.first_name": "learner.first_name",
    "unsubscribe_url": "url.leave",
    "unsubscribe": "url.leave",
    "url.unsubscribe": "url.leave",
    "url.web": "url.read",
    "url.browser": "url.read",
    "url.home": "url.learn",
    "url.settings": "url.manage",
    "url.pause": "url.manage",
    "course.name": "course.title",
    "course.lessons": "course.total",
    "lesson.day": "lesson.number",
    "day": "lesson.number",
}


def sandbox(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    """The environment lessons are rendered in: strict, no globals, only the listed filters."""
    env = ImmutableSandboxedEnvironment(
        autoescape=autoescape, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    env.globals.clear()
    env.filters = {name: env.filters[name] for name in FILTERS}
    env.tests = {name: env.tests[name] for name in TESTS}
    return env


def nearest(name: str, known: dict[str, str] = NAMES) -> str | None:
    """The name an author probably meant."""
    folded = name.lower()
    if folded in _ALSO_CALLED:
        return _ALSO_CALLED[folded]
    candidates = {name: name for name in known} | _ALSO_CALLED
    near = difflib.get_close_matches(folded, candidates, n=1, cutoff=0.7)
    if near:
        return candidates[near[0]]
    last = folded.rsplit(".", 1)[-1]
    by_last = {full.split(".", 1)[1]: full for full in known}
    near = difflib.get_close_matches(last, by_last, n=1, cutoff=0.7)
    return by_last[near[0]] if near else None
