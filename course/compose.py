"""Turns claimed deliveries into finished mails: compiled once a version, filled per learner.

It refuses to send, to look anything up and to raise for one bad delivery: what cannot be
composed comes back as `Unfit` with the reason.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Literal, TypeVar

from markupsafe import escape

from course.catalog import Catalog, Course, Offer
from course.errors import ConfigError, CourseError
from course.finish import Task
from course.language import Language
from course.lesson import Lesson
from course.links import Links
from course.mail.compiled import Cut, PartsForm, RawForm, refuse_tags
from course.mail.deeds import PREFIX, deed_values
from course.mail.document import (
    NOTICES,
    Document,
    describe,
    describe_notice,
    describe_nudge,
    dump,
    load,
    sound_lesson,
    tasks_in,
    version_of,
)
from course.mail.headers import (
    Sender,
    encoded,
    fixed_headers,
    is_address,
    is_listed,
    origin_headers,
)
from course.mail.holes import Marks, fill
from course.mail.layout import Imprint, Layout
from course.mail.mime import date_header, subject_line, token_header
from course.mail.person import SAMPLE, pretended, values_of
from course.source.limits import CLIPPED_AT, clipped
from scheduler.domain.delivery import COMPLETED, Claimed, nudge_of, original_key
from scheduler.domain.learner import Learner
from scheduler.domain.message import Message, Shared, Unfit

__all__ = ["CourseComposer", "Rendered", "Sender", "Size"]

#: Compiled mails and documents kept in memory; a school sends a few dozen versions a day.
_KEPT = 256
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Size:
    """How heavy a mail is, in bytes, before transfer encoding."""

    html: int
    text: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail as its reader sees it, not yet encoded."""

    subject: str
    html: str
    text: str
    size: Size


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One version, ready to be filled."""

    version: str
    #: The language it is written in.
    spoken: Language
    #: The values it is made of, so that no others are worked out.
    names: tuple[str, ...]
    #: The lessons of which it says whether they are done; for most none.
    tasks: tuple[Task, ...]
    listed: bool
    origin: bytes
    fixed: Mapping[str, str]
    raw: RawForm | None
    parts: PartsForm | None


class CourseComposer:
    """Writes the mails of every course in the catalog; safe to use from several threads."""

    def __init__(
        self,
        catalog: Catalog,
        links: Links,
        sender: Sender,
        templates: Path,
        form: Literal["raw", "parts"],
    ) -> None:
        sender.check()
        if str(escape(links.base_url)) != links.base_url:
            raise ConfigError([f"BASE_URL is {links.base_url!r}: leave out & < > and quotes"])
        self.catalog, self.links, self.sender, self.form = catalog, links, sender, form
        imprint = Imprint(sender.organisation, sender.postal_address, sender.privacy_url)
        self._layout = Layout(templates, links.base_url, imprint)
        self._lock = RLock()
        self._compiled: OrderedDict[object, _Compiled] = OrderedDict()
        self._documents: OrderedDict[str, str] = OrderedDict()
        #: Why there is no mail of a version.
        self._refused: OrderedDict[object, str] = OrderedDict()

    def compose(self, claimed: Sequence[Claimed]) -> list[Message | Unfit]:
        """One answer per claimed delivery, in the same order."""
        ready: dict[tuple[str, str, str], _Compiled | str] = {}
        looks = self._layout.fingerprint()
        answers: list[Message | Unfit] = []
        for one in claimed:
            # A lesson is in its author's language, a letter of ours in its reader's.
            ours = original_key(one.delivery.key) in NOTICES
            tongue = one.learner.language if ours else ""
            which = (one.enrollment.course, one.delivery.key, tongue)
            if which not in ready:
                ready[which] = self._ready(*which, looks)
            answers.append(self._answer(ready[which], one))
        return answers

    def document(self, version: str) -> str:
        """The JSON to keep so that this version can be read again later. Raises CourseError."""
        with self._lock:
            if version in self._documents:
                return self._documents[version]
        raise CourseError(f"version {version} was not composed here: compose the delivery first")

    def version_of(self, course: Course, lesson: Lesson) -> str:
        """What `Message.version` is for this lesson as it stands now."""
        return version_of(self._described(course, lesson))

    def read_online(self, document: str, claimed: Claimed) -> str:
        """A whole web page made from a stored `document`, for this one learner.

        Raises CourseError for a document that cannot be shown.
        """
        described = load(document)
        marks = self._marks(described)
        pieces = marks.cut(self._layout.page(described, marks), "html")
        names = {name for hole in pieces if not isinstance(hole, str) for name in hole.names}
        return fill(pieces, self._values(described, names, claimed))

    def preview(self, course: Course, lesson: Lesson, learner: Learner | None = None) -> Rendered:
        """The mail as `learner` (a sample person by default) would get it. Raises CourseError."""
        document = self._described(course, lesson)
        cut = self._cut(document)
        claimed = pretended(course, lesson.key, learner or SAMPLE, self.links.now())
        values = self._values(document, cut.names, claimed)
        html, text = fill(cut.html, values), fill(cut.text, values)
        size = Size(len(html.encode()), len(text.encode()))
        return Rendered(subject_line(fill(cut.subject, values)), html, text, size)

    def measure(self, course: Course, lesson: Lesson) -> Size:
        """How heavy the mail becomes for a sample learner. Raises CourseError."""
        return self.preview(course, lesson).size

    def test_message(
        self, course: Course, lesson: Lesson, to: str, *, now: datetime | None = None
    ) -> Message:
        """One copy marked [TEST] to `to`; its links open nobody's page. Raises CourseError."""
        document = self._described(course, lesson)
        document["lesson"]["subject"] = f"[TEST] {document['lesson']['subject']}"
        learner = Learner(0, to, SAMPLE.first_name, SAMPLE.timezone, course.language)
        claimed = pretended(course, lesson.key, learner, now or self.links.now())
        answer = self._answer(self._compile(document, claimed), claimed)
        if isinstance(answer, Unfit):
            raise CourseError(answer.reason)
        return answer

    def _language(self, document: Document) -> Language:
        return self._layout.languages.of(document["language"])

    def _ready(self, course_key: str, key: str, tongue: str, looks: object) -> _Compiled | str:
        """The compiled mail, or why there is none."""
        try:
            course = self.catalog.course(course_key)
            if course is None:
                return f"there is no course {course_key!r} in the lessons folder: put it back"
            # A copy sent once more is the same mail as the first.
            notice, nudge = original_key(key), nudge_of(key)
            lesson, offers = None, tuple[Offer, ...]()
            if nudge is not None:
                lesson = sound_lesson(course, nudge[1])
            elif notice not in NOTICES:
                lesson = sound_lesson(course, notice)
                offers = self._offers(course, lesson)
            spoken = self._layout.languages.of(tongue, course.language).tag if not lesson else ""
            turn = nudge[0] if nudge else 0
            name, version = (lesson.key, lesson.version) if lesson else (notice, spoken)
            stamp = (course_key, course.version, name, version, turn, looks, *offers)
            with self._lock:
                if stamp in self._refused:
                    return self._refused[stamp]
                if stamp in self._compiled:
                    # Both age together: a mail in memory has its document in memory.
                    self._compiled.move_to_end(stamp)
                    self._documents.move_to_end(self._compiled[stamp].version)
                    return self._compiled[stamp]
                if lesson is None:
                    document = describe_notice(NOTICES[notice], course, spoken)
                elif turn:
                    document = describe_nudge(course, lesson, turn)
                else:
                    document = self._described(course, lesson)
                sample = pretended(course, key, SAMPLE, self.links.now())
                try:
                    compiled = self._compile(document, sample)
                except CourseError as wrong:
                    # Whoever waits for it asks again and again: the answer is the same.
                    _keep(self._refused, stamp, str(wrong))
                    return str(wrong)
                _keep(self._compiled, stamp, compiled)
                _keep(self._documents, compiled.version, dump(document))
                return compiled
        except CourseError as wrong:
            return str(wrong)
        except Exception as wrong:  # an unforeseen fault holds this mail, not the whole batch
            return f"this mail could not be made: {wrong!r}. Run `course check`, then report it"

    def _answer(self, compiled: _Compiled | str, claimed: Claimed) -> Message | Unfit:
        if isinstance(compiled, str):
            return Unfit(claimed.delivery.id, compiled, poison=True, hold=True)
        if not is_address(claimed.delivery.to_addr):
            return Unfit(
                claimed.delivery.id,
                "the address has letters or signs that mail servers refuse: ask for another one",
                poison=False,
            )
        try:
            return self._filled(compiled, claimed)
        except CourseError as wrong:
            return Unfit(claimed.delivery.id, str(wrong), poison=True, hold=True)
        except Exception as wrong:
            return Unfit(claimed.delivery.id, f"this mail could not be filled: {wrong!r}", False)

    def _filled(self, compiled: _Compiled, claimed: Claimed) -> Message:
        delivery, links = claimed.delivery, self.links
        values = values_of(compiled.names, claimed, links, compiled.spoken)
        if compiled.tasks:
            values |= deed_values(compiled.tasks, claimed, compiled.spoken.tag)
        message_id = delivery.message_id or links.message_id(delivery.id, self.sender.domain)
        envelope_from = self.sender.from_addr
        if self.sender.bounce_addr:
            envelope_from = links.bounce(delivery.id, self.sender.bounce_addr)
        leave = f"<{values['url.leave']}>" if compiled.listed else ""
        if compiled.raw is not None:
            own = token_header("Message-ID", message_id)
            if leave:
                own += token_header("List-Unsubscribe", leave)
            raw = compiled.raw.fill(
                compiled.origin + token_header("To", delivery.to_addr),
                date_header(delivery.dated_at or delivery.not_before) + own,
                values,
            )
            return Message(
                delivery.id, delivery.to_addr, envelope_from, message_id, compiled.version, raw,
                dotless=True,
            )  # fmt: skip
        assert compiled.parts is not None
        headers = {"Message-ID": message_id, **compiled.fixed}
        if leave:
            headers["List-Unsubscribe"] = leave
        return Message(
            delivery.id, delivery.to_addr, envelope_from, message_id, compiled.version,
            shared=compiled.parts.shared, substitutions=compiled.parts.fill(values),
            headers=headers,
        )  # fmt: skip

    def _compile(self, document: Document, sample: Claimed) -> _Compiled:
        """Ready to be filled. Raises CourseError, also for what Gmail would not show whole."""
        cut = self._cut(document)
        size = len(fill(cut.html, self._values(document, cut.names, sample)).encode())
        if size > CLIPPED_AT:
            raise CourseError(clipped(size))
        version, listed = version_of(document), is_listed(document)
        fixed = fixed_headers(document, self.sender)
        origin, reply_to = origin_headers(self.sender)
        raw = parts = None
        if self.form == "raw":
            raw = RawForm(cut, reply_to + encoded(fixed), version)
        else:
            sender = self.sender
            parts = PartsForm(
                cut,
                Shared(
                    "", "", "", sender.from_addr, sender.from_name,
                    sender.reply_to or sender.from_addr, ("lesson" if listed else "notice",),
                ),
            )  # fmt: skip
        names = cut.names | {"url.leave"} if listed else cut.names
        own = tuple(sorted(name for name in names if not name.startswith(PREFIX)))
        spoken, tasks = self._language(document), tasks_in(document)
        return _Compiled(version, spoken, own, tasks, listed, origin, fixed, raw, parts)

    def _described(self, course: Course, lesson: Lesson) -> Document:
        return describe(course, lesson, self._offers(course, lesson))

    def _offers(self, course: Course, lesson: Lesson) -> tuple[Offer, ...]:
        """What to take next, for the one letter that names it."""
        return self.catalog.after(course) if lesson.key == COMPLETED else ()

    def _values(
        self, document: Document, names: Collection[str], claimed: Claimed
    ) -> dict[str, str]:
        own, spoken = (n for n in names if not n.startswith(PREFIX)), self._language(document)
        values = values_of(own, claimed, self.links, spoken)
        return values | deed_values(tasks_in(document), claimed, spoken.tag)

    def _cut(self, document: Document) -> Cut:
        marks = self._marks(document)
        draft = self._layout.mail(document, marks)
        cut = Cut(
            marks.cut(draft.subject, "text"),
            marks.cut(draft.text, "text"),
            marks.cut(draft.html, "html"),
        )
        refuse_tags(cut)
        return cut

    def _marks(self, document: Document) -> Marks:
        course, lesson = document["course"], document.get("lesson", {})
        return Marks(
            dump(document),
            {
                "course.title": course["title"],
                "course.total": course["total"],
                "lesson.title": lesson.get("title", ""),
                "lesson.number": lesson.get("number", 0),
                "lesson.minutes": lesson.get("minutes", 0),
            },
        )


def _keep(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    while len(memory) > _KEPT:
        memory.popitem(last=False)
