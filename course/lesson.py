"""One Markdown file becomes one Lesson.

Pure: takes text, gives a value and findings. Refuses to read files, to render, and to guess at a
broken lesson: an error-level finding means the lesson is not to be sent.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from course.errors import Finding, Notes
from course.frontmatter import reading as frontmatter
from course.frontmatter.fields import Fields, Text
from course.frontmatter.parts import (
    ACTION_ID,
    Action,
    ChecklistItem,
    NoteField,
    Question,
    Recall,
    Resource,
    Source,
    read_action,
    read_checklist,
    read_notes,
    read_quiz,
    read_recall,
    read_resources,
    read_sources,
)
from course.source.balance import faults
from course.source.landmarks import unsafe_addresses
from course.source.limits import too_dense, too_large
from course.source.names import alias_key, parse_name, readable
from course.source.rawhtml import unclosed
from course.source.scan import scan, scan_line
from scheduler.domain.delivery import WELCOME

#: Words of non-fiction an adult reads in a minute (Brysbaert 2019).
WORDS_A_MINUTE = 238
#: Mistakes named in one body; after so many the first ones are cured first.
MAX_FINDINGS = 50
DEFAULT_SUBJECT = "[{{ course.title }} {{ lesson.number }}/{{ course.total }}] "

# fmt: off
_KEYS = frozenset([
    "title", "subject", "preheader", "draft", "aliases", "language", "objective", "idea", "recall",
    "action", "checklist", "resources", "quiz", "quiz_minutes", "short", "reply", "tomorrow",
    "sources", "minutes", "after_days", "show_done", "params", "check", "order", "day", "notes",
    "notes_title",
])
#: Keys other tools write; ours means the same.
_ALSO_CALLED = {
    "preview": "preheader",
    "preview_text": "preheader",
    "excerpt": "preheader",
    "weight": "order",
    "lang": "language",
}
#: Keys other tools write that say nothing about the mail.
_IGNORED = frozenset([
    "tags", "tag", "categories", "category", "date", "lastmod", "modified", "updated", "created",
    "slug", "cssclass", "cssclasses", "layout", "author", "authors", "description", "template",
    "hero", "video", "image", "images", "cover", "permalink", "url", "type", "id", "uid", "toc",
    "comments", "series", "keywords", "license", "version", "status", "published", "position",
    "sidebar_label", "sidebar_position", "pagination_prev", "pagination_next", "hide_title",
    "nav_order", "parent", "has_children", "hide", "icon", "delay_days", "publishDate",
    "expiryDate", "summary", "menu", "linkTitle", "featured", "math", "bibliography", "share",
    "kernelspec", "jupytext", "jupyter", "output", "editor", "format",
])
#: Fields that change nothing about the mail.
_NOT_MAILED = (
    "version", "path", "body_line", "draft", "aliases", "ignore", "places", "params", "notes",
    "notes_title",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson, or one letter (key starts with `@`, number is None).

    Text fields are inline Markdown with template values, as the author wrote them.
    """

    key: str
    #: Place in the course, counted from 1; as read from one file: the number it carries.
    number: int | None
    title: str
    subject: str
    preheader: str
    draft: bool
    #: Markdown.
    body: str
    #: Line of the file on which `body` starts, counted from 1.
    body_line: int
    path: str
    aliases: tuple[str, ...] = ()
    language: str = ""
    objective: str = ""
    idea: str = ""
    recall: Recall | None = None
    action: Action | None = None
    checklist: tuple[ChecklistItem, ...] = ()
    resources: tuple[Resource, ...] = ()
    quiz: tuple[Question, ...] = ()
    quiz_minutes: int = 0
    short: str = ""
    reply: str = ""
    tomorrow: str = ""
    sources: tuple[Source, ...] = ()
    #: What a learner may write on their own page, and the heading over it; not in the mail.
    notes: tuple[NoteField, ...] = ()
    notes_title: str = ""
    minutes_override: int | None = None
    #: Letters that follow completion: days after it.
    after_days: int | None = None
    #: Letters at the end: show what the learner has done and what is open.
    show_done: bool = False
    #: The author's own data.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: First 32 hex digits of SHA-256 over all in this lesson that changes the mail.
    version: str = ""
    #: Rules switched off in this file.
    ignore: frozenset[str] = frozenset()
    #: Line and column of each front matter key.
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def words(self) -> int:
        """Words to read: idea, recall and body, code included, addresses and markup left out."""
        recall = f"{self.recall.ask} {self.recall.answer}" if self.recall else ""
        return count_words("\n\n".join((self.idea, recall, self.body)))

    def minutes(self) -> int:
        """Whole minutes for the learner: reading, core resources, action, checklist, self-check."""
        if self.minutes_override is not None:
            return self.minutes_override
        return (
            math.ceil(self.words() / WORDS_A_MINUTE)
            + sum(r.minutes for r in self.resources if r.core)
            + (self.action.minutes if self.action else 0)
            + sum(i.minutes for i in self.checklist if not i.later)
            + self.quiz_minutes
        )

    def steps(self) -> tuple[ChecklistItem, ...]:
        """Everything that can be ticked: the starred action first (id `action`), then the rest."""
        if not self.action:
            return self.checklist
        star = ChecklistItem(ACTION_ID, "All", self.action.do, self.action.minutes, starred=True)
        return (star, *self.checklist)


