"""Which lesson comes next, and what an event does to an enrollment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.enrollment import Enrollment, EnrollmentEvent, EnrollmentState, StopReason
from scheduler.domain.syllabus import Cadence, LessonRef, Readiness, Syllabus
from scheduler.errors import NotAllowed
from scheduler.rules.progress import TRANSITIONS, Finished, Hold, Send, apply, next_lesson

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)


def syllabus(*keys: str, **changes: Readiness) -> Syllabus:
    return Syllabus(
        "c",
        tuple(
            LessonRef(key, position, changes.get(key, Readiness.PUBLISHED))
            for position, key in enumerate(keys, 1)
        ),
    )


def run(state: EnrollmentState = EnrollmentState.ACTIVE, **changes) -> Enrollment:
    enrollment = Enrollment(1, 1, "c", 1, state, "", "UTC", Cadence(), NOW, next_due_at=NOW)
    return replace(enrollment, **changes)


def key_of(choice) -> str | None:
    return choice.lesson.key if isinstance(choice, Send) else None


def test_lessons_come_in_order_and_then_the_course_is_finished():
    course, done, order = syllabus("a", "b", "c"), set(), []
    while isinstance(choice := next_lesson(course, done), Send):
        order.append(choice.lesson.key)
        done.add(choice.lesson.key)
    assert order == ["a", "b", "c"]
    assert isinstance(next_lesson(course, done), Finished)


def test_a_lesson_inserted_behind_a_learner_is_not_sent_by_itself():
    assert key_of(next_lesson(syllabus("a", "new", "b", "c"), {"a", "b"})) == "c"


def test_a_lesson_inserted_ahead_of_a_learner_comes_in_its_place():
    assert key_of(next_lesson(syllabus("a", "b", "new", "c"), {"a", "b"})) == "new"


def test_removing_the_next_lesson_brings_the_one_after_it():
    assert key_of(next_lesson(syllabus("a", "c"), {"a"})) == "c"


def test_removing_a_lesson_already_read_loses_nobodys_place():
    assert key_of(next_lesson(syllabus("b", "c"), {"a", "b"})) == "c"


def test_reordering_never_repeats_a_lesson_and_never_skips_back():
    assert key_of(next_lesson(syllabus("c", "a", "b"), {"a"})) == "b"


def test_a_lesson_already_sent_that_moves_to_the_end_takes_the_learners_place_along():
    assert isinstance(next_lesson(syllabus("b", "c", "a"), {"a"}), Finished)


def test_a_renamed_lesson_without_an_alias_is_a_new_one():
    assert key_of(next_lesson(syllabus("a", "new-name", "c"), {"a", "b"})) == "new-name"


def test_a_renamed_lesson_with_an_alias_is_not_sent_again():
    course = Syllabus("c", (LessonRef("new-name", 1, aliases=("old",)), LessonRef("b", 2)))
    assert key_of(next_lesson(course, {"old"})) == "b"


def test_appending_a_lesson_gives_it_to_those_still_learning():
    assert key_of(next_lesson(syllabus("a", "b", "appended"), {"a", "b"})) == "appended"


@pytest.mark.parametrize("readiness", [Readiness.DRAFT, Readiness.BROKEN])
def test_a_learner_who_arrives_at_an_unready_lesson_waits(readiness):
    choice = next_lesson(syllabus("a", "b", "c", b=readiness), {"a"})
    assert isinstance(choice, Hold)
    assert choice.lesson.key == "b"


@given(st.permutations("abcdef"), st.sets(st.sampled_from("abcdef")))
def test_whatever_was_sent_is_never_chosen_again(order, sent):
    choice = next_lesson(syllabus(*order), sent)
    assert key_of(choice) not in sent


def test_every_transition_is_total_over_states_and_clears_what_is_due():
    for (state, event), (target, reason) in TRANSITIONS.items():
        after = apply(run(state), event, NOW)
        assert (after.state, after.reason, after.next_due_at) == (target, reason, None)


def test_a_stopped_run_always_says_why():
    for target, reason in TRANSITIONS.values():
        assert (target is EnrollmentState.STOPPED) == (reason in set(StopReason))


def test_what_is_not_allowed_names_the_states_that_would_allow_it():
    with pytest.raises(NotAllowed, match="completed, and resumed needs one that is paused"):
        apply(run(EnrollmentState.COMPLETED), EnrollmentEvent.RESUMED, NOW)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"confirmed_at": NOW}, EnrollmentState.ACTIVE),
        ({"confirmed_at": NOW, "completed_at": NOW}, EnrollmentState.COMPLETED),
        ({}, EnrollmentState.PENDING),
    ],
)
def test_undoing_a_leave_goes_back_to_where_the_learner_was(facts, state):
    left = run(EnrollmentState.STOPPED, reason=StopReason.LEFT, **facts)
    assert apply(left, EnrollmentEvent.REJOINED, NOW).state is state


@pytest.mark.parametrize("until", [NOW + timedelta(days=2), None])
def test_undoing_a_leave_goes_back_to_the_break_it_interrupted(until):
    paused = run(EnrollmentState.PAUSED, confirmed_at=NOW, paused_until=until)
    left = apply(paused, EnrollmentEvent.LEFT, NOW)
    back = apply(left, EnrollmentEvent.REJOINED, NOW + timedelta(days=1))
    assert (back.state, back.paused_until) == (EnrollmentState.PAUSED, until)
    late = apply(left, EnrollmentEvent.REJOINED, NOW + timedelta(days=2))
    over = EnrollmentState.PAUSED if until is None else EnrollmentState.ACTIVE
    assert (late.state, late.paused_until) == (over, None)


@pytest.mark.parametrize("event", [EnrollmentEvent.BOUNCED, EnrollmentEvent.REMOVED])
def test_only_leaving_keeps_the_end_of_a_break(event):
    paused = run(EnrollmentState.PAUSED, confirmed_at=NOW, paused_until=NOW)
    assert apply(paused, event, NOW).paused_until is None


def test_only_leaving_can_be_undone():
    with pytest.raises(NotAllowed, match="only leaving can be undone"):
        apply(
            run(EnrollmentState.STOPPED, reason=StopReason.BOUNCED), EnrollmentEvent.REJOINED, NOW
        )
