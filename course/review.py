"""Finds an author's mistakes before a learner does.

Reads one file, one course or all of them and reports; every rule has a name and a cure. Refuses to
change files, to send, and to reach for the network on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from course.advice.body import about_body
from course.advice.front import about_fields, about_size
from course.advice.rulebook import BLOCKING, RULES
from course.advice.view import LessonView
from course.catalog import Course, load_course
from course.errors import Finding, MarkupRefused
from course.folder import files
from course.frontmatter.fields import did_you_mean
from course.lesson import Lesson
from course.markup import inline, to_html
from course.source.limits import CLIPPED_AT
from course.source.names import parse_name


@dataclass(frozen=True, slots=True)
class Size:
    """The finished mail of one lesson, as the composer measured it."""

    html_bytes: int
    #: Characters of the text part, and of the text a reader sees in the HTML part.
    text_chars: int = 0
    html_text_chars: int = 0
    #: Why the mail could not be made; empty when it could.
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the summary."""

    course: str
    key: str
    number: int | None
    title: str
    #: published, draft, broken, letter.
    state: str
    minutes: int = 0
    #: True when the minutes are outside the course's target.
    off_target: bool = False
    words: int = 0
    code_lines: int = 0
    video_minutes: int = 0
    links: int = 0
    images: int = 0
    #: Kilobytes of HTML; None when nobody measured.
    kilobytes: float | None = None
    subject: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """All findings in order of file and line, and one row per lesson and letter."""

    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]
    strict: bool = False

    @property
    def errors(self) -> int:
        return sum(f.level == "error" for f in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors

    @property
    def failed(self) -> bool:
        """True when `course check` has to end with exit code 3."""
        return bool(self.findings if self.strict else self.errors)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "errors": self.errors,
            "warnings": self.warnings,
            "failed": self.failed,
            "findings": [finding.as_dict() for finding in self.findings],
            "lessons": [asdict(row) for row in self.rows],
        }


Measure = Callable[[Course, Lesson], Size | None]
#: Says what is wrong with an address, or nothing; `check --links` brings one that goes there.
Probe = Callable[[str], str | None]


def review(
    path: Path,
    *,
    strict: bool = False,
    measure: Measure | None = None,
    probe: Probe | None = None,
) -> Report:
    """Everything worth saying about a lesson file, a course folder or a folder of courses.

    Raises nothing for what authors write; a path that does not exist is a finding.
    """
    findings: list[Finding] = []
    rows: list[Row] = []
    probed: dict[str, str | None] = {}
    folders, only = _courses_at(path)
    if not folders:
        findings.append(_nothing_at(path))
    for folder in folders:
        course = load_course(folder)
        found = list(course.findings)
        for lesson in _all_of(course):
            view = LessonView(course, lesson)
            size = measure(course, lesson) if measure else None
            found += _of_lesson(view, size, probe, probed)
            rows.append(_row(view, size))
        rows += _rows_of_broken(course)
        if only is not None:
            shown = files.shown(only)
            found = [f for f in found if f.path == shown]
            rows = [r for r in rows if r.key == _key_of(course, shown)]
        findings += _wanted(course, found)
    if only is None and path.is_dir() and not (path / files.OUTLINE).is_file():
        findings += files.folders_without_outline(path)
    order = {row.key: place for place, row in enumerate(rows)}
    rows.sort(key=lambda r: (r.course, r.number is None, r.number or 0, order[r.key]))
    return Report(tuple(sorted(set(findings))), tuple(rows), strict)


def _courses_at(path: Path) -> tuple[list[Path], Path | None]:
    if path.is_file() and path.name != files.OUTLINE:
        return [path.parent], path
    if path.is_file():
        return [path.parent], None
    if (path / files.OUTLINE).is_file():
        return [path], None
    return [p for p in files.folders(path) if (p / files.OUTLINE).is_file()], None


def _nothing_at(path: Path) -> Finding:
    if not path.exists():
        message = "there is nothing here: give a lesson, a course folder or a folder of courses"
    else:
        message = f"there is no {files.OUTLINE} here: add one with `title: ...` beside the lessons"
    return Finding(files.shown(path), 0, 0, "error", "no-course", message)


def _all_of(course: Course) -> list[Lesson]:
    return [*course.lessons.values(), *course.letters.values()]


def _key_of(course: Course, shown: str) -> str:
    for lesson in _all_of(course):
        if lesson.path == shown:
            return lesson.key
    return parse_name(Path(shown).name).slug


def _of_lesson(
    view: LessonView, size: Size | None, probe: Probe | None, probed: dict[str, str | None]
) -> list[Finding]:
    about_fields(view)
    about_body(view)
    _try_to_render(view)
    if size:
        about_size(view, size.html_bytes, size.text_chars, size.html_text_chars, size.problem)
    for url, at in view.web_addresses() if probe else ():
        if probe and url not in probed:
            probed[url] = probe(url)
        if problem := probed[url]:
            view.notes.warn(
                "dead-link", at, f"{url} does not answer ({problem}): correct or replace it"
            )
    for rule in view.lesson.ignore - RULES.keys():
        view.notes.warn(
            "unknown-rule",
            view.field("check"),
            f"there is no rule `{rule}`{did_you_mean(rule, RULES)}: correct or remove it",
        )
    return view.notes.findings


def _wanted(course: Course, findings: list[Finding]) -> list[Finding]:
    """Without what the author switched off; what keeps a lesson from being sent stays."""
    ignored = {lesson.path: lesson.ignore for lesson in _all_of(course)}
    return [
        f
        for f in findings
        if (f.rule in BLOCKING and f.level == "error")
        or f.rule not in ignored.get(f.path, frozenset()) | course.ignore
    ]


def _try_to_render(view: LessonView) -> None:
    lesson = view.lesson
    try:
        to_html(lesson.body)
    except MarkupRefused as refused:
        view.notes.error("template-torn", (lesson.body_line, 1), str(refused))
    for name in ("idea", "objective", "short", "reply", "tomorrow"):
        try:
            inline(getattr(lesson, name))
        except MarkupRefused as refused:
            view.notes.error("template-torn", lesson.places.get(name, (1, 1)), str(refused))


def _row(view: LessonView, size: Size | None) -> Row:
    course, lesson = view.course, view.lesson
    refs = {ref.key: ref for ref in course.syllabus.lessons}
    state = refs[lesson.key].readiness.value if lesson.key in refs else "letter"
    if state == "published" and size and (size.problem or size.html_bytes > CLIPPED_AT):
        state = "broken"  # the composer refuses it, so its learners wait
    minutes = lesson.minutes()
    low, high = course.minutes
    return Row(
        course=course.key,
        key=lesson.key,
        number=lesson.number,
        title=lesson.title,
        state=state,
        minutes=minutes,
        off_target=state != "letter" and not low <= minutes <= high,
        words=lesson.words(),
        code_lines=view.code_lines(),
        video_minutes=sum(r.minutes for r in lesson.resources if r.core and r.kind == "video"),
        links=len(view.marks.links)
        + len(lesson.resources)
        + sum(bool(s.url) for s in lesson.sources),
        images=len(view.marks.pictures),
        kilobytes=round(size.html_bytes / 1000, 1) if size and not size.problem else None,
        subject=len(view.subject()),
    )


def _rows_of_broken(course: Course) -> list[Row]:
    return [
        Row(course.key, ref.key, ref.position, ref.key, ref.readiness.value)
        for ref in course.syllabus.lessons
        if ref.key not in course.lessons
    ]


__all__ = ["Measure", "Probe", "Report", "Row", "Size", "review"]
