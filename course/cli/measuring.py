"""Weighs the finished mail of a lesson for `course check`."""

from __future__ import annotations

from html.parser import HTMLParser

from course.catalog import Course
from course.compose import CourseComposer
from course.errors import CourseError
from course.lesson import Lesson
from course.review import Measure, Size

#: What a reader never sees.
_UNSEEN = ("head", "style", "script", "title")


def measuring(composer: CourseComposer) -> Measure:
    """A measure for `review`; each lesson is composed once."""
    known: dict[tuple[str, str, str], Size] = {}

    def measure(course: Course, lesson: Lesson) -> Size:
        key = (course.key, lesson.key, lesson.version)
        if key not in known:
            known[key] = _size(composer, course, lesson)
        return known[key]

    return measure


def _size(composer: CourseComposer, course: Course, lesson: Lesson) -> Size:
    try:
        mail = composer.preview(course, lesson)
    except CourseError as error:
        return Size(0, problem=str(error))
    return Size(mail.size.html, len(mail.text), len(visible_text(mail.html)))


def visible_text(page: str) -> str:
    """The words of a page, without its markup."""
    reader = _Words()
    reader.feed(page)
    return " ".join(" ".join(reader.words).split())


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self._unseen += tag in _UNSEEN

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(data)
