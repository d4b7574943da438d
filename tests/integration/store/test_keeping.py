"""Logins, one-time links, notes, and how fast a provider may send."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from scheduler.rules.pace import Breaker, BreakerState, Bucket
from scheduler.store import pace, people, sessions

if TYPE_CHECKING:
    from conftest import Room

HOUR = timedelta(hours=1)


def test_a_login_lives_until_it_is_ended(room: Room) -> None:
    with room.db.write() as tx:
        sessions.add_session(tx, "a", room.now)
        sessions.touch_session(tx, "a", room.now + HOUR)
        assert sessions.session(tx, "a") == sessions.Session("a", room.now, room.now + HOUR)
        assert sessions.session(tx, "b") is None
        assert sessions.end_session(tx, "a")
        assert not sessions.end_session(tx, "a")
        for name in ("b", "c"):
            sessions.add_session(tx, name, room.now)
        assert sessions.end_all_sessions(tx) == 2


def test_idle_and_old_logins_are_pruned(room: Room) -> None:
    with room.db.write() as tx:
        sessions.add_session(tx, "old", room.now - 9 * HOUR)
        sessions.touch_session(tx, "old", room.now)
        sessions.add_session(tx, "idle", room.now - 3 * HOUR)
        sessions.add_session(tx, "fresh", room.now)
        pruned = sessions.prune_sessions(
            tx, idle_since=room.now - 2 * HOUR, created_before=room.now - 8 * HOUR
        )
        assert pruned == 2
        assert sessions.session(tx, "fresh") is not None


def test_a_link_works_once(room: Room) -> None:
    with room.db.write() as tx:
        assert sessions.use_link_once(tx, "h", room.now)
        assert not sessions.use_link_once(tx, "h", room.now)
        assert sessions.use_link_once(tx, "other", room.now)


def test_what_staff_did_is_listed_newest_first(room: Room) -> None:
    with room.db.write() as tx:
        for action in ("pause", "resume"):
            people.add_audit(tx, room.now, "admin", action, "learner 1")
        trail = people.audit_trail(tx, 10)
        assert [row.action for row in trail] == ["resume", "pause"]
        assert (trail[0].at, trail[0].who, trail[0].detail) == (room.now, "admin", "learner 1")
        assert len(people.audit_trail(tx, 1)) == 1


def test_how_a_provider_does_is_replaced_whole(room: Room) -> None:
    resting = Breaker(BreakerState.OPEN, room.now + HOUR, 2, 0.6, "421 come back later")
    with room.db.write() as tx:
        assert pace.breaker(tx, "smtp") == Breaker()
        pace.save_breaker(tx, "smtp", Breaker(failure_share=0.1))
        assert pace.breaker(tx, "smtp", lock=True) == Breaker(failure_share=0.1)
        pace.save_breaker(tx, "smtp", resting)
        assert pace.breaker(tx, "smtp") == resting
        assert pace.breaker(tx, "sendgrid") == Breaker()


def test_buckets_are_kept_by_name_and_dropped_when_nobody_draws(room: Room) -> None:
    with room.db.write() as tx:
        assert pace.buckets_of(tx, ["smtp"]) == {}
        first, second = Bucket(2.5, room.now), Bucket(0.0, room.now - HOUR)
        pace.save_buckets(tx, {"smtp": first, "smtp@example.org": second})
        assert pace.buckets_of(tx, ["smtp@example.org", "smtp", "other"]) == {
            "smtp": first,
            "smtp@example.org": second,
        }
        pace.save_buckets(tx, {"smtp": Bucket(0.5, room.now)})
        assert pace.buckets_of(tx, ["smtp"]) == {"smtp": Bucket(0.5, room.now)}
        assert pace.forget_full_buckets(tx, room.now - HOUR / 2) == 1
        assert pace.buckets_of(tx, ["smtp@example.org"]) == {}
