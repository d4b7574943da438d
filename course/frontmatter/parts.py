"""The parts of a lesson that have a fixed place in the mail, read from front matter.

Refuses to guess: a part that lacks what it needs is an error with its line.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from course.errors import Notes
from course.frontmatter import reading as frontmatter
from course.frontmatter.fields import Fields
from course.language import N_

_RESOURCE = ("kind", "title", "by", "url", "minutes", "core", "why", "transcript")
#: Id under which the starred action is ticked.
ACTION_ID = "action"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
KINDS = (
    N_("video"), N_("article"), N_("report"), N_("interview"), N_("tool"), N_("podcast"),
    N_("standard"), N_("guide"), N_("paper"), N_("quiz"), N_("book"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to watch or read elsewhere. `minutes` are the learner's, rounded up."""

    kind: str
    title: str
    by: str
    url: str
    minutes: int
    #: Counts in the day's minutes; others are "Go deeper (optional)".
    core: bool = False
    why: str = ""
    #: Address of a text to read instead; empty when there is none.
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One thing to do. `id` stays the same while the words do, wherever the item stands."""

    id: str
    audience: str
    text: str
    minutes: int = 0
    #: Booked for another day: not counted in today's minutes.
    later: bool = False
    starred: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One self-check question. `answer` is the place of the right option, counted from 0."""

    ask: str
    options: tuple[str, ...]
    answer: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Recall:
    """One question about yesterday, with its answer."""

    ask: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """The starred action of the day."""

    do: str
    minutes: int = 0
    #: The if-then line.
    plan: str = ""
    #: What it leaves in the learner's hands, for the list at the end and the certificate.
    leaves: str = ""


@dataclass(frozen=True, slots=True)
class NoteField:
    """Something to write on one's own page. `id` names it for good, whatever it asks."""

    id: str
    ask: str
    hint: str = ""
    #: Height of the field, in lines.
    lines: int = 3
    #: With a date beside it: by when.
    by: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from."""

    text: str
    url: str = ""


def read_recall(fields: Fields) -> Recall | None:
    """Yesterday's question, if there is one; its findings go to `fields`' notes."""
    below = fields.mapping("recall")
    if below is None:
        return None
    below.need("ask")
    recall = Recall(below.text("ask"), below.text("answer"))
    below.name_strangers(("ask", "answer"))
    return recall


def read_action(fields: Fields) -> Action | None:
    """The starred action, if there is one."""
    below = fields.mapping("action")
    if below is None:
        return None
    below.need("do")
    action = Action(
        below.text("do"),
        below.number("minutes", 0, 600) or 0,
        below.text("plan"),
        below.text("leaves"),
    )
    below.name_strangers(("do", "minutes", "plan", "leaves"))
    return action


def read_checklist(fields: Fields) -> tuple[ChecklistItem, ...]:
    """All other things to do; an item that stands there twice is an error."""
    items: dict[str, ChecklistItem] = {}
    for below in fields.mappings("checklist"):
        below.need("do")
        audience, text = below.text("for", "All"), below.text("do")
        digest = hashlib.sha256(f"{audience}\n{text}".encode("utf-8", "surrogatepass"))
        item_id = below.text("id") or digest.hexdigest()[:8]
        if "id" in below and not _good_id(below, item_id):
            continue
        if item_id in items:
            below.error("duplicate-item", "this checklist item stands here twice: keep one")
            continue
        items[item_id] = ChecklistItem(
            item_id,
            audience,
            text,
            below.number("minutes", 0, 600) or 0,
            below.flag("later"),
            below.flag("starred"),
        )
        below.name_strangers(("for", "do", "id", "minutes", "later", "starred"))
    return tuple(items.values())


def read_notes(fields: Fields) -> tuple[NoteField, ...]:
    """What a learner may write down on their own page; two fields with one id are an error."""
    found: dict[str, NoteField] = {}
    for below in fields.mappings("notes"):
        below.need("id")
        below.need("ask")
        field_id = below.text("id")
        if field_id and _good_id(below, field_id):
            if field_id in found:
                below.error("duplicate-item", f"two notes have the id `{field_id}`: rename one")
            found[field_id] = NoteField(
                field_id,
                below.text("ask"),
                below.text("hint"),
                below.number("lines", 1, 20) or 3,
                below.flag("by"),
            )
        below.name_strangers(("id", "ask", "hint", "lines", "by"))
    return tuple(found.values())


def read_resources(fields: Fields, notes: Notes) -> tuple[Resource, ...]:
    """What to watch and read; an unknown kind is a warning."""
    found = []
    for below in fields.mappings("resources"):
        below.need("title")
        kind = below.text("kind", "article").lower()
        if kind not in KINDS:
            notes.warn(
                "unknown-kind",
                below.at("kind"),
                f"`{kind}` is no kind of resource{frontmatter.did_you_mean(kind, KINDS)}: "
                "use one of " + ", ".join(KINDS),
            )
        found.append(
            Resource(
                kind,
                below.text("title"),
                below.text("by"),
                _address(below, "url", needed=True),
                below.number("minutes", 0, 6000) or 0,
                below.flag("core"),
                below.text("why"),
                _address(below, "transcript"),
            )
        )
        below.name_strangers(_RESOURCE)
    return tuple(found)


def read_quiz(fields: Fields) -> tuple[Question, ...]:
    """The self-check; `answer` is counted from 1 in the file, from 0 here."""
    found = []
    for below in fields.mappings("quiz"):
        below.need("ask")
        ask, options = below.text("ask"), below.texts("options")
        if len(options) < 2:
            below.error("quiz", "a question needs two options or more: add `- an answer` lines")
        answer = below.number("answer", 1, max(len(options), 1))
        if answer is None and "answer" not in below:
            below.error("quiz", "the right answer is missing: add `answer: 1` (counted from 1)")
        found.append(Question(ask, options, (answer or 1) - 1, below.text("why")))
        below.name_strangers(("ask", "options", "answer", "why"))
    return tuple(found)


def read_sources(fields: Fields) -> tuple[Source, ...]:
    """Where the facts come from."""
    found = []
    for below in fields.mappings("sources"):
        below.need("text")
        found.append(Source(below.text("text"), _address(below, "url")))
        below.name_strangers(("text", "url"))
    return tuple(found)


def _good_id(fields: Fields, name: str) -> bool:
    """What a learner marks or writes is kept under this name for years."""
    if name == ACTION_ID:
        fields.error("item-id", f"`{name}` is the id of the starred action: choose another", "id")
    elif not _ID.fullmatch(name):
        fields.error(
            "item-id",
            f"`{name[:40]}` cannot be an id: use up to 64 letters, figures, `-` and `_`",
            "id",
        )
    else:
        return True
    return False


def _address(fields: Fields, name: str, *, needed: bool = False) -> str:
    url = fields.text(name)
    if needed and not url:
        fields.need(name)
    elif url and not re.match(r"https?://[^\s/]|mailto:[^\s]|\{\{ *url\.[a-z]+ *\}\}", url):
        fields.error(
            "bad-address", f"`{url[:80]}` is not a whole address: start it with https://", name
        )
        return ""
    return url