def parse(
    source: str,
    path: str,
    *,
    name: str | None = None,
    number: int | None = None,
) -> tuple[Lesson | None, list[Finding]]:
    """The lesson in `source`, and every mistake in it with its line in `path`.

    `name` is the file name (default: the end of `path`); `number` overrides the one it carries.
    The lesson is None when it cannot even be read. Never raises.
    """
    notes = Notes(path)
    if too_large(len(source)):
        notes.error("too-large", (1, 1), too_large(len(source)))
        return None, notes.findings
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    parts = frontmatter.split(source, notes)
    if parts is None:
        return None, notes.findings
    fields = None
    if parts.front is not None:
        fields = frontmatter.read(parts.front, parts.front_line, notes)
        if fields is None:
            return None, notes.findings
    fields = fields or frontmatter.nothing(notes)
    fields.rename(_ALSO_CALLED)
    named = parse_name(name or path.replace("\\", "/").rsplit("/", 1)[-1])
    order = fields.number("order", -1000, 100_000)
    day = fields.number("day", 0, 100_000)
    chosen = next((n for n in (number, day, order) if n is not None), named.number)
    body, body_line, heading = _without_title(parts.body, parts.body_line, fields.text("title"))
    title = fields.text("title") or heading or readable(named.slug)
    is_letter = named.letter
    lesson = Lesson(
        key=f"@{named.slug}" if is_letter else named.slug,
        number=None if is_letter else chosen,
        title=title,
        subject=fields.text("subject") or (title if is_letter else DEFAULT_SUBJECT + title),
        preheader=fields.text("preheader"),
        draft=_draft(fields),
        body=body,
        body_line=body_line,
        path=path,
        aliases=tuple(filter(None, (alias_key(a) for a in fields.texts("aliases")))),
        language=fields.text("language"),
        objective=fields.text("objective"),
        idea=fields.text("idea"),
        recall=read_recall(fields),
        action=read_action(fields),
        checklist=read_checklist(fields),
        resources=read_resources(fields, notes),
        quiz=(quiz := read_quiz(fields)),
        quiz_minutes=_or(fields.number("quiz_minutes", 0, 600), len(quiz)),
        short=fields.text("short"),
        reply=fields.text("reply"),
        tomorrow=fields.text("tomorrow"),
        sources=read_sources(fields),
        notes=read_notes(fields),
        notes_title=fields.text("notes_title"),
        minutes_override=fields.number("minutes", 0, 1000),
        after_days=fields.number("after_days", 0, 3650),
        show_done=_show_done(fields, f"@{named.slug}" if is_letter else ""),
        params=frontmatter.as_mapping(fields, "params"),
        ignore=_ignored_rules(fields),
        places=fields.places(),
    )
    fields.name_strangers(_KEYS, _IGNORED)
    _check_texts(fields.texts_taken, notes)
    _check_body(lesson, notes)
    return stamp(lesson), notes.findings


