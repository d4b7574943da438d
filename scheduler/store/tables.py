"""The tables, each column with its meaning in one line above it.

Every `_at`, `not_before` and `_until` is an aware UTC instant. Refuses to know queries: those
live beside the question they answer. `migrations/` builds the same tables; a test compares.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    true,
)

from scheduler.store.columns import UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite numbers rows by itself only in a column of exactly this type.
RowId = BigInteger().with_variant(Integer(), "sqlite")


def state_in(column: ColumnElement[Any], *states: str) -> ColumnElement[bool]:
    """A condition with the states written out.

    A partial index is used only if the query repeats its condition literally: with bound
    values neither SQLite nor a prepared PostgreSQL plan can prove that it applies.
    """
    literals: list[ColumnElement[str]] = [literal_column(f"'{state}'") for state in states]
    return column == literals[0] if len(literals) == 1 else column.in_(literals)


def _partial(
    name: str, condition: ColumnElement[bool], *columns: Any, unique: bool = False
) -> None:
    Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


learners = Table(
    "learners",
    metadata,
    # Our number for this person.
    Column("id", RowId, primary_key=True),
    # Where mail goes, as the person typed it, with the domain in its ASCII form.
    Column("address", Text, nullable=False),
    # The address made comparable (`people.address_key`); one person per key.
    Column("address_key", Text, nullable=False, unique=True),
    # May be empty.
    Column("first_name", Text, nullable=False, default=""),
    # IANA name; the zone a new enrollment starts with.
    Column("timezone", String(64), nullable=False),
    # BCP 47 tag.
    Column("language", String(35), nullable=False),
    # When this person first came.
    Column("created_at", UtcTime, nullable=False),
    # A number is never given twice: old links must not open a stranger's page.
    sqlite_autoincrement=True,
)

consents = Table(
    "consents",
    metadata,
    # Our number for this entry; in the order of giving.
    Column("id", RowId, primary_key=True),
    # Who agreed.
    Column("learner_id", RowId, ForeignKey("learners.id"), nullable=False, index=True),
    # The run it is about; empty when it is about all of them.
    Column("enrollment_id", RowId),
    # What was done: signup, confirm, import, staff, settings, pause, resume, leave, ...
    Column("action", String(32), nullable=False),
    # The exact sentence the person saw.
    Column("text", Text, nullable=False),
    # Page or command the action came from.
    Column("source", Text, nullable=False),
    # When.
    Column("at", UtcTime, nullable=False),
    # Salted hash of the network address; empty when unknown.
    Column("ip_hash", String(64), nullable=False, default=""),
    # What the browser called itself; empty when unknown.
    Column("user_agent", Text, nullable=False, default=""),
)

enrollments = Table(
    "enrollments",
    metadata,
    # Our number for this run.
    Column("id", RowId, primary_key=True),
    # Whose run.
    Column("learner_id", RowId, ForeignKey("learners.id"), nullable=False),
    # Key of the course.
    Column("course", String(200), nullable=False),
    # Counted from 1; restarting begins a new one.
    Column("round", Integer, nullable=False),
    # pending, active, paused, completed or stopped.
    Column("state", String(16), nullable=False),
    # Why it is stopped or paused; else empty.
    Column("reason", Text, nullable=False, default=""),
    # IANA name of the zone lessons follow.
    Column("timezone", String(64), nullable=False),
    # Local hour of the lesson, `07:00`.
    Column("hour", String(5), nullable=False),
    # Allowed weekdays from Monday, `1111100` = Monday to Friday.
    Column("weekdays", String(7), nullable=False),
    # Days from one lesson to the next.
    Column("every_days", Integer, nullable=False),
    # When the person signed up for this run.
    Column("created_at", UtcTime, nullable=False),
    # When the address was confirmed, or consent came with an import.
    Column("confirmed_at", UtcTime),
    # When the last lesson was handed over.
    Column("completed_at", UtcTime),
    # When the latest lesson of this course was handed over, in any round.
    Column("last_sent_at", UtcTime),
    # When the next lesson falls; empty when none is owed or one is open.
    Column("next_due_at", UtcTime),
    # When a pause ends by itself; empty = until resumed. Kept by who leaves during a pause.
    Column("paused_until", UtcTime),
    # Release of the zone data `next_due_at` was computed with.
    Column("tzdata_version", String(16), nullable=False),
    # When this row was last written, by the database's own clock; for people, no rule reads it.
    Column("updated_at", UtcTime, nullable=False),
    # When the person last opened their own page; empty when never.
    Column("visited_at", UtcTime),
    # May a lesson that was neither done nor looked at be brought up once more?
    Column("nudges", Boolean, nullable=False, server_default=true()),
    # What the person chose to say as they left: a word of the leave page; else empty.
    Column("left_because", String(16), nullable=False, server_default=""),
    UniqueConstraint("learner_id", "course", "round"),
    # A number is never given twice: old links must not open a stranger's page.
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    # 32 hex digits, opaque: 12 of creation time in milliseconds, 4 of place, 16 of chance.
    Column("id", String(32), primary_key=True),
    # The run it belongs to.
    Column("enrollment_id", RowId, ForeignKey("enrollments.id"), nullable=False),
    # Round of the run when it was owed.
    Column("round", Integer, nullable=False),
    # lesson or letter.
    Column("kind", String(8), nullable=False),
    # Lesson key, or `@letter`.
    Column("key", String(200), nullable=False),
    # Position of the lesson when it was owed; 0 for letters.
    Column("position", Integer, nullable=False, default=0),
    # Where it goes; a change of address moves it until it has been handed over.
    Column("to_addr", Text, nullable=False),
    # due, claimed, sending, accepted, waiting, uncertain, refused, dead, cancelled or skipped.
    Column("state", String(16), nullable=False),
    # Hand-over attempts so far; fences late workers.
    Column("attempt", Integer, nullable=False, default=0),
    # Attempts that the other side put off; giving up counts these.
    Column("failures", Integer, nullable=False, server_default="0"),
    # When the other side first put it off; giving up counts from here.
    Column("failing_since", UtcTime),
    # Workers that went silent while they prepared it; one is chance, three are its doing.
    Column("deaths", Integer, nullable=False, server_default="0"),
    # Not to be claimed before this.
    Column("not_before", UtcTime, nullable=False),
    # The instant it was owed for; much later than that it must not wake anybody.
    Column("first_due_at", UtcTime, nullable=False),
    # When the row was made.
    Column("created_at", UtcTime, nullable=False),
    # Date of the message, the same on every attempt.
    Column("dated_at", UtcTime),
    # Content version that was handed over.
    Column("lesson_version", String(64), nullable=False, default=""),
    # Message-ID, the same on every attempt.
    Column("message_id", String(255), nullable=False, default=""),
    # Worker that holds or held it.
    Column("lease_owner", String(200), nullable=False, default=""),
    # Until when the worker's claim holds.
    Column("lease_until", UtcTime),
    # Provider it was last claimed for.
    Column("provider", String(32), nullable=False, default=""),
    # The provider's own id for it.
    Column("provider_ref", String(255), nullable=False, default=""),
    # Last words on it, one line.
    Column("verdict", String(500), nullable=False, default=""),
    # When the latest hand-over began.
    Column("sending_at", UtcTime),
    # When the latest outcome was recorded.
    Column("settled_at", UtcTime),
    # The one resend after an uncertain hand-over was used.
    Column("extra_copy", Boolean, nullable=False, default=False),
    # When policy decided about an uncertain hand-over; empty while evidence is awaited.
    Column("resolved_at", UtcTime),
    UniqueConstraint("enrollment_id", "round", "key"),
)

delivery_events = Table(
    "delivery_events",
    metadata,
    # In the order of happening.
    Column("id", RowId, primary_key=True),
    # The delivery it happened to.
    Column("delivery_id", String(32), ForeignKey("deliveries.id"), nullable=False, index=True),
    # When.
    Column("at", UtcTime, nullable=False),
    # State before; empty for a new row.
    Column("from_state", String(16), nullable=False),
    # State after.
    Column("to_state", String(16), nullable=False),
    # Worker that did it; empty when no worker did.
    Column("worker", String(200), nullable=False, default=""),
    # What was said about it, one line.
    Column("detail", String(500), nullable=False, default=""),
)

provider_events = Table(
    "provider_events",
    metadata,
    # Who reported it and their number for it; tells repeats.
    Column("id", String(150), primary_key=True),
    # The delivery it is about.
    Column("delivery_id", String(32), ForeignKey("deliveries.id"), nullable=False, index=True),
    # delivered, deferred, bounced, complained or left.
    Column("kind", String(16), nullable=False),
    # Whose fault it is: address, mailbox, policy, config, content; empty when it is nobody's.
    Column("fault", String(16), nullable=False),
    # When it happened.
    Column("at", UtcTime, nullable=False),
    # When it was taken in.
    Column("taken_in_at", UtcTime, nullable=False, index=True),
    # The other side's words, one line.
    Column("detail", String(500), nullable=False),
)

ticks = Table(
    "ticks",
    metadata,
    # The run in which it was done.
    Column("enrollment_id", RowId, ForeignKey("enrollments.id"), primary_key=True),
    # Key of the lesson, as the syllabus had it then; a lesson renamed since has it as an alias.
    Column("lesson_key", String(200), primary_key=True),
    # `action` is the lesson's one action, "I did it"; `felt:…` how it was; else a checklist item.
    Column("item", String(200), primary_key=True),
    # When the person first said so.
    Column("ticked_at", UtcTime, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    # The run in which it was written.
    Column("enrollment_id", RowId, ForeignKey("enrollments.id"), primary_key=True),
    # Key of the lesson, as the syllabus had it then; `@` before what belongs to no lesson.
    Column("lesson_key", String(200), primary_key=True),
    # What it is about: the id of a field of that lesson's page.
    Column("item", String(200), primary_key=True),
    # As the person wrote it.
    Column("text", Text, nullable=False),
    # When it was last changed.
    Column("written_at", UtcTime, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    # Keyed hash of the address; outlives the person's data.
    Column("address_hash", String(64), primary_key=True),
    # Why nothing may be sent: bounced, complained, left, staff, never (signed up), erased.
    Column("reason", Text, nullable=False),
    # Who said so: a provider, a page, a command.
    Column("source", Text, nullable=False),
    # Since when.
    Column("at", UtcTime, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    # Provider that may keep copies of mail to that address.
    Column("provider", String(32), primary_key=True),
    # Whose data it is to erase; the row goes as soon as it has.
    Column("address", Text, primary_key=True),
    # When the person was erased here.
    Column("at", UtcTime, nullable=False),
)

provider_states = Table(
    "provider_state",
    metadata,
    # Name of the provider.
    Column("provider", String(32), primary_key=True),
    # closed (sending), open (resting) or half (trying one).
    Column("breaker", String(8), nullable=False),
    # Until when an open breaker rests, or a trial may take.
    Column("open_until", UtcTime),
    # How often it opened since the provider last took something; each rest is longer.
    Column("openings", Integer, nullable=False),
    # Recent share of hand-overs that failed for the provider's own reasons, 0 to 1.
    Column("failure_share", Float, nullable=False),
    # The provider's last words when it opened, one line.
    Column("said", String(500), nullable=False),
)

buckets = Table(
    "buckets",
    metadata,
    # What is paced: a provider, or a provider and a recipient domain.
    Column("name", String(300), primary_key=True),
    # Mails that may leave at once, as of `updated_at`.
    Column("tokens", Float, nullable=False),
    # When this row was last brought up to date.
    Column("updated_at", UtcTime, nullable=False),
)

lesson_versions = Table(
    "lesson_versions",
    metadata,
    # Content hash.
    Column("version", String(64), primary_key=True),
    # Key of the course.
    Column("course", String(200), nullable=False),
    # Key of the lesson or letter.
    Column("key", String(200), nullable=False),
    # What "read online" needs to show it again; opaque here.
    Column("document", Text, nullable=False),
    # When it was first sent.
    Column("at", UtcTime, nullable=False),
)

admin_sessions = Table(
    "admin_sessions",
    metadata,
    # Hash of the session id; the id itself is only in the browser.
    Column("id_hash", String(64), primary_key=True),
    # When the person logged in.
    Column("created_at", UtcTime, nullable=False),
    # When it was last used.
    Column("last_seen_at", UtcTime, nullable=False),
)

used_links = Table(
    "used_links",
    metadata,
    # Hash of a link that works once.
    Column("link_hash", String(64), primary_key=True),
    # When it was used.
    Column("at", UtcTime, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    # Name of a fact about this installation.
    Column("key", String(100), primary_key=True),
    # The fact.
    Column("value", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    # In the order of happening.
    Column("id", RowId, primary_key=True),
    # When.
    Column("at", UtcTime, nullable=False),
    # Who did it: an admin, a command.
    Column("who", Text, nullable=False),
    # What was done, one word.
    Column("action", Text, nullable=False),
    # To whom or what.
    Column("detail", Text, nullable=False, default=""),
)

_e, _d = enrollments.c, deliveries.c

#: A run that may still send: at most one per learner and course.
RUN_IS_OPEN = state_in(_e.state, "pending", "active", "paused")
#: A run whose next lesson has an instant.
RUN_IS_PLANNED = state_in(_e.state, "active") & _e.next_due_at.is_not(None)
#: A run whose next lesson is open, or lost.
RUN_IS_UNPLANNED = state_in(_e.state, "active") & _e.next_due_at.is_(None)
#: A signup that nobody has confirmed yet.
RUN_IS_PENDING = state_in(_e.state, "pending")
#: A signup that nobody confirmed in time.
RUN_HAS_LAPSED = state_in(_e.state, "stopped") & state_in(_e.reason, "expired")
#: A pause that ends by itself.
PAUSE_ENDS = state_in(_e.state, "paused") & _e.paused_until.is_not(None)
#: May be claimed once its time has come.
CLAIMABLE = state_in(_d.state, "due", "waiting")
#: Waits, and a worker has gone silent over it before.
SUSPECT = CLAIMABLE & (_d.deaths > literal_column("0"))
#: In a worker's hands.
IN_HAND = state_in(_d.state, "claimed", "sending")
#: Nobody knows whether it was taken, and nobody has decided yet.
UNRESOLVED = state_in(_d.state, "uncertain") & _d.resolved_at.is_(None)
#: A person should look at it.
FAILED = state_in(_d.state, "dead", "refused", "uncertain")

_partial("uq_enrollments_open", RUN_IS_OPEN, _e.learner_id, _e.course, unique=True)
_partial("ix_enrollments_planned", RUN_IS_PLANNED, _e.next_due_at)
_partial("ix_enrollments_unplanned", RUN_IS_UNPLANNED, _e.updated_at)
_partial("ix_enrollments_pause_ends", PAUSE_ENDS, _e.paused_until)
_partial("ix_enrollments_completed", _e.completed_at.is_not(None), _e.completed_at)
_partial("ix_enrollments_pending", RUN_IS_PENDING, _e.created_at)
_partial("ix_enrollments_lapsed", RUN_HAS_LAPSED, _e.created_at)
# For the dashboard's counts. The state comes second: were it first, SQLite, which knows nothing
# of how many rows there are, would prefer this index to the partial ones above and read a
# whole school to find who is due.
Index("ix_enrollments_created_at_state", _e.created_at, _e.state)
Index("ix_provider_events_kind_at", provider_events.c.kind, provider_events.c.at)
_partial("ix_deliveries_claimable", CLAIMABLE, _d.not_before)
_partial("ix_deliveries_suspect", SUSPECT, _d.deaths, _d.not_before)
_partial("ix_deliveries_in_hand", IN_HAND, _d.lease_until)
_partial("ix_deliveries_unresolved", UNRESOLVED, _d.settled_at)
_partial("ix_deliveries_failed", FAILED, _d.settled_at)
