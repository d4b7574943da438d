"""What the dashboard and the commands are told, and what an export holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import ledger, people, reports

if TYPE_CHECKING:
    from conftest import Room

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ACTIVE, COMPLETED = EnrollmentState.ACTIVE, EnrollmentState.COMPLETED


def look(room: Room, tx) -> reports.Overview:
    midnight = room.now.replace(hour=0, minute=0, second=0, microsecond=0)
    return reports.overview(tx, room.now, midnight, midnight + DAY)


def test_an_empty_school_has_a_quiet_overview(room: Room) -> None:
    with room.db.read() as tx:
        found = look(room, tx)
    assert (found.learners, found.today) == ({}, {})
    assert (found.due_now, found.oldest_due_seconds) == (0, 0)
    assert found.failures == {"dead": 0, "refused": 0, "uncertain": 0}
    assert found.completed_last_week == 0
    assert len(found.signups) == 30
    assert found.signups[0] == (date(2026, 9, 10), 0)
    assert found.signups[-1] == (date(2026, 10, 9), 0)


def test_the_overview_counts_what_is_there(room: Room) -> None:
    today = room.now
    with room.db.write() as tx:
        room.now = today - DAY
        room.in_state(tx, room.run(tx), "dead")
        room.now = today
        room.in_state(tx, room.run(tx), "accepted")
        room.in_state(tx, room.run(tx), "uncertain")
        done = room.run(tx, state=COMPLETED)
        people.save_enrollment(tx, replace(done, completed_at=today - DAY))
        long_done = room.run(tx, state=COMPLETED)
        people.save_enrollment(tx, replace(long_done, completed_at=today - 8 * DAY))
        room.run(tx, next_due_at=today - HOUR)
        room.run(tx, next_due_at=today + HOUR)
        waiting = room.owed(tx, room.run(tx), not_before=today - 2 * HOUR)
        resting = room.run(tx, state=EnrollmentState.PAUSED)
        room.owed(tx, resting, not_before=today - 5 * HOUR)
        found = look(room, tx)
        assert found.learners == {"active": 6, "completed": 2, "paused": 1}
        assert found.today == {"accepted": 1, "uncertain": 1, "due": 2}
        assert found.failures == {"dead": 1, "refused": 0, "uncertain": 1}
        assert found.due_now == 2
        assert found.oldest_due_seconds == 7200
        assert found.completed_last_week == 1
        assert found.signups[-2:] == [(date(2026, 10, 8), 1), (date(2026, 10, 9), 8)]
        assert waiting.state == "due"


def test_the_funnel_follows_the_order_of_the_lessons(room: Room) -> None:
    with room.db.write() as tx:
        for keys in (("zebra", "ape"), ("zebra",)):
            run = room.run(tx)
            for position, key in enumerate(keys, 1):
                number = ledger.owe(tx, [room.new(run, key, position=position)], room.now)[0]
                [claimed] = room.claim(tx)
                room.mark(tx, claimed.delivery)
                room.settle(tx, claimed.delivery, "accepted")
                assert number == claimed.delivery.id
        room.in_state(tx, room.run(tx), "refused", "zebra")
        room.in_state(tx, room.run(tx, course="other"), "accepted", "zebra")
        assert reports.funnel(tx, "c") == [("zebra", 2), ("ape", 1)]
        assert reports.funnel(tx, "none") == []


def test_people_are_found_by_course_state_and_words(room: Room) -> None:
    with room.db.write() as tx:
        ada = room.run(tx, "Ada@example.org", state=COMPLETED)
        again = room.run(tx, "ada@example.org", round=2)
        other = room.run(tx, "ada@example.org", course="other")
        bob = room.run(tx, "bob_x@example.org", state=EnrollmentState.PENDING)
        room.in_state(tx, again, "accepted", "one")
        room.in_state(tx, again, "accepted", "@welcome")
        room.owed(tx, again, "two")

        def found(**terms: object) -> list[int]:
            rows = reports.search_learners(tx, **terms)
            return [row.enrollment.id for row in rows]

        assert found() == [bob.id, other.id, again.id]
        assert found(course="c") == [bob.id, again.id]
        assert found(state="pending") == [bob.id]
        assert found(text="ADA@") == [other.id, again.id]
        assert found(text=" ada@ ", course="c") == [again.id]
        assert found(text="ADA", limit=9) == [bob.id, other.id, again.id]  # the first name
        assert found(text="%") == []
        assert found(text="b_x") == [bob.id]
        assert found(limit=1) == [bob.id]
        assert found(limit=2, after=bob.id) == [other.id, again.id]
        [row] = reports.search_learners(tx, course="c", text="ada@")
        assert (row.learner.address, row.delivered) == ("Ada@example.org", 1)
        assert row.enrollment == again
        assert ada.id not in found()


def test_failures_come_newest_first_with_the_person(room: Room) -> None:
    with room.db.write() as tx:
        for state in ("dead", "accepted", "refused", "uncertain"):
            room.in_state(tx, room.run(tx, f"{state}@example.org"), state)
            room.now += HOUR
        rows = reports.failures(tx, 10)
        assert [row.delivery.state for row in rows] == ["uncertain", "refused", "dead"]
        assert rows[0].learner.address == "uncertain@example.org"
        assert rows[0].course == "c"
        assert len(reports.failures(tx, 1)) == 1


def test_a_timeline_tells_a_person_s_story_in_order(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx, "ada@example.org")
        room.now += HOUR
        people.add_consent(tx, run.learner_id, run.id, room.agreed("confirm"))
        room.now += HOUR
        room.in_state(tx, run, "accepted")
        room.in_state(tx, room.run(tx), "accepted")
        room.now += HOUR
        people.save_enrollment(tx, replace(run, state=COMPLETED, completed_at=room.now))
        story = reports.timeline(tx, run.learner_id)
        assert [row.what for row in story] == [
            "signed up",
            "consent: confirm",
            "one: due",
            "one: sending",
            "one: accepted",
            "completed",
        ]
        assert {row.course for row in story} == {"c"}
        assert story[1].detail == "Send me the course. (/signup)"
        assert reports.timeline(tx, 99) == []


def test_the_plan_is_walked_in_order_up_to_an_instant(room: Room) -> None:
    with room.db.write() as tx:
        assert (reports.next_due_at(tx), reports.latest_due_at(tx)) == (None, None)
        late = room.run(tx, next_due_at=room.now + 2 * HOUR)
        soon = room.run(tx, next_due_at=room.now + HOUR)
        room.run(tx, next_due_at=room.now + 3 * HOUR)
        paused = room.run(tx, state=EnrollmentState.PAUSED, next_due_at=room.now)
        planned = list(reports.planned(tx, room.now + 2 * HOUR))
        assert planned == [soon, late]
        assert paused not in planned
        assert reports.next_due_at(tx) == room.now + HOUR
        assert reports.latest_due_at(tx) == room.now + 3 * HOUR


def test_exports_are_plain_values_ready_for_json(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx, "ada@example.org", next_due_at=room.now)
        sent = room.in_state(tx, run, "accepted")
        people.add_consent(tx, run.learner_id, run.id, room.agreed())
        room.run(tx, "bob@example.org")
    with room.db.read() as tx:
        learners = list(reports.export_learners(tx))
        deliveries = list(reports.export_deliveries(tx))
        person = reports.export_person(tx, run.learner_id)
        assert reports.export_person(tx, 99) == {}
    json.dumps([learners, deliveries, person])
    assert [row["email"] for row in learners] == ["ada@example.org", "bob@example.org"]
    assert learners[0]["next_due_at"] == "2026-10-09T05:00:00.123456Z"
    assert (learners[0]["state"], learners[0]["hour"]) == ("active", "07:00")
    assert [row["id"] for row in deliveries] == [sent.id]
    assert (deliveries[0]["course"], deliveries[0]["state"]) == ("c", "accepted")
    assert person["learner"]["address"] == "ada@example.org"
    assert len(person["enrollments"]) == len(person["consents"]) == 1
    states = [event["to_state"] for event in person["delivery_events"]]
    assert states == ["due", "sending", "accepted"]
