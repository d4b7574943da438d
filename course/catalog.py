"""One folder becomes one Course; all folders, the catalog.

Refuses to send what is broken: a lesson with an error keeps its place in the syllabus as BROKEN,
and a course whose course.yaml cannot be trusted sends nothing.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from course import lesson as lessons
from course.errors import Finding, Notes
from course.folder.files import (
    OUTLINE,
    FileRead,
    Stamp,
    fingerprint,
    folders,
    markdown_files,
    not_a_course,
    parse_file,
    shown,
    text_of,
)
from course.folder.order import free_aliases, judge_keys, judge_order, sort_out
from course.folder.outline import NextCourse, Outline, read_outline
from course.lesson import Lesson
from scheduler.domain.syllabus import FollowUp, LessonRef, Readiness, Syllabus

#: How often the folder is looked at for changes, in seconds.
LOOK_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Course:
    """One course as it stands on disk."""

    key: str
    title: str
    tagline: str
    description: str
    language: str
    author: str
    #: Target minutes per lesson, from and to.
    minutes: tuple[int, int]
    syllabus: Syllabus
    #: Sound lessons in order, drafts included, by key.
    lessons: Mapping[str, Lesson]
    #: Sound letters by key: `@welcome`, `@completed`, `@followup-day-12`.
    letters: Mapping[str, Lesson]
    outcomes: tuple[str, ...]
    credits: str
    reply_to_note: str
    #: What people agree to when they sign up; empty = the site's own wording.
    consent_text: str
    findings: tuple[Finding, ...]
    folder: Path
    #: First 32 hex digits of SHA-256 over course.yaml and every sound lesson and letter.
    version: str
    #: Rules of `course check` switched off for the whole course.
    ignore: frozenset[str] = frozenset()
    #: May whoever finishes have a certificate?
    certificate: bool = True
    #: May a learner pass over a lesson?
    skip: bool = False
    #: What to take afterwards.
    next: tuple[NextCourse, ...] = ()

    @property
    def total(self) -> int:
        """Number of lessons, drafts and broken ones included."""
        return len(self.syllabus.lessons)


def load_course(folder: Path, *, _memory: dict[Path, FileRead] | None = None) -> Course:
    """Read one folder. Never raises for what authors write: mistakes are in `findings`."""
    memory: dict[Path, FileRead] = {} if _memory is None else _memory
    outline_notes = Notes(shown(folder / OUTLINE))
    outline = read_outline(text_of(folder / OUTLINE, outline_notes), folder.name, outline_notes)
    files = markdown_files(folder)
    for gone in memory.keys() - set(files):
        del memory[gone]
    entries, letters, stray = sort_out(files, outline, memory, outline_notes)
    judge_order(entries, outline)
    judge_keys(entries)
    refs: list[LessonRef] = []
    sound: dict[str, Lesson] = {}
    taken: set[str] = set()
    keys = {entry.key for entry in entries}
    for position, entry in enumerate(entries, 1):
        key = entry.key if entry.key not in taken else f"{entry.key}--{position}"
        taken.add(key)
        aliases = free_aliases(entry, keys)
        if entry.lesson and entry.lesson.draft:
            readiness = Readiness.DRAFT
        elif entry.lesson is None or entry.notes.has_errors or outline_notes.has_errors:
            readiness = Readiness.BROKEN
        else:
            readiness = Readiness.PUBLISHED
        if entry.lesson and not entry.notes.has_errors:
            sound[key] = lessons.stamp(entry.lesson, number=position)
        refs.append(LessonRef(key, position, readiness, aliases, _has_short(entry.lesson)))
    if not refs:
        outline_notes.error(
            "no-lessons",
            (1, 1),
            "there is no lesson in this folder: write the first as `1-a-first-lesson.md`",
        )
    sound_letters = {
        letter.lesson.key: letter.lesson
        for letter in letters
        if letter.lesson
        and not letter.lesson.draft
        and not letter.notes.has_errors
        and not outline_notes.has_errors
    }
    for following in outline.next:
        if following.key and not (folder.parent / following.key / OUTLINE).is_file():
            outline_notes.warn(
                "bad-course",
                outline.next_at,
                f"`next:` names `{following.key}`, and there is no such course beside this one: "
                "correct it, or write `{title: ..., url: ...}` for a course elsewhere",
            )
    findings = [
        finding
        for notes in (outline_notes, *(e.notes for e in entries), *(e.notes for e in letters))
        for finding in notes.findings
    ] + stray
    syllabus = Syllabus(
        course=folder.name,
        lessons=tuple(refs),
        cadence=outline.cadence,
        timezone=outline.timezone,
        first_lesson_at_once=outline.first_lesson_at_once,
        uncertain=outline.uncertain,
        nudges=outline.nudges,
        has_welcome="@welcome" in sound_letters,
        has_completed="@completed" in sound_letters,
        follow_ups=tuple(
            FollowUp(key, letter.after_days)
            for key, letter in sorted(sound_letters.items())
            if letter.after_days is not None
        ),
    )
    return Course(
        key=folder.name,
        title=outline.title,
        tagline=outline.tagline,
        description=outline.description,
        language=outline.language,
        author=outline.author,
        minutes=outline.minutes,
        syllabus=syllabus,
        lessons=MappingProxyType(sound),
        letters=MappingProxyType(sound_letters),
        outcomes=outline.outcomes,
        credits=outline.credits,
        reply_to_note=outline.reply_to_note,
        consent_text=outline.consent_text,
        findings=tuple(sorted(findings)),
        folder=folder,
        version=_version(outline, sound, sound_letters),
        ignore=outline.ignore,
        certificate=outline.certificate,
        skip=outline.skip,
        next=outline.next,
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """A course to take next. `key` is empty for one that another school gives."""

    title: str
    key: str
    url: str


class Catalog:
    """All courses of a folder, read again when a file changed. Safe to share between threads."""

    def __init__(self, folder: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._prints: dict[str, dict[Path, Stamp]] = {}
        self._memory: dict[str, dict[Path, FileRead]] = {}
        self._courses: Mapping[str, Course] = MappingProxyType({})
        self._notices: tuple[Finding, ...] = ()

    def courses(self) -> Mapping[str, Course]:
        """Every course by key; a snapshot that does not change under the reader."""
        self._look(force=False)
        return self._courses

    def course(self, key: str) -> Course | None:
        return self.courses().get(key)

    def after(self, course: Course) -> tuple[Offer, ...]:
        """What to take after this course; one of ours that is gone is left out."""
        offers = []
        for following in course.next:
            ours = self.course(following.key) if following.key else None
            if ours is not None:
                offers.append(Offer(ours.title, ours.key, ""))
            elif following.url:
                offers.append(Offer(following.title, "", following.url))
        return tuple(offers)

    def syllabus(self, key: str) -> Syllabus | None:
        course = self.course(key)
        return course.syllabus if course else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        courses = self.courses()
        return self._notices + tuple(f for course in courses.values() for f in course.findings)

    def refresh(self) -> None:
        """Look now, not in two seconds."""
        self._look(force=True)

    def _look(self, *, force: bool) -> None:
        now = self._monotonic()
        if not force and self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        # Readers never wait for a reload that another thread is doing already.
        if not self._lock.acquire(blocking=force or self._looked_at is None):
            return
        try:
            if not force and self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
                return
            self._reload()
            self._looked_at = now
        finally:
            self._lock.release()

    def _reload(self) -> None:
        found: dict[str, Course] = {}
        notices: list[Finding] = []
        for folder in folders(self.folder):
            if not (folder / OUTLINE).is_file():
                if notice := not_a_course(folder):
                    notices.append(notice)
                continue
            prints = fingerprint(folder)
            known = self._courses.get(folder.name)
            if known is None or self._prints.get(folder.name) != prints:
                memory = self._memory.setdefault(folder.name, {})
                known = load_course(folder, _memory=memory)
                self._prints[folder.name] = prints
            found[folder.name] = known
        for gone in self._courses.keys() - found.keys():
            self._prints.pop(gone, None)
            self._memory.pop(gone, None)
        self._courses = MappingProxyType(found)
        self._notices = tuple(notices)


def _has_short(lesson: Lesson | None) -> bool:
    return lesson is not None and bool(lesson.short or lesson.idea or lesson.action)


def _version(outline: Outline, *parts: Mapping[str, Lesson]) -> str:
    digest = hashlib.sha256(outline.fingerprint.encode())
    for part in parts:
        for key, lesson in part.items():
            digest.update(f"\n{key} {lesson.version}".encode())
    return digest.hexdigest()[:32]


__all__ = ["Catalog", "Course", "Offer", "load_course", "parse_file"]
