"""Who is erased here is erased where copies of their mail lie, as soon as that can be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
import structlog
from sqlalchemy import select, update

from scheduler.domain.provider import Deferred
from scheduler.enrolling import Enrolling, EnrollingSettings
from scheduler.forgetting import GIVE_UP_AFTER, Forgetting
from scheduler.store import Database, erasures, ledger
from scheduler.store.tables import consents, deliveries, enrollments, learners, metadata
from scheduler.upkeep import Upkeep
from tests.office import Office, agreed

DAY = timedelta(days=1)


class Archive:
    """A provider that keeps everything, until it is asked to erase it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, datetime]]] = []
        self.refusal: Deferred | None = None

    def forget(self, provider: str, people: Mapping[str, datetime]) -> Deferred | None:
        self.asked.append((provider, dict(people)))
        return self.refusal


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def office(db: Database, archive: Archive) -> Office:
    """Its letterbox remembers."""
    office = Office(db)
    office.enrolling = Enrolling(
        db,
        office.clock,
        office._syllabi,
        salt="salt",
        settings=EnrollingSettings(remembering=frozenset({office.letterbox.name})),
    )
    forgetting = Forgetting(db, archive.forget, remembering={office.letterbox.name})
    office.upkeep = Upkeep(db, office.clock, office._syllabi, forgetting=forgetting)
    return office


def learner_of(office: Office, run: int) -> int:
    return office.run(run).learner_id


def who_had_mail_is_erased(office: Office) -> None:
    """Ada learned for a day, and wants to be forgotten."""
    run = office.join("ada@example.com")
    office.pass_time(DAY)
    office.enrolling.erase(learner_of(office, run), "test")


def waiting(office: Office) -> list[str]:
    with office.db.read() as tx:
        return [address for _, address, _ in erasures.pending_erasures(tx, 100)]


def test_who_got_mail_is_erased_where_it_went(office: Office, archive: Archive) -> None:
    run = office.join("ada@example.com")
    office.join("bob@example.com")
    office.pass_time(DAY)
    erased_at = office.clock.now()
    office.enrolling.erase(learner_of(office, run), "test")
    assert waiting(office) == ["ada@example.com"]
    office.clock.advance(timedelta(minutes=1))
    assert office.upkeep.run()["erased"] == 1
    assert archive.asked == [(office.letterbox.name, {"ada@example.com": erased_at})]
    assert waiting(office) == []
    assert office.upkeep.run()["erased"] == 0
    assert len(archive.asked) == 1


def test_staff_who_forget_somebody_have_it_done_too(office: Office, archive: Archive) -> None:
    run = office.join("ada@example.com")
    office.pass_time(DAY)
    office.enrolling.forget(learner_of(office, run))
    office.upkeep.run()
    assert [list(people) for _, people in archive.asked] == [["ada@example.com"]]


def test_every_address_they_ever_got_mail_at_is_meant(office: Office, archive: Archive) -> None:
    run = office.join("ada@example.com")
    office.pass_time(DAY)
    number = learner_of(office, run)
    with office.db.write() as tx:
        new = {"address": "ada@example.net", "address_key": "ada@example.net"}
        tx.execute(update(learners).values(new))
    office.pass_time(2 * DAY)
    office.enrolling.erase(number, "test")
    assert waiting(office) == ["ada@example.com", "ada@example.net"]


def test_another_persons_address_is_not_meant(office: Office, archive: Archive) -> None:
    """Who wants an address that is taken has a letter sent there, about nothing of theirs."""
    run, _ = office.join("ada@example.com"), office.join("bob@example.com")
    office.pass_time(DAY)
    with office.db.write() as tx:
        sent = ledger.deliveries_of(tx, run)[0]
        tx.execute(
            update(deliveries)
            .where(deliveries.c.id == sent.id)
            .values(to_addr="bob@example.com", key="@taken")
        )
    office.enrolling.erase(learner_of(office, run), "test")
    assert waiting(office) == ["ada@example.com"]


def test_mail_dated_ahead_of_our_clock_is_meant(office: Office, archive: Archive) -> None:
    run = office.join("ada@example.com")
    office.pass_time(3 * DAY)
    sent_at = office.clock.now()
    office.clock.advance(-2 * DAY)
    office.enrolling.erase(learner_of(office, run), "test")
    with office.db.read() as tx:
        [(_, _, at)] = erasures.pending_erasures(tx, 2)
    assert at > office.clock.now()
    assert at <= sent_at


def test_who_never_got_mail_is_asked_for_nowhere(office: Office, archive: Archive) -> None:
    run = office.join("ada@example.com")
    office.enrolling.erase(learner_of(office, run), "test")
    assert waiting(office) == []
    office.upkeep.run()
    assert archive.asked == []


