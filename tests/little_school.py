"""A whole small school on a real database, with a folder instead of a provider.

Three short lessons, a clock that stands still, and a browser without a window. Everything is
real except time and the network.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from course.catalog import Catalog
from course.compose import CourseComposer, Sender
from course.config import FileSettings, Settings, SignupSettings
from course.links import Links
from course.settings.kinds import Mailbox
from scheduler.clock import FixedClock
from scheduler.dispatch import Dispatcher
from scheduler.domain.enrollment import Enrollment
from scheduler.domain.learner import Consent
from scheduler.enrolling import Enrolling, EnrollingSettings
from scheduler.forgetting import Forgetting
from scheduler.providers import file as file_provider
from scheduler.providers import forget
from scheduler.store import Database, people
from scheduler.upkeep import Upkeep
from tests.new_database import new_sqlite
from tests.passing_time import pass_time

CHECKOUT = Path(__file__).resolve().parent.parent
#: A Monday, 09:00 in Berlin.
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)
COURSE = "clear-writing"

OUTLINE = """\
title: Three Days of Clear Writing
tagline: Say it once, say it short.
description: A small course about sentences.
language: en
minutes: [5, 20]
timezone: Europe/Berlin
cadence: {every_days: 1, days: daily, hour: "07:00"}
first_lesson: at_once
outcomes:
  - One page you are not ashamed of
  - A list of words to leave out
"""

LESSON = """\
---
title: {title}
preheader: {title}, and what it does for the people who read you every day.
idea: One idea a sentence.
action:
  do: "**Cut** one sentence in two."
  minutes: 5
  plan: "If I see a comma, then I try a full stop."
quiz:
  - ask: How many ideas?
    options: [one, two]
    answer: 1
    why: Two ideas fight.
resources:
  - kind: article
    title: On sentences
    by: A. Writer
    url: https://example.com/sentences
    minutes: 4
    core: true
---
Hello {{{{ learner.first_name or "there" }}}}, this is about *{title}*.

## Why it helps

