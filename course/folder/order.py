"""Decides which files are lessons, and in which order they come.

Refuses to guess between two lessons that claim one place: both wait until the author has chosen.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from course.errors import Finding, Notes
from course.folder.files import FileRead, remembered, shown
from course.folder.outline import Outline
from course.lesson import Lesson
from course.source.names import Name, in_order, parse_name

#: Names people keep beside lessons without meaning them as lessons.
_NOT_LESSONS = frozenset(
    [
        *("readme", "license", "licence", "changelog", "contributing", "notes", "todo", "index"),
        *("summary", "glossary", "code-of-conduct", "security", "authors", "credits"),
    ]
)


@dataclass(slots=True)
class Entry:
    """One numbered file on its way into the syllabus."""

    file: Path
    name: Name
    number: int | None
    lesson: Lesson | None
    notes: Notes

    @property
    def key(self) -> str:
        return self.name.slug


def sort_out(
    files: list[Path], outline: Outline, memory: dict[Path, FileRead], outline_notes: Notes
) -> tuple[list[Entry], list[Entry], list[Finding]]:
    """Which files are lessons, in order; which are letters; what to say about the rest."""
    lesson_entries: list[Entry] = []
    letters: list[Entry] = []
    others: list[Entry] = []
    for file in files:
        read = remembered(file, memory)
        name = parse_name(file.name)
        number = read.lesson.number if read.lesson else name.number
        entry = Entry(file, name, number, read.lesson, Notes(shown(file), list(read.findings)))
        if name.letter:
            letters.append(entry)
        elif number is None and file.name not in outline.order:
            others.append(entry)
        else:
            lesson_entries.append(entry)
    if outline.order:
        return _as_listed(lesson_entries, outline, outline_notes), letters, []
    likely = [e for e in others if e.name.slug not in _NOT_LESSONS]
    if not lesson_entries and likely:
        likely.sort(key=lambda e: in_order(e.file.name))
        outline_notes.warn(
            "no-numbers",
            (1, 1),
            "no lesson file has a number, so they are sent in the order of their names: number "
            "them (`1-first.md`) or list them in course.yaml under `lessons:`",
        )
        return likely, letters, []
    stray = [
        Finding(
            entry.notes.path,
            1,
            1,
            "warn",
            "not-a-lesson",
            "this file has no number, so it is never sent: name it like "
            f"`{len(lesson_entries) + 1}-{entry.key}.md`, or start its name with `_`",
        )
        for entry in likely
    ]
    lesson_entries.sort(key=lambda e: (e.number or 0, in_order(e.file.name)))
    return lesson_entries, letters, stray


def _as_listed(entries: list[Entry], outline: Outline, notes: Notes) -> list[Entry]:
    by_name = {entry.file.name: entry for entry in entries}
    for missing in [name for name in outline.order if name not in by_name]:
        notes.error(
            "bad-course",
            outline.order_at,
            f"`lessons:` names `{missing}`, which is not in this folder: correct or remove it",
        )
    for name in by_name.keys() - set(outline.order):
        by_name[name].notes.warn(
            "not-a-lesson",
            (1, 1),
            "course.yaml lists its lessons without this file: add it under `lessons:`",
        )
    return [by_name[name] for name in outline.order if name in by_name]


def judge_order(entries: list[Entry], outline: Outline) -> None:
    """Double numbers and gaps. Which of two is right is not ours to guess: both wait."""
    if outline.order:
        return
    by_number: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.number is not None:
            by_number.setdefault(entry.number, []).append(entry)
    for number, same in by_number.items():
        for entry in same if len(same) > 1 else ():
            others = ", ".join(f"`{e.file.name}`" for e in same if e is not entry)
            entry.notes.error(
                "duplicate-number",
                (1, 1),
                f"number {number} is also taken by {others}: give one of them another number",
            )
    from_names = [e for e in entries if e.name.number is not None and e.number == e.name.number]
    if len(from_names) != len(entries):
        return
    numbers = sorted(by_number)
    for before, after in itertools.pairwise(numbers):
        if after - before > 1:
            by_number[after][0].notes.warn(
                "number-gap",
                (1, 1),
                f"there is no lesson {before + 1} between {before} and {after}: renumber, or "
                "ignore this if it is meant (learners see places, not file numbers)",
            )


def judge_keys(entries: list[Entry]) -> None:
    by_key: dict[str, list[Entry]] = {}
    for entry in entries:
        by_key.setdefault(entry.key, []).append(entry)
    for key, same in by_key.items():
        for entry in same if len(same) > 1 else ():
            others = ", ".join(f"`{e.file.name}`" for e in same if e is not entry)
            entry.notes.error(
                "duplicate-key",
                (1, 1),
                f"the key `{key}` (the file name without its number) is also used by {others}: "
                "rename one of them",
            )


def free_aliases(entry: Entry, keys: set[str]) -> tuple[str, ...]:
    if entry.lesson is None:
        return ()
    kept = []
    for alias in entry.lesson.aliases:
        if alias in keys:
            if alias != entry.key:
                entry.notes.warn(
                    "alias-taken",
                    entry.lesson.places.get("aliases", (1, 1)),
                    f"the alias `{alias}` is the key of another lesson and is ignored: remove it",
                )
        elif alias not in kept:
            kept.append(alias)
    return tuple(kept)