def test_a_provider_that_keeps_nothing_is_told_nothing(office: Office, archive: Archive) -> None:
    office.enrolling = Enrolling(office.db, office.clock, office._syllabi, salt="salt")
    who_had_mail_is_erased(office)
    assert waiting(office) == []


def test_a_refusal_is_said_and_asked_again_for_thirty_days(
    office: Office, archive: Archive
) -> None:
    who_had_mail_is_erased(office)
    archive.refusal = Deferred("403 no right to erase")
    with structlog.testing.capture_logs() as said:
        assert office.upkeep.run()["erased"] == 0
    assert [(line["event"], line["said"]) for line in said] == [
        ("not_erased_there", "403 no right to erase")
    ]
    assert "ada" not in str(said)
    assert waiting(office) == ["ada@example.com"]
    office.clock.advance(GIVE_UP_AFTER)
    office.upkeep.run()
    assert waiting(office) == ["ada@example.com"]
    office.clock.advance(timedelta(seconds=1))
    with structlog.testing.capture_logs() as said:
        office.upkeep.run()
    assert waiting(office) == []
    assert [line["event"] for line in said] == ["not_erased_there", "never_erased_there"]
    assert "ada" not in str(said)


def test_erased_again_while_the_answer_is_awaited_stays_asked_for(
    office: Office, archive: Archive
) -> None:
    who_had_mail_is_erased(office)
    answer = archive.forget

    def meanwhile(provider: str, people: Mapping[str, datetime]) -> Deferred | None:
        office.clock.advance(timedelta(minutes=1))
        anew = office.join("ada@example.com")
        archive.refusal = Deferred("not now")  # to whoever asks in between
        office.pass_time(DAY)
        archive.refusal = None
        office.enrolling.erase(learner_of(office, anew), "test")
        return answer(provider, people)

    once = Forgetting(office.db, meanwhile)
    assert once.look(office.clock.now()) == 1
    assert waiting(office) == ["ada@example.com"]


# -- never confirmed -----------------------------------------------------------------------------


def learners_left(office: Office) -> list[str]:
    with office.db.read() as tx:
        return sorted(tx.execute(select(learners.c.address)).scalars())


def test_an_address_nobody_confirmed_is_forgotten_after_a_month(
    office: Office, archive: Archive
) -> None:
    office.sign_up("ada@example.com")
    office.work()
    office.pass_time(29 * DAY, tick=DAY)
    assert learners_left(office) == ["ada@example.com"]
    office.pass_time(2 * DAY, tick=DAY)
    assert learners_left(office) == []
    # The confirmation was mailed: whoever keeps copies is told.
    assert [list(people) for _, people in archive.asked] == [["ada@example.com"]]
    with office.db.read() as tx:
        left = {
            table.name
            for table in metadata.sorted_tables
            if "ada@" in str(tx.execute(select(table)).all())
        }
    assert left == set()


def test_who_asks_again_is_given_time_again(office: Office) -> None:
    office.sign_up("ada@example.com")
    office.pass_time(28 * DAY, tick=DAY)
    office.sign_up("ada@example.com")
    office.pass_time(4 * DAY, tick=DAY)
    assert learners_left(office) == ["ada@example.com"]
    office.pass_time(4 * DAY, tick=DAY)
    assert learners_left(office) == []


@pytest.mark.parametrize("state", ["learning", "left", "came back"])
def test_who_ever_confirmed_is_somebody(office: Office, state: str) -> None:
    run = office.join("ada@example.com")
    office.work()
    if state != "learning":
        office.enrolling.leave(run, agreed("leave"))
    if state == "came back":
        office.sign_up("ada@example.com")
    office.pass_time(50 * DAY, tick=DAY)
    assert learners_left(office) == ["ada@example.com"]


def test_a_course_that_was_confirmed_keeps_who_did_not_confirm_another(office: Office) -> None:
    """Its lessons go on, so the person stays, with all that was asked for."""
    run = office.join("ada@example.com")
    with office.db.write() as tx:
        tx.execute(update(enrollments).where(enrollments.c.id == run).values(course="gone"))
        tx.execute(update(consents).values(action="signup"))  # as if the record were lost
    office.sign_up("ada@example.com")
    office.pass_time(40 * DAY, tick=DAY)
    assert learners_left(office) == ["ada@example.com"]


def test_the_month_is_counted_from_the_latest_signup(office: Office) -> None:
    first = office.sign_up("ada@example.com")
    office.pass_time(25 * DAY, tick=DAY)
    with office.db.write() as tx:
        tx.execute(update(enrollments).where(enrollments.c.id == first).values(course="gone"))
    assert office.sign_up("ada@example.com") != first
    office.pass_time(20 * DAY, tick=DAY)
    assert learners_left(office) == ["ada@example.com"]
    office.pass_time(11 * DAY, tick=DAY)
    assert learners_left(office) == []