def stamp(lesson: Lesson, *, number: int | None = None) -> Lesson:
    """The lesson with its version, and with its place in the course when given."""
    placed = lesson if number is None else replace(lesson, number=number)
    return replace(placed, version=_version(placed))


def count_words(markdown: str) -> int:
    """Words a reader meets: link addresses, tags and markup do not count."""
    text = re.sub(r"<!--.*?-->", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"\]\([^)\s]*(?:\s\"[^\"]*\")?\)", "] ", text)
    text = re.sub(r"</?[A-Za-z][^<>]*>|https?://\S+|&#?\w+;", " ", text)
    return sum(1 for word in text.split() if any(c.isalnum() for c in word))


def _version(lesson: Lesson) -> str:
    content = asdict(lesson)
    for name in _NOT_MAILED:
        content.pop(name)
    packed = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(packed.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _without_title(body: str, line: int, title: str) -> tuple[str, int, str]:
    """Take a first `# heading` out when it is the title; else leave the body alone."""
    match = re.match(r"\s*#[ \t]+(?P<words>[^\n]+?)[ \t]*#*[ \t]*(?:\n|\Z)", body)
    if match is None:
        match = re.match(r"\s*(?P<words>[^\n#>*+\-`|][^\n]*)\n=+[ \t]*(?:\n|\Z)", body)
    if match is None:
        return body, line, ""
    words = match.group("words").strip()
    if title and words.casefold() != title.casefold():
        return body, line, ""
    return body[match.end() :], line + body.count("\n", 0, match.end()), words


def _draft(fields: Fields) -> bool:
    if "draft" in fields:
        return fields.flag("draft")
    return "published" in fields and not fields.flag("published", True)


def _show_done(fields: Fields, letter: str) -> bool:
    wanted = fields.flag("show_done")
    if wanted and (not letter or letter == WELCOME):
        fields.error(
            "front-matter",
            "`show_done` tells what a learner has done, in `completed.md` and in follow-ups only: "
            "take it out here",
            "show_done",
        )
        return False
    return wanted


def _ignored_rules(fields: Fields) -> frozenset[str]:
    below = fields.mapping("check")
    if below is None:
        return frozenset()
    rules = frozenset(below.texts("ignore"))
    below.name_strangers(("ignore",))
    return rules


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _check_texts(texts: list[Text], notes: Notes) -> None:
    for text in texts:
        if "{{" not in text.value and "{%" not in text.value:
            continue
        found = scan_line(text.value)
        for _, fault in faults(found):
            notes.error(fault.rule, text.locate(fault.fragment), fault.message)


def _check_body(lesson: Lesson, notes: Notes) -> None:
    if not lesson.body.strip():
        if not lesson.draft:
            notes.error(
                "empty-body",
                (lesson.body_line, 1),
                "the lesson has no text: write it below the front matter, or set `draft: true`",
            )
        return
    found = scan(lesson.body)
    fence = "this code block is never closed: add a line with the same fence after its last line"
    for offset, rule, message in itertools.islice(
        itertools.chain(
            ((offset, "unclosed-fence", fence) for offset in found.open_fences),
            ((offset, fault.rule, fault.message) for offset, fault in faults(found)),
            ((offset, fault.rule, fault.message) for offset, fault in unsafe_addresses(found)),
            ((offset, "unclosed-tag", message) for offset, message in unclosed(found)),
            ((offset, "too-dense", message) for offset, message in too_dense(found)),
        ),
        MAX_FINDINGS,
    ):
        line, column = found.at(offset)
        notes.error(rule, (line + lesson.body_line - 1, column), message)


__all__ = [
    "Action",
    "ChecklistItem",
    "Lesson",
    "NoteField",
    "Question",
    "Recall",
    "Resource",
    "Source",
    "parse",
    "stamp",
]
