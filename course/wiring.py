"""Builds every part of the school once, from settings, and closes what needs closing.

The only place that knows all parts by name. Refuses to start on a database that is not ready,
and to use a demo's database for real mail.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from course import adoption, config
from course.adoption import Hold
from course.catalog import Catalog
from course.compose import CourseComposer, Sender
from course.config import SERVING, Settings
from course.errors import ConfigError, CourseError
from course.links import Links
from scheduler.clock import Clock, OffsetClock, RealClock
from scheduler.dispatch import Dispatcher, DispatchSettings, PaceSettings
from scheduler.domain.provider import Listener, Outcome, Provider
from scheduler.enrolling import Enrolling, EnrollingSettings
from scheduler.errors import DatabaseOutdated, SchedulerError
from scheduler.feedback import Feedback
from scheduler.forgetting import Forgetting
from scheduler.providers import forget, open_listener, open_provider, remembering
from scheduler.settling import Settler
from scheduler.store import Database, people, reports
from scheduler.upkeep import Upkeep, UpkeepSettings

#: meta: how far a demo's clock runs ahead, in seconds; its presence marks a demo's database.
DEMO_OFFSET = "demo_offset_seconds"
#: meta: where the last web server of this database listened; links lead there by default.
SERVING_AT = "serving_at"
#: meta: the salt under which addresses are suppressed; made once, outlives every key.
SALT = "address_salt"
#: A worker that was told to stop finishes the window in hand within this; the rest stays due.
DRAIN_SECONDS = 30.0


@dataclass
class School:
    """Every part, built once."""

    settings: Settings
    clock: Clock
    db: Database
    catalog: Catalog
    links: Links
    composer: CourseComposer
    provider: Provider
    enrolling: Enrolling
    dispatcher: Dispatcher
    upkeep: Upkeep
    feedback: Feedback
    demo: bool = False
    salt: str = ""
    #: Why nothing is sent until a person looks; empty when all is well. As of the start.
    held: str = ""
    #: Demo only: let time pass until everybody has had their next lesson.
    next_morning: Callable[[], Any] | None = None
    _ears: dict[str, Listener | None] = field(default_factory=dict, repr=False)
    _driver: Any = field(default=None, repr=False)
    _presence: Any = field(default=None, repr=False)
    _noted: float = field(default=-1e9, repr=False)

    @property
    def last_tick_at(self) -> datetime | None:
        """When this process last looked at who is due (UTC); None when it runs no worker."""
        return self._driver.last_tick_at if self._driver is not None else None

    @property
    def wake(self) -> Callable[[], None]:
        """Called after something has become due; set by whoever runs the driver."""
        return self.enrolling.wake

    @wake.setter
    def wake(self, call: Callable[[], None]) -> None:
        self.enrolling.wake = call

    def start_driver(self) -> None:
        """Begin looking at who is due, in threads of this process."""
        from scheduler.drivers.embedded import Embedded
        from scheduler.drivers.presence import Presence

        self._presence = Presence(self.db, self.clock, self.dispatcher.owner)
        self._driver = Embedded(
            self.dispatcher,
            self.upkeep,
            self.clock,
            tick_seconds=self.settings.scheduler.tick_seconds,
            after_tick=self._note_tick,
            alive=self._presence.renew,
        )
        self.wake = self._driver.wake
        self._driver.start()

    def stop_driver(self, timeout: float = DRAIN_SECONDS) -> bool:
        """Finish the window in hand, leave the rest due; True when it ended in time (seconds)."""
        driver, self._driver = self._driver, None
        if driver is None:
            return True
        ended = bool(driver.stop(timeout))
        with suppress(SchedulerError):
            self._presence.withdraw()
        return ended

    def send_one(self, course: str, lesson: str, to: str) -> Outcome:
        """One copy marked [TEST] through the chosen provider; no learner is touched.

        Raises CourseError for an unknown course or lesson, or one that cannot be composed.
        """
        found = self.catalog.course(course)
        if found is None:
            raise CourseError(f"there is no course {course!r}: `course check` lists the courses")
        wanted = found.lessons.get(lesson) or found.letters.get(lesson)
        if wanted is None:
            raise CourseError(f"there is no lesson {lesson!r} in {course}: see `course check`")
        message = self.composer.test_message(found, wanted, to, now=self.clock.now())
        (_, outcome), *_ = self.provider.send([message])
        return outcome

    def hear(self, provider: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take in what a provider reports; False if nothing is expected from that one.

        Raises `NotGenuine` for a report that the provider did not send, and a database error:
        then nothing was taken in, and it may be offered again.
        """
        if provider not in self._ears:
            self._ears[provider] = open_listener(provider, self.settings.provider(provider))
        ear = self._ears[provider]
        if ear is None:
            return False
        heard = ear.hear(headers, body, self.clock.now())
        self.feedback.take_in(heard, source=provider)
        return True

    def close(self) -> None:
        """Stop the driver, give back connections. Safe to call twice."""
        self.stop_driver()
        self.provider.close()
        self.db.close()

    def _note_tick(self, at: datetime) -> None:
        # A burst of signups makes a burst of looks; one note in a while tells as much.
        if self.clock.monotonic() - self._noted < self.settings.scheduler.tick_seconds / 4:
            return
        self._noted = self.clock.monotonic()
        with self.db.write() as tx:
            people.set_meta(tx, "last_tick_at", at.isoformat())


