"""People and their runs: one learner an address, one open run a course, nothing once erased."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.syllabus import Cadence
from scheduler.store import asking, enrollments, ledger, people
from scheduler.store.asking import Newcomer
from scheduler.store.people import NewRun
from scheduler.store.tables import metadata

if TYPE_CHECKING:
    from conftest import Room

    from scheduler.store import Tx

HOUR = timedelta(hours=1)


# -- learners --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("ADA+news@example.org", "ada+news@example.org"),
        ("Ünal@bücher.example", "ünal@xn--bcher-kva.example"),
        ("u\u0308nal@BÜCHER.example", "ünal@xn--bcher-kva.example"),
        ("ada@faß.example", "ada@xn--fa-hia.example"),
        ("no address", "no address"),
        ("", ""),
    ],
)
def test_one_person_has_one_key_however_the_address_is_written(written: str, key: str) -> None:
    assert people.address_key(written) == key


def test_a_person_is_found_by_any_spelling_and_kept_as_typed(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx, "Ada@Example.org")
        person = people.find_learner(tx, "ada@EXAMPLE.org")
        assert person == people.learner(tx, run.learner_id)
        assert person is not None
        assert person.address == "Ada@Example.org"
        assert (person.first_name, person.timezone, person.language) == (
            "Ada",
            "Europe/Berlin",
            "en",
        )
        assert people.find_learner(tx, "bob@example.org") is None
        assert people.learner(tx, 99) is None
        assert people.addresses(tx, [run.learner_id, 99]) == {run.learner_id: "Ada@Example.org"}
        assert people.addresses(tx, []) == {}


def test_a_second_signup_finds_the_first_person_unchanged(room: Room) -> None:
    with room.db.write() as tx:
        first = room.run(tx, "ada@example.org", course="a")
        second = room.run(tx, "ADA@example.org", course="b")
        assert second.learner_id == first.learner_id
        assert room.rows(tx, "learners") == 1


def test_only_what_is_given_is_changed(room: Room) -> None:
    with room.db.write() as tx:
        number = room.run(tx, "ada@example.org").learner_id
        people.update_learner(tx, number)
        people.update_learner(tx, number, first_name="", timezone="UTC")
        people.update_learner(tx, number, language="de")
        person = people.find_learner(tx, "ada@example.org")
        assert person is not None
        assert (person.first_name, person.timezone, person.language) == ("", "UTC", "de")


def test_a_name_with_control_characters_is_kept_as_one_clean_line(room: Room) -> None:
    with room.db.write() as tx:
        nasty = "A\x00da\r\nBcc: \ud800x"
        [added] = people.add_many(tx, [imported("ada@example.org", first_name=nasty)], room.now)
        person = people.learner(tx, added.learner_id)
        assert person is not None
        assert person.first_name == "A da Bcc: x"
        people.update_learner(tx, person.id, first_name="Ad\x00a")
        again = people.find_learner(tx, "ada@example.org")
        assert again is not None
        assert again.first_name == "Ad a"


# -- runs ------------------------------------------------------------------------------------


def test_a_run_comes_back_as_it_was_saved(room: Room) -> None:
    berlin = timezone(HOUR)
    with room.db.write() as tx:
        run = room.run(tx)
        changed = replace(
            run,
            state=EnrollmentState.PAUSED,
            reason="delivery failed",
            timezone="Asia/Tokyo",
            cadence=Cadence(time(6, 30), frozenset({0, 3}), 2),
            confirmed_at=room.now,
            completed_at=room.now + HOUR,
            last_sent_at=room.now - HOUR,
            next_due_at=datetime(2026, 10, 10, 7, tzinfo=berlin),
            paused_until=room.now + 3 * HOUR,
        )
        people.save_enrollment(tx, changed)
        stored = people.enrollment(tx, run.id)
        assert stored == changed
        assert stored is not None
        assert stored.next_due_at is not None
        assert stored.next_due_at.utcoffset() == timedelta(0)
        assert stored.next_due_at.hour == 6
        people.save_enrollment(tx, run)
        assert people.enrollment(tx, run.id, lock=True) == run


def test_saving_never_moves_a_run_to_another_person_course_or_round(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        people.save_enrollment(tx, replace(run, learner_id=99, course="x", round=7))
        assert people.enrollment(tx, run.id) == run


def test_many_runs_are_saved_at_once_and_no_other(room: Room) -> None:
    with room.db.write() as tx:
        runs = [room.run(tx) for _ in range(30)]
        changed = [replace(r, next_due_at=room.now + n * HOUR) for n, r in enumerate(runs[1:])]
        people.save_enrollments(tx, changed)
        stored = people.enrollments(tx, [r.id for r in runs] + [999], lock=True)
        assert list(stored.values()) == [runs[0], *changed]
        people.save_enrollments(tx, [])
        assert people.enrollments(tx, []) == {}


def test_the_latest_run_of_a_course_is_that_of_the_highest_round(room: Room) -> None:
    with room.db.write() as tx:
        old = room.run(tx, "ada@example.org", state=EnrollmentState.COMPLETED)
        new = room.run(tx, "ada@example.org", round=2, last_sent_at=room.now)
        other = room.run(tx, "ada@example.org", course="other")
        assert people.latest_enrollment(tx, old.learner_id, "c") == new
        assert people.latest_enrollment(tx, old.learner_id, "none") is None
        assert people.enrollments_of(tx, old.learner_id) == [other, new, old]
        assert new.last_sent_at == room.now


@pytest.mark.parametrize("state", ["pending", "active", "paused"])
def test_a_second_open_run_of_a_course_is_refused(room: Room, state: str) -> None:
    with room.db.write() as tx:
        first = room.run(tx, state=EnrollmentState(state))
        assert second_run(room, tx, first.learner_id) is None
        assert room.rows(tx, "enrollments") == 1


@pytest.mark.parametrize("state", ["completed", "stopped"])
def test_a_new_round_may_follow_a_closed_one_but_not_repeat_it(room: Room, state: str) -> None:
    with room.db.write() as tx:
        first = room.run(tx, state=EnrollmentState(state))
        assert second_run(room, tx, first.learner_id, round=1) is None
        assert second_run(room, tx, first.learner_id) is not None


def second_run(room: Room, tx: Tx, learner_id: int, round: int = 2):  # noqa: A002
    return people.add_enrollment(
        tx,
        learner_id=learner_id,
        course="c",
        round=round,
        state=EnrollmentState.PENDING,
        timezone="UTC",
        cadence=Cadence(),
        now=room.now,
    )


def test_twenty_signups_at_once_make_one_person_and_one_run(room: Room) -> None:
    barrier = threading.Barrier(20)
    begun: list[int | None] = []

    def sign_up() -> None:
        barrier.wait()
        with room.db.write() as tx:
            who = Newcomer("ada@example.org", "", "UTC", "en")
            [person] = asking.come_in(tx, {"ada@example.org": who}, room.now).values()
            run = second_run(room, tx, person.id)
            begun.append(None if run is None else run.id)

    threads = [threading.Thread(target=sign_up) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(begun) == 20
    assert len([number for number in begun if number is not None]) == 1
    with room.db.read() as tx:
        assert (room.rows(tx, "learners"), room.rows(tx, "enrollments")) == (1, 1)


# -- import ----------------------------------------------------------------------------------


def imported(address: str, **fields: object) -> NewRun:
    row = NewRun(
        address=address,
        first_name="Bo",
        timezone="Asia/Tokyo",
        language="ja",
        course="c",
        state=EnrollmentState.ACTIVE,
        cadence=Cadence(time(6, 15), frozenset({0, 1}), 1),
    )
    return replace(row, **fields)


def test_an_import_answers_every_row_in_order(room: Room) -> None:
    with room.db.write() as tx:
        known = room.run(tx, "known@example.org", course="other")
        here = room.run(tx, "here@example.org")
        left = room.run(tx, "left@example.org", state=EnrollmentState.STOPPED)
        added = people.add_many(
            tx,
            [
                imported("new@example.org", next_due_at=room.now, confirmed_at=room.now),
                imported("Here@example.org"),
                imported("KNOWN@example.org"),
                imported("NEW@example.org"),
                imported("left@example.org"),
                imported("new@example.org", course="other"),
            ],
            room.now,
        )
        assert [a.address for a in added] == [
            "new@example.org",
            "Here@example.org",
            "KNOWN@example.org",
            "NEW@example.org",
            "left@example.org",
            "new@example.org",
        ]
        assert [a.known for a in added] == [False, True, True, True, True, True]
        begun = [a.enrollment_id is not None for a in added]
        assert begun == [True, False, True, False, False, True]
        assert added[1].learner_id == here.learner_id
        assert added[2].learner_id == known.learner_id
        assert added[4].learner_id == left.learner_id
        assert added[3].learner_id == added[0].learner_id
        first = added[0].enrollment_id
        assert first is not None
        run = people.enrollment(tx, first)
        assert run is not None
        assert (run.state, run.round, run.timezone) == ("active", 1, "Asia/Tokyo")
        assert run.cadence == Cadence(time(6, 15), frozenset({0, 1}), 1)
        assert (run.next_due_at, run.confirmed_at, run.created_at) == (room.now,) * 3
        person = people.learner(tx, run.learner_id)
        assert person is not None
        assert (person.first_name, person.language) == ("Bo", "ja")
        assert people.add_many(tx, [], room.now) == []


def test_an_import_of_thousands_is_a_few_statements(room: Room) -> None:
    with room.db.write() as tx:
        rows = [imported(f"p{n}@example.org") for n in range(2500)]
        added = people.add_many(tx, rows, room.now)
        assert len({a.enrollment_id for a in added}) == 2500
        people.add_consents(
            tx, [(a.learner_id, a.enrollment_id, room.agreed("import")) for a in added]
        )
        assert room.rows(tx, "consents") == 2500
        again = people.add_many(tx, rows, room.now)
        assert {a.enrollment_id for a in again} == {None}


# -- consent and suppression -----------------------------------------------------------------


def test_consent_is_kept_word_for_word_in_order(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        first, second = room.agreed("signup"), room.agreed("leave")
        people.add_consent(tx, run.learner_id, run.id, first)
        people.add_consent(tx, run.learner_id, None, second)
        people.add_consents(tx, [])
        assert people.consents_of(tx, run.learner_id) == [(run.id, first), (None, second)]


def test_a_suppression_keeps_its_strongest_reason_until_it_is_lifted(room: Room) -> None:
    with room.db.write() as tx:
        for reason in ("bounced", "complained", "bounced", "left"):
            people.suppress(tx, "h1", reason=reason, source="smtp", now=room.now)
        people.suppress(tx, "h2", reason="left", source="/manage", now=room.now)
        assert people.suppressed(tx, ["h1", "h2", "h3", "h1"]) == {"h1", "h2"}
        assert people.suppressed(tx, []) == set()
        reason = tx.execute(
            text("SELECT reason FROM suppressions WHERE address_hash = 'h1'")
        ).scalar_one()
        assert reason == "complained"
        assert people.unsuppress(tx, "h1")
        assert not people.unsuppress(tx, "h1")
        assert people.suppressed(tx, ["h1", "h2"]) == {"h2"}


# -- what upkeep asks ------------------------------------------------------------------------


def test_pauses_end_when_their_time_has_come(room: Room) -> None:
    paused = EnrollmentState.PAUSED
    with room.db.write() as tx:
        runs = [room.run(tx, state=paused) for _ in range(4)]
        over = replace(runs[0], paused_until=room.now)
        long_over = replace(runs[1], paused_until=room.now - HOUR)
        not_yet = replace(runs[2], paused_until=room.now + HOUR)
        people.save_enrollments(tx, [over, long_over, not_yet])
        assert people.pauses_ended(tx, room.now, 10) == [long_over, over]
        assert people.pauses_ended(tx, room.now, 1) == [long_over]


def test_signups_expire_only_while_unconfirmed(room: Room) -> None:
    with room.db.write() as tx:
        old = room.run(tx, state=EnrollmentState.PENDING)
        room.run(tx, state=EnrollmentState.ACTIVE)
        room.now += HOUR
        room.run(tx, state=EnrollmentState.PENDING)
        assert people.signups_expired(tx, room.now, 10) == [old]


def test_stranded_runs_have_neither_an_instant_nor_an_open_lesson(room: Room) -> None:
    with room.db.write() as tx:
        stranded = [room.run(tx) for _ in range(3)]
        room.run(tx, next_due_at=room.now)
        room.run(tx, state=EnrollmentState.PAUSED)
        room.owed(tx, room.run(tx))
        room.in_state(tx, stranded[0], "accepted")
        room.in_state(tx, stranded[2], "uncertain")
        room.owed(tx, stranded[1], "@welcome")
        found = people.stranded(tx, 10)
        assert sorted(run.id for run in found) == [run.id for run in stranded]


def test_runs_planned_with_older_zone_data_are_found_until_they_are_saved(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    with room.db.write() as tx:
        monkeypatch.setattr(enrollments, "tzdata_version", lambda: "2020.1")
        run = room.run(tx, next_due_at=room.now)
        room.run(tx)
        monkeypatch.setattr(enrollments, "tzdata_version", lambda: "2030.1")
        assert people.stamped_with_other_tzdata(tx, 10) == [run]
        people.save_enrollment(tx, run)
        assert people.stamped_with_other_tzdata(tx, 10) == []
        assert people.stamped_with_other_tzdata(tx, 10) == []


def test_active_runs_ahead_are_walked_in_order(room: Room) -> None:
    with room.db.write() as tx:
        room.run(tx, next_due_at=room.now)
        late = room.run(tx, next_due_at=room.now + 2 * HOUR)
        soon = room.run(tx, next_due_at=room.now + HOUR)
        assert list(people.active_after(tx, room.now)) == [soon, late]


# -- erasing ---------------------------------------------------------------------------------


def test_erasing_leaves_nothing_of_a_person_in_any_table(room: Room) -> None:
    address = "Ada.Lovelace@example.org"
    with room.db.write() as tx:
        run = room.run(tx, address)
        people.save_enrollment(tx, replace(run, state=EnrollmentState.ACTIVE))
        bystander = room.run(tx, "bob@example.org")
        for whose in (run, bystander):
            people.add_consent(tx, whose.learner_id, whose.id, room.agreed())
        row = replace(room.new(run), to_addr=address)
        ledger.owe(tx, [row], room.now)
        [claimed] = room.claim(tx)
        room.mark(tx, claimed.delivery)
        room.settle(tx, claimed.delivery, "refused", verdict=f"550 no such user {address}")
        people.add_audit(tx, room.now, "admin", "resend", f"to {address.lower()}")
        people.suppress(tx, "hash-only", reason="bounced", source="smtp", now=room.now)
        removed = people.erase(tx, run.learner_id)
        # learner, enrollment, consent, delivery, and the events due, sending, refused
        assert removed == 7
        for table in metadata.tables.values():
            for found in tx.execute(table.select()):
                assert "lovelace" not in str(tuple(found)).lower(), table.name
        assert people.suppressed(tx, ["hash-only"]) == {"hash-only"}
        assert people.audit_trail(tx, 10)[0].detail == "to (erased)"
        assert people.learner(tx, bystander.learner_id) is not None
        assert len(people.consents_of(tx, bystander.learner_id)) == 1
        assert people.erase(tx, run.learner_id) == 0


def test_the_number_of_an_erased_person_is_never_given_again(room: Room) -> None:
    """An old link must not open a stranger's page."""
    with room.db.write() as tx:
        old = room.run(tx, "ada@example.org")
        people.erase(tx, old.learner_id)
        new = room.run(tx, "bob@example.org")
        assert new.id > old.id
        assert new.learner_id > old.learner_id


