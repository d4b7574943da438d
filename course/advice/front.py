"""What to say about the fields and the size of one lesson: the rules of `course check`.

Refuses to repeat what parsing already found.
"""

from __future__ import annotations

import re

from course.advice.addresses import about_address
from course.advice.view import LessonView
from course.source.limits import CLIPPED_AT, clipped

#: From here on there is little room left; what is over `CLIPPED_AT` is refused by the composer.
HTML_WARN = 80_000
SUBJECT_MAX = 60
PREHEADER_MIN, PREHEADER_MAX = 40, 110


def about_fields(view: LessonView) -> None:
    """Subject, preheader, minutes, action, quiz."""
    lesson, notes = view.lesson, view.notes
    _subject(view)
    if not lesson.preheader:
        notes.warn(
            "preheader",
            view.field("title"),
            f"there is no preheader, so mail programs show the first words: add `preheader:` with "
            f"{PREHEADER_MIN} to {PREHEADER_MAX} characters",
        )
    elif not PREHEADER_MIN <= len(lesson.preheader) <= PREHEADER_MAX:
        notes.warn(
            "preheader",
            view.field("preheader"),
            f"the preheader has {len(lesson.preheader)} characters: use {PREHEADER_MIN} to "
            f"{PREHEADER_MAX}",
        )
    if lesson.key.startswith("@"):
        return
    low, high = view.course.minutes
    if not low <= lesson.minutes() <= high:
        cure = "cut text or make a resource optional" if lesson.minutes() > high else "add to it"
        notes.warn(
            "minutes",
            view.field("title"),
            f"the lesson takes {_minutes(lesson.minutes())}, the course promises {low} to {high}: "
            f"{cure}, or change `minutes:` in course.yaml",
        )
    if not (
        lesson.action
        or lesson.checklist
        or re.search(r"^\s*[-*+] \[[ xX]\] ", lesson.body, re.MULTILINE)
    ):
        notes.warn(
            "no-task", view.field("title"), "the lesson asks for nothing to do: add an `action:`"
        )
    if lesson.action and lesson.action.minutes > 5:
        notes.warn(
            "action-long",
            view.field("action"),
            f"the starred action takes {_minutes(lesson.action.minutes)}: keep it to 5, and book "
            "the rest with `later: true`",
        )
    for question in lesson.quiz:
        if not question.why:
            notes.warn(
                "quiz-why",
                view.field("quiz"),
                f"the answer to “{question.ask[:50]}” is not explained: add `why:`",
            )
    for resource in lesson.resources:
        if resource.core and resource.kind == "video" and resource.minutes > 10:
            notes.warn(
                "video-long",
                view.field("resources"),
                f"the core video “{resource.title[:50]}” takes {resource.minutes} minutes: make it "
                "optional, or choose one of 10 at most",
            )
    for name, url in [
        *(("resources", r.url) for r in lesson.resources),
        *(("sources", s.url) for s in lesson.sources),
    ]:
        about_address(view, url, view.field(name))


def _minutes(number: int) -> str:
    return f"{number} minute" if number == 1 else f"{number} minutes"


def _subject(view: LessonView) -> None:
    at, subject = (
        view.field("subject" if "subject" in view.lesson.places else "title"),
        view.subject(),
    )
    if not subject:
        view.notes.error("subject-empty", at, "the subject is empty: add `subject:`")
    elif len(subject) > SUBJECT_MAX:
        view.notes.warn(
            "subject-long",
            at,
            f"the subject has {len(subject)} characters; phones cut at about 40: keep it under "
            f"{SUBJECT_MAX}",
        )
    letters = [c for c in subject if c.isalpha()]
    if (len(letters) > 5 and all(c.isupper() for c in letters)) or "!!" in subject:
        view.notes.warn("subject-loud", at, "the subject shouts: use small letters, and one `!`")
    if re.match(r"\s*(re|fwd?)\s*:", subject, re.IGNORECASE):
        view.notes.warn("subject-loud", at, "the subject pretends to be a reply: take `Re:` out")


def about_size(view: LessonView, html: int, text: int, html_text: int, problem: str) -> None:
    """What the measured mail says."""
    at = (1, 1)
    if problem:
        view.notes.error("not-composed", at, f"no mail can be made of this lesson: {problem}")
        return
    if html > CLIPPED_AT:
        view.notes.error("mail-large", at, clipped(html))
    elif html > HTML_WARN:
        view.notes.warn(
            "mail-large", at, f"the mail has {html // 1000} kB: keep it under {HTML_WARN // 1000}"
        )
    if html_text and text * 3 < html_text:
        view.notes.warn(
            "text-short",
            at,
            f"the text part has {text} characters for {html_text} in the HTML: spam filters "
            "compare them; move meaning out of raw HTML",
        )