def build(
    settings: Settings, *, clock: Clock | None = None, demo: bool = False, worker: bool = True
) -> School:
    """All parts, ready. Raises ConfigError, ProviderMisconfigured or a database error.

    `worker=False` (reading commands) never remembers a deployment. Without `clock` the
    machine's own is used, or the demo's when the database is a demo's.
    """
    settings = config.with_secret(settings)
    db = open_database(settings)
    try:
        if worker:
            db.check_at_start()
        return _assemble(settings, db, clock, demo, worker)
    except BaseException:
        db.close()
        raise


def open_database(settings: Settings) -> Database:
    """The database, up to date: SQLite is upgraded on the spot, PostgreSQL when told to."""
    db = Database(settings.database_url)
    try:
        if db.dialect == "sqlite" or settings.auto_migrate:
            db.upgrade()
        elif not db.is_current():
            raise DatabaseOutdated(
                f"the database {db.describe()} is not up to date with this program. Back it up,"
                " then run `course db upgrade` (or start with AUTO_MIGRATE=1)"
            )
    except BaseException:
        db.close()
        raise
    return db


def sender(settings: Settings) -> Sender:
    """Who the mails come from, by the settings."""
    origin = settings.email_from
    return Sender(
        from_addr=origin.address,
        from_name=origin.name,
        reply_to=settings.reply_to.address if settings.reply_to else "",
        organisation=settings.organisation or origin.name,
        postal_address=settings.postal_address,
        bounce_addr=settings.bounce_address.address if settings.bounce_address else None,
    )


def composer_for(settings: Settings, form: str = "raw", clock: Clock | None = None) -> Any:
    """Catalog and composer alone, for reading commands that need no database."""
    keys = settings.secret_key or ("only for looking at lessons",)
    links = Links(
        settings.base_url,
        keys,
        clock.now if clock else None,
        office_now=RealClock().now if isinstance(clock, OffsetClock) else None,
    )
    catalog = Catalog(settings.lessons)
    return CourseComposer(
        catalog, links, sender(settings), settings.templates, "parts" if form == "parts" else "raw"
    )


def _assemble(
    settings: Settings, db: Database, clock: Clock | None, demo: bool, worker: bool
) -> School:
    settings = _where_it_serves(settings, db)
    offset = _claim_for_demo(db, settings) if demo else _demo_offset(db, settings)
    if clock is None:
        clock = RealClock() if offset is None else OffsetClock(offset)
    provider = open_provider(settings.delivery, settings.provider())
    composer = composer_for(settings, provider.form, clock)
    assert isinstance(composer, CourseComposer)
    catalog = composer.catalog
    salt = _salt(db)
    gap = timedelta(hours=settings.scheduler.min_gap_hours)
    archives = remembering()
    enrolling = Enrolling(
        db,
        clock,
        catalog.syllabus,
        salt=salt,
        settings=EnrollingSettings(
            confirms_per_day=settings.signup.per_address_per_day,
            min_gap=gap,
            remembering=archives,
        ),
    )
    hold = Hold(db, clock, settings.base_url)
    dispatcher = Dispatcher(
        db,
        clock,
        catalog.syllabus,
        composer,
        provider,
        salt=salt,
        held=hold,
        settings=DispatchSettings(
            uncertain=settings.scheduler.uncertain,
            min_gap=gap,
            spread=timedelta(minutes=settings.scheduler.spread_minutes),
            pace=PaceSettings(
                per_second=settings.scheduler.per_second,
                per_domain_per_second=settings.scheduler.per_domain_per_second,
            ),
        ),
    )
    upkeep = Upkeep(
        db,
        clock,
        catalog.syllabus,
        UpkeepSettings(
            signup_expires=timedelta(days=settings.scheduler.signup_expires_days),
            min_gap=gap,
            nudges=settings.scheduler.nudges,
        ),
        held=hold,
        forgetting=Forgetting(
            db,
            lambda name, people: forget(name, settings.provider(name), people),
            remembering=archives,
        ),
    )
    if worker:
        held = adoption.settle_in(db, settings.base_url)
    else:
        with db.read() as tx:
            held = adoption.held(tx, settings.base_url)
    school = School(
        settings, clock, db, catalog, composer.links, composer, provider, enrolling, dispatcher,
        upkeep, _feedback(settings, db, clock, catalog, provider, salt),
        demo=demo or offset is not None, salt=salt, held=held,
    )  # fmt: skip
    if school.demo and isinstance(clock, OffsetClock):
        school.next_morning = _next_morning(school, clock)
    return school