{text}
"""

LETTER = """\
---
title: {title}
subject: {title}
preheader: A few words from the people who run this course, and nothing else.
---
{title}. That is all for now.
"""


@dataclass
class LittleSchool:
    """What `course.wiring.School` offers, with handles for tests."""

    settings: Settings
    clock: FixedClock
    db: Database
    catalog: Catalog
    links: Links
    composer: CourseComposer
    provider: Any
    enrolling: Enrolling
    dispatcher: Dispatcher
    upkeep: Upkeep
    demo: bool = False
    held: str = ""
    next_morning: Callable[[], Any] | None = None
    last_tick_at: datetime | None = None
    hear: Callable[..., bool] = lambda *_: False
    woken: list[datetime] = field(default_factory=list)

    @property
    def outbox(self) -> Path:
        return self.settings.file.outbox

    # -- what people do ------------------------------------------------------------------------

    def sign_up(self, address: str = "zoe@example.com", **wishes: Any) -> int:
        done = self.enrolling.sign_up(COURSE, address, consent=agreed(), **wishes)
        assert done.enrollment_id is not None
        return done.enrollment_id

    def join(self, address: str = "zoe@example.com", **wishes: Any) -> int:
        run = self.sign_up(address, **wishes)
        self.enrolling.confirm(run, agreed("confirm"))
        return run

    # -- what time does ------------------------------------------------------------------------

    def work(self) -> None:
        self.dispatcher.run_due()

    def pass_time(self, step: timedelta) -> None:
        """Let time pass as a running worker would see it."""
        pass_time(self.db, self.clock, step, upkeep=self.upkeep, work=self.work)

    # -- what can be seen ----------------------------------------------------------------------

    def run(self, enrollment_id: int) -> Enrollment:
        with self.db.read() as tx:
            run = people.enrollment(tx, enrollment_id)
        assert run is not None
        return run

    def run_of(self, address: str) -> Enrollment | None:
        with self.db.read() as tx:
            learner = people.find_learner(tx, address)
            return people.latest_enrollment(tx, learner.id, COURSE) if learner else None

    def mails(self, address: str = "zoe@example.com") -> list[EmailMessage]:
        found = []
        for file in sorted(self.outbox.glob("*.eml")):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            if address in str(mail["To"]):
                found.append(mail)
        return found

    def link(self, mail: EmailMessage, purpose: str) -> str:
        """The path of the first link of that kind in the mail's text part."""
        body = mail.get_body(("plain",))
        assert body is not None
        found = re.search(
            rf"{re.escape(self.settings.base_url)}(/{purpose}/\S+)", body.get_content()
        )
        assert found, f"no /{purpose}/ link in the mail"
        return found[1]

    def link_path(self, url: str) -> str:
        """One of our own links without scheme and host."""
        return url.removeprefix(self.settings.base_url)

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table, for proving that nothing changed."""
        from sqlalchemy import select

        from scheduler.store.tables import metadata

        with self.db.read() as tx:
            return {
                table.name: [tuple(row) for row in tx.execute(select(table))]
                for table in metadata.sorted_tables
            }

    def close(self) -> None:
        self.db.close()


def agreed(action: str = "signup") -> Consent:
    return Consent(action=action, text="Send me the course.", source="test", at=MONDAY)


def write_course(folder: Path, *, lessons: int = 3, key: str = COURSE, title: str = "") -> Path:
    """A sound little course."""
    course = folder / key
    course.mkdir(parents=True)
    outline = OUTLINE.replace("Three Days of Clear Writing", title) if title else OUTLINE
    (course / "course.yaml").write_text(outline, encoding="utf-8")
    names = ["Short sentences", "Plain words", "One more pass", "Reading aloud", "Letting go"]
    for number, name in enumerate(names[:lessons], 1):
        slug = name.lower().replace(" ", "-")
        text = "Readers are busy. Give them one thing at a time. " * 30
        (course / f"{number}-{slug}.md").write_text(
            LESSON.format(title=name, text=text), encoding="utf-8"
        )
    for name, words in (("welcome", "You are in"), ("completed", "You did it")):
        (course / f"{name}.md").write_text(LETTER.format(title=words), encoding="utf-8")
    return course


def build(
    home: Path,
    *,
    base_url: str = "http://testserver",
    clock: FixedClock | None = None,
    demo: bool = False,
    lessons: Path | None = None,
    database: str = "",
    **settings: Any,
) -> LittleSchool:
    """A school whose files all lie in `home`; the database too, unless its URL is given."""
    if lessons is None:
        lessons = home / "lessons"
        if not lessons.exists():
            write_course(lessons)
    chosen = Settings(
        **{
            "base_url": base_url,
            "secret_key": ("a key for tests",),
            "lessons": lessons,
            "templates": CHECKOUT / "templates",
            "email_from": Mailbox("Clear Writing", "hello@course.example"),
            "organisation": "The Writing School",
            "postal_address": "1 High Street, Anytown",
            "file": FileSettings(outbox=home / "outbox"),
            "signup": SignupSettings(min_fill_seconds=2),
            "home": home,
            **settings,
        }
    )
    clock = clock or FixedClock(MONDAY)
    file = home / "school.db"
    if database or file.exists():
        db = Database(database or f"sqlite:///{file}")
        db.upgrade()
    else:
        home.mkdir(parents=True, exist_ok=True)
        db = Database(new_sqlite(file))
    catalog = Catalog(lessons)
    links = Links(base_url, chosen.secret_key, clock.now)
    sender = Sender(
        from_addr=chosen.email_from.address,
        from_name=chosen.email_from.name,
        reply_to="",
        organisation=chosen.organisation,
        postal_address=chosen.postal_address,
    )
    composer = CourseComposer(catalog, links, sender, chosen.templates, "raw")
    provider = file_provider.connect({"outbox": str(chosen.file.outbox)})
    woken: list[datetime] = []
    enrolling = Enrolling(
        db, clock, catalog.syllabus, salt="salt", wake=lambda: woken.append(clock.now()),
        settings=EnrollingSettings(remembering=frozenset({"file"})),
    )  # fmt: skip
    dispatcher = Dispatcher(db, clock, catalog.syllabus, composer, provider, salt="salt")
    outbox = {"outbox": str(chosen.file.outbox)}
    forgetting = Forgetting(
        db, lambda name, people: forget(name, outbox, people), remembering={"file"}
    )
    upkeep = Upkeep(db, clock, catalog.syllabus, forgetting=forgetting)
    return LittleSchool(
        chosen, clock, db, catalog, links, composer, provider, enrolling, dispatcher, upkeep,
        demo=demo, woken=woken,
    )  # fmt: skip
