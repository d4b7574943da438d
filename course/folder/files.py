"""Reads lesson files from disk, and remembers them until they change.

What cannot be read (rights, size, encoding) becomes a finding that names file, line and cure.
Refuses to know what a course is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from course import lesson as lessons
from course.errors import Finding, Notes
from course.lesson import Lesson
from course.source.limits import MAX_LESSON, too_large
from course.source.names import in_order

OUTLINE = "course.yaml"
_SUFFIXES = (".md", ".markdown", ".mdown", ".mkd")

#: Time of change, size, inode, time of status change.
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FileRead:
    """One file as last read."""

    stamp: Stamp
    lesson: Lesson | None
    findings: tuple[Finding, ...]


def parse_file(file: Path, number: int | None = None) -> tuple[Lesson | None, list[Finding]]:
    """Read and parse one file; what cannot be read is a finding too."""
    notes = Notes(shown(file))
    text = text_of(file, notes)
    if text is None:
        return None, notes.findings
    return lessons.parse(text, notes.path, name=file.name, number=number)


def folders(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._")
    except OSError:
        return []


def markdown_files(folder: Path) -> list[Path]:
    try:
        found = [
            p
            for p in folder.iterdir()
            if p.suffix.lower() in _SUFFIXES and p.name[0] not in "._~#" and p.is_file()
        ]
    except OSError:
        return []
    return sorted(found, key=lambda p: in_order(p.name))


def remembered(file: Path, memory: dict[Path, FileRead]) -> FileRead:
    stamp = stamp_of(file)
    known = memory.get(file)
    if known is None or known.stamp != stamp:
        lesson, findings = parse_file(file)
        known = memory[file] = FileRead(stamp, lesson, tuple(findings))
    return known


def stamp_of(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return (0, 0, 0, 0)
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns


def fingerprint(folder: Path) -> dict[Path, Stamp]:
    return {file: stamp_of(file) for file in (folder / OUTLINE, *markdown_files(folder))}


def text_of(file: Path, notes: Notes) -> str | None:
    """The file as text; None with a finding when it cannot be read, is too large or not UTF-8."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_LESSON + 1)
            size = file.stat().st_size
    except OSError as error:
        notes.error(
            "unreadable",
            (0, 0),
            f"the file cannot be read ({error.strerror}): check that it is there and its rights",
        )
        return None
    if message := too_large(max(len(raw), size)):
        notes.error("too-large", (1, 1), message)
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        notes.error(
            "not-utf8",
            (line, column),
            f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file with the encoding UTF-8"
            + (" (it looks like UTF-16)" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else ""),
        )
        return None


def folders_without_outline(folder: Path) -> list[Finding]:
    """A hint for each folder of Markdown files that only lacks a course.yaml."""
    found = (not_a_course(f) for f in folders(folder) if not (f / OUTLINE).is_file())
    return [finding for finding in found if finding]


def not_a_course(folder: Path) -> Finding | None:
    files = markdown_files(folder)
    if not files:
        return None
    return Finding(
        shown(folder),
        0,
        0,
        "warn",
        "no-course",
        f"{len(files)} Markdown files but no {OUTLINE}: add one with the line "
        '`title: "..."` to make this folder a course',
    )


def shown(path: Path) -> str:
    """The path as the author would type it: relative to where the command runs, if below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()
