"""What Gmail would cut is not sent, and what is checked is what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from course.compose import CourseComposer
from course.errors import CourseError
from course.source.limits import CLIPPED_AT
from scheduler.domain.message import Message, Unfit
from tests.mailroom import claimed, composer, plant

SENTENCE = "Put the seeds in a row, one finger apart, and cover them with a little soil.\n\n"


def sow(school: CourseComposer, sentences: int) -> int:
    """Write the lesson `sow` that long; the weight `course check` sees."""
    course = school.catalog.course("garden")
    assert course is not None
    (course.folder / "2-sow.md").write_text("# Sow\n\n" + SENTENCE * sentences)
    school.catalog.refresh()
    course = school.catalog.course("garden")
    assert course is not None
    return school.measure(course, course.lessons["sow"]).html


@pytest.mark.parametrize("form", ["raw", "parts"])
def test_a_lesson_that_gmail_would_cut_waits_for_its_author(tmp_path: Path, form: str) -> None:
    school = composer(plant(tmp_path), form)  # type: ignore[arg-type]
    assert sow(school, 1_000) > CLIPPED_AT
    held, other, again = school.compose([claimed("sow"), claimed("bed"), claimed("sow")])
    for one in (held, again, *school.compose([claimed("sow")])):
        assert isinstance(one, Unfit)
        assert one.hold
        assert one.poison
        assert "split the lesson" in one.reason
    assert isinstance(other, Message)
    assert sow(school, 10) < CLIPPED_AT
    assert isinstance(school.compose([claimed("sow")])[0], Message)


def test_the_check_and_the_composer_draw_the_line_at_the_same_byte(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    few, many = 1, 1_000
    while many - few > 1:
        middle = (few + many) // 2
        if sow(school, middle) > CLIPPED_AT:
            many = middle
        else:
            few = middle
    for sentences, kind in ((few, Message), (many, Unfit)):
        assert (sow(school, sentences) > CLIPPED_AT) is (kind is Unfit)
        assert isinstance(school.compose([claimed("sow")])[0], kind)


def test_no_test_copy_is_sent_of_what_learners_will_not_get(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    sow(school, 1_000)
    course = school.catalog.course("garden")
    assert course is not None
    with pytest.raises(CourseError, match="split the lesson"):
        school.test_message(course, course.lessons["sow"], "ada@example.org")