def _feedback(
    settings: Settings, db: Database, clock: Clock, catalog: Catalog, provider: Provider, salt: str
) -> Feedback:
    settler = Settler(
        db,
        clock,
        catalog.syllabus,
        provider=provider.name,
        salt=salt,
        min_gap=timedelta(hours=settings.scheduler.min_gap_hours),
    )
    return Feedback(
        db, clock, settler, salt=salt, stop=adoption.stop, reviewed_at=adoption.reviewed_at
    )


def _where_it_serves(settings: Settings, db: Database) -> Settings:
    """Without a BASE_URL, links lead to where `course serve` last listened, whatever its port."""
    source = settings.sources.get("base_url", "default")
    if source == SERVING:
        with db.write() as tx:
            people.set_meta(tx, SERVING_AT, settings.base_url)
    elif source == "default":
        with db.read() as tx:
            address = people.get_meta(tx, SERVING_AT)
        return settings.model_copy(update={"base_url": address}) if address else settings
    return settings


def _next_morning(school: School, clock: OffsetClock) -> Callable[[], Any]:
    from scheduler.drivers import timelapse

    def keep_offset() -> None:
        with school.db.write() as tx:
            people.set_meta(tx, DEMO_OFFSET, str(clock.offset.total_seconds()))

    def next_morning() -> Any:
        try:
            return timelapse.next_morning(
                clock, school.dispatcher, school.db, after_step=keep_offset
            )
        finally:
            keep_offset()

    return next_morning


def _demo_offset(db: Database, settings: Settings) -> timedelta | None:
    """How far a demo's clock runs ahead; None for an ordinary database."""
    with db.read() as tx:
        seconds = people.get_meta(tx, DEMO_OFFSET)
    if seconds is None:
        return None
    if settings.delivery != "file":
        raise ConfigError(
            [
                (
                    f"DATABASE_URL: {db.describe()} belongs to a demo, whose clock runs ahead; it"
                    f" cannot be used with DELIVERY={settings.delivery}. Name another"
                    " DATABASE_URL, such as sqlite:///var/school.db, or move the demo's file away"
                )
            ]
        )
    return timedelta(seconds=float(seconds))


def _claim_for_demo(db: Database, settings: Settings) -> timedelta:
    """Mark the database as a demo's, unless real people are in it."""
    offset = _demo_offset(db, settings)
    if offset is not None:
        return offset
    with db.read() as tx:
        taken = bool(reports.search_learners(tx, limit=1))
    if taken:
        raise CourseError(
            f"{db.describe()} already holds learners; a demo would move their clock. Give the"
            " demo a database of its own: DATABASE_URL=sqlite:///var/demo.db course serve --demo"
        )
    with db.write() as tx:
        people.set_meta(tx, DEMO_OFFSET, "0")
    return timedelta()


def _salt(db: Database) -> str:
    with db.read() as tx:
        salt = people.get_meta(tx, SALT)
    if salt:
        return salt
    with db.write() as tx:  # a second process that starts now waits here and finds ours
        salt = people.get_meta(tx, SALT) or secrets.token_hex(16)
        people.set_meta(tx, SALT, salt)
    return salt


def parse_tick(text: str | None) -> datetime | None:
    """The stored instant of the last tick of any worker on this database."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
