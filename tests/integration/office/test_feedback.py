"""What becomes known about a mail after it was taken, and what that does to its reader."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import COMING_BACK, EnrollmentState
from scheduler.domain.events import EventKind, ProviderEvent
from scheduler.domain.provider import Fault, Uncertain
from scheduler.enrolling import NewPerson
from scheduler.rules.suppression import address_hash
from scheduler.store import Database, people, reported, reports
from tests.office import SALT, Office, a_syllabus, agreed

DAY = timedelta(days=1)
MANY = tuple(f"l{n}" for n in range(1, 13))


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


def report(
    office: Office, run: int, key: str, kind: EventKind, fault: Fault | None = None, **more: Any
) -> ProviderEvent:
    delivery = office.deliveries(run)[key]
    given = {"id": f"{delivery.id}-{kind}-{fault}", "at": office.clock.now()} | more
    return ProviderEvent(kind=kind, delivery_id=delivery.id, fault=fault, **given)


def take_in(office: Office, *events: ProviderEvent) -> dict[str, int]:
    return dict(office.feedback.take_in(events, source="letterbox"))


def why_suppressed(office: Office, address: str = "ada@example.com") -> str:
    from sqlalchemy import select

    from scheduler.store.tables import suppressions

    hashed = address_hash(SALT, people.address_key(address))
    with office.db.read() as tx:
        query = select(suppressions.c.reason).where(suppressions.c.address_hash == hashed)
        return tx.execute(query).scalar_one_or_none() or ""


# -- bounces and complaints ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fault", "reason"),
    [
        (EventKind.BOUNCED, Fault.ADDRESS, "bounced"),
        (EventKind.COMPLAINED, None, "complained"),
        (EventKind.LEFT, None, "left"),
    ],
)
def test_b1_b4_a_dead_address_a_complaint_and_a_departure_end_all_mail_at_once(
    office, kind, fault, reason
):
    run = office.join()
    office.work()
    before = office.mails()
    assert take_in(office, report(office, run, "one", kind, fault)) == {
        "new": 1, "known": 0, "nothing": 0,
    }  # fmt: skip
    assert office.run(run).state is EnrollmentState.STOPPED
    assert office.run(run).reason == reason
    assert why_suppressed(office) == reason
    office.pass_time(7 * DAY)
    assert office.mails() == before


def test_b4_the_same_person_is_stopped_in_every_round_and_nothing_owed_is_left(office):
    run = office.join()
    office.work()
    office.enrolling.resend(run, "one")
    take_in(office, report(office, run, "one", EventKind.COMPLAINED))
    assert "due" not in {d.state for d in office.deliveries(run).values()}


@pytest.mark.parametrize("fault", [Fault.POLICY, Fault.CONFIG, Fault.CONTENT, Fault.MAILBOX])
def test_b1_what_is_not_the_learners_doing_is_not_held_against_them(office, fault):
    run = office.join()
    office.work()
    take_in(office, report(office, run, "one", EventKind.BOUNCED, fault))
    assert why_suppressed(office) == ""
    office.pass_time(2 * DAY)
    assert office.lessons() == ["one", "two", "three"]


def test_b5_news_of_an_address_they_have_given_up_does_not_stop_them(office):
    run = office.join("old@example.com")
    office.work()
    news = report(office, run, "one", EventKind.BOUNCED, Fault.ADDRESS)
    office.enrolling.ask_to_move(run, "new@example.com")
    office.work()
    asked = office.deliveries(run)["@address"]
    office.enrolling.move(asked.id, agreed("address"))
    take_in(office, news)
    assert why_suppressed(office, "old@example.com") == "bounced"
    assert why_suppressed(office, "new@example.com") == ""
    office.pass_time(DAY)
    assert "two" in office.mails("new@example.com")


def test_a_report_about_nothing_of_ours_is_counted_and_forgotten(office):
    stray = ProviderEvent("x", EventKind.BOUNCED, "0" * 32, office.clock.now(), Fault.ADDRESS)
    assert take_in(office, stray) == {"new": 0, "known": 0, "nothing": 1}


def test_who_was_erased_stays_erased(office):
    run = office.join()
    office.work()
    news = report(office, run, "one", EventKind.BOUNCED, Fault.ADDRESS)
    take_in(office, report(office, run, "one", EventKind.DELIVERED))
    office.enrolling.forget(office.run(run).learner_id)
    assert take_in(office, news)["nothing"] == 1


# -- any order, any number of times --------------------------------------------------------------


def test_row_27_reports_in_any_order_and_any_number_of_times_come_to_the_same(db: Database):
    luck = random.Random(27)
    ends = set()
    for n in range(12):
        office = Office(db)
        address = f"p{n}@example.com"
        run = office.join(address)
        office.work()
        office.pass_time(DAY)
        events = [
            report(office, run, "one", EventKind.TAKEN),
            report(office, run, "one", EventKind.DELIVERED),
            report(office, run, "two", EventKind.DEFERRED, Fault.MAILBOX),
            report(office, run, "two", EventKind.BOUNCED, Fault.MAILBOX),
            report(office, run, "one", EventKind.COMPLAINED),
            report(office, run, "two", EventKind.BOUNCED, Fault.ADDRESS),
        ]
        offered = events * 3
        luck.shuffle(offered)
        for event in offered:
            take_in(office, event)
        with db.read() as tx:
            story = reports.timeline(tx, office.run(run).learner_id)
        told = sorted(r.what for r in story if r.what.split(": ")[-1] in set(EventKind))
        ends.add((office.run(run).state, why_suppressed(office, address), tuple(told)))
    assert ends == {
        (
            EnrollmentState.STOPPED,
            "complained",
            ("one: complained", "one: delivered", "two: bounced", "two: bounced", "two: deferred"),
        )
    }


def test_a_batch_offered_again_after_a_death_is_taken_in_once(office):
    run = office.join()
    office.work()
    news = report(office, run, "one", EventKind.COMPLAINED)

    class Killed(BaseException):
        """The program dies here."""

    for moment in ("take in: before commit", "take in: after commit"):

        def die(point: str, moment: str = moment) -> None:
            if point == moment:
                raise Killed

        office.db.crash_point = die
        with pytest.raises(Killed):
            take_in(office, news)
    office.db.crash_point = lambda _: None
    assert take_in(office, news) == {"new": 0, "known": 1, "nothing": 0}
    assert office.run(run).reason == "complained"


def test_a_complaint_repeated_after_a_new_signup_stops_nobody_again(office):
    run = office.join()
    office.work()
    complaint = report(office, run, "one", EventKind.COMPLAINED)
    take_in(office, complaint)
    with office.db.write() as tx:
        people.unsuppress(tx, address_hash(SALT, people.address_key("ada@example.com")))
    office.sleep(DAY)
    again = office.join()
    take_in(office, complaint, report(office, run, "one", EventKind.BOUNCED, Fault.MAILBOX))
    assert office.run(again).state is EnrollmentState.ACTIVE
    assert why_suppressed(office) == ""


# -- evidence ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [EventKind.TAKEN, EventKind.DELIVERED, EventKind.DEFERRED])
def test_a_report_settles_what_nobody_knew(office, kind):
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("no answer")
    office.work()
    take_in(office, report(office, run, "one", kind))
    assert office.deliveries(run)["one"].state is DeliveryState.ACCEPTED
    del office.letterbox.answers["one"]
    office.pass_time(2 * DAY)
    assert office.lessons() == ["two", "three"], "and no second copy of the first"


def test_a_report_makes_the_extra_copy_needless(office):
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("no answer")
    office.work()
    office.sleep(timedelta(hours=14))  # the night: the copy waits for the morning
    office.work()
    assert office.deliveries(run)["one"].extra_copy
    assert office.deliveries(run)["one"].state is DeliveryState.DUE
    take_in(office, report(office, run, "one", EventKind.DELIVERED))
    del office.letterbox.answers["one"]
    office.pass_time(3 * DAY)
    assert office.lessons() == ["two", "three"]


@pytest.mark.parametrize("policy", ["hold", "skip"])
def test_the_last_lesson_proven_after_all_ends_the_course(db, policy):
    office = Office(db, a_syllabus("one"), uncertain=policy)
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("no answer")
    office.work()
    office.sleep(timedelta(minutes=31))
    office.work()
    assert office.deliveries(run)["one"].state in ("uncertain", "skipped")
    take_in(office, report(office, run, "one", EventKind.TAKEN))
    assert office.deliveries(run)["one"].state is DeliveryState.ACCEPTED


def test_a_report_about_what_was_never_handed_over_changes_no_state(office):
    run = office.join()
    office.enrolling.skip(run, agreed("skip"))
    before = {d.key: d.state for d in office.deliveries(run).values()}
    take_in(office, *(report(office, run, key, EventKind.TAKEN) for key in before))
    assert {d.key: d.state for d in office.deliveries(run).values()} == before


# -- a mailbox that keeps sending mail back ------------------------------------------------------


def full(office: Office, run: int, key: str) -> None:
    take_in(office, report(office, run, key, EventKind.BOUNCED, Fault.MAILBOX))


def test_b1_five_mornings_that_come_back_in_a_row_and_the_course_waits(db: Database):
    office = Office(db, a_syllabus(*MANY))
    run = office.join()
    office.work()
    for key in MANY[:4]:
        full(office, run, key)
        full(office, run, key)  # a repeat is no further day
        office.pass_time(DAY)
    assert office.run(run).state is EnrollmentState.ACTIVE
    full(office, run, MANY[4])
    paused = office.run(run)
    assert (paused.state, paused.reason) == (EnrollmentState.PAUSED, COMING_BACK)
    assert why_suppressed(office) == ""


def test_b3_who_comes_back_goes_on_where_they_stopped_and_gets_no_burst(db: Database):
    office = Office(db, a_syllabus(*MANY))
    run = office.join()
    office.work()
    for key in MANY[:5]:
        full(office, run, key)
        office.pass_time(DAY)
    office.pass_time(6 * DAY)
    assert office.lessons() == list(MANY[:5])
    office.enrolling.resume(run, agreed("resume"))
    office.pass_time(2 * DAY)
    assert office.lessons() == list(MANY[:7])


def test_b1_a_morning_that_arrived_begins_the_count_anew(db: Database):
    office = Office(db, a_syllabus(*MANY))
    run = office.join()
    office.work()
    for n, key in enumerate(MANY[:9]):
        if n != 4:
            full(office, run, key)
        office.pass_time(DAY)
    assert office.run(run).state is EnrollmentState.ACTIVE


# -- what comes back and asks us to stop ---------------------------------------------------------


def a_school_of(office: Office, number: int) -> list[int]:
    runs = office.enrolling.enroll(
        "c", [NewPerson(f"p{n}@example.com") for n in range(number)], consent=agreed("import")
    )
    office.pass_time(DAY)
    return [joined.enrollment_id for joined in runs]


@pytest.mark.parametrize("fault", [Fault.POLICY, Fault.CONFIG])
def test_b1_more_than_one_in_twenty_sent_back_for_our_own_sake_stops_everything(office, fault):
    runs = a_school_of(office, 40)
    for run in runs[:2]:
        take_in(office, report(office, run, "one", EventKind.BOUNCED, fault))
    assert office.stopped == []
    take_in(office, report(office, runs[2], "one", EventKind.BOUNCED, fault))
    [why] = office.stopped
    assert "3 of 40 mails" in why
    assert "course doctor" in why


def test_b1_a_few_mails_say_nothing_of_our_reputation(office):
    runs = a_school_of(office, 19)
    for run in runs:
        take_in(office, report(office, run, "one", EventKind.BOUNCED, Fault.POLICY))
    assert office.stopped == []


def test_b1_what_a_person_has_looked_at_stops_nothing_again(office):
    runs = a_school_of(office, 40)
    for run in runs[:3]:
        take_in(office, report(office, run, "one", EventKind.BOUNCED, Fault.POLICY))
    office.stopped.clear()
    office.sleep(timedelta(minutes=1))
    office.reviewed_at = office.clock.now()
    take_in(office, report(office, runs[3], "one", EventKind.BOUNCED, Fault.POLICY))
    assert office.stopped == []


def test_q2_three_complaints_in_a_thousand_stop_everything(office):
    runs = a_school_of(office, 1000)
    for run in runs[:2]:
        take_in(office, report(office, run, "one", EventKind.COMPLAINED))
    assert office.stopped == []
    take_in(office, report(office, runs[2], "one", EventKind.COMPLAINED))
    assert "3 of 1000 mails" in office.stopped[0]
    assert "reported as spam" in office.stopped[0]


def test_reports_are_forgotten_after_a_year(office):
    run = office.join()
    office.work()
    take_in(office, report(office, run, "one", EventKind.DELIVERED))
    office.sleep(366 * DAY)
    office.upkeep.run()
    with office.db.read() as tx:
        assert reported.seen(tx, office.clock.now() - 400 * DAY).complaints == 0
        story = reports.timeline(tx, office.run(run).learner_id)
    assert "one: delivered" not in [row.what for row in story]