def test_erased_words_are_gone_from_the_sqlite_file(sqlite_room: Room, tmp_path: Path) -> None:
    room = sqlite_room
    with room.db.write() as tx:
        number = room.run(tx, "lovelace@example.org").learner_id
    with room.db.write() as tx:
        people.erase(tx, number)
    room.db.close()
    for file in tmp_path.iterdir():
        assert b"lovelace" not in file.read_bytes(), file.name


# -- times -----------------------------------------------------------------------------------


def test_instants_come_back_aware_utc_to_the_microsecond(room: Room) -> None:
    tokyo = timezone(9 * HOUR)
    with room.db.write() as tx:
        for at in (
            datetime(2026, 10, 9, 5, 0, 0, 1, tzinfo=UTC),
            datetime(2026, 10, 9, 5, 0, tzinfo=tokyo),
            datetime(1, 1, 2, tzinfo=UTC),
            datetime(9999, 1, 1, tzinfo=UTC),
        ):
            run = room.run(tx, next_due_at=at)
            stored = people.enrollment(tx, run.id)
            assert stored is not None
            assert stored.next_due_at == at
            assert stored.next_due_at is not None
            assert stored.next_due_at.utcoffset() == timedelta(0)


def test_a_naive_instant_is_refused_everywhere(room: Room) -> None:
    naive = datetime(2026, 10, 9, 5)
    with room.db.write() as tx:
        run = room.run(tx)
        with pytest.raises(ValueError, match="aware"):
            people.save_enrollment(tx, replace(run, next_due_at=naive))
        with pytest.raises(ValueError, match="aware"):
            ledger.owe(tx, [room.new(run, not_before=naive)], room.now)
    with pytest.raises(Exception, match="aware"), room.db.write() as tx:
        people.signups_expired(tx, naive, 1)
