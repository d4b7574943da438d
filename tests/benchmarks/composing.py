"""G1: what one learner's mail costs, compiled once, against making each from its Markdown."""

from __future__ import annotations

import tempfile
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from course.catalog import Course
from course.compose import CourseComposer
from course.mail.document import describe
from course.mail.holes import fill
from course.mail.person import values_of
from scheduler.domain.delivery import Claimed
from scheduler.domain.message import Message
from tests.benchmarks.measuring import ROUNDS, measured, middle
from tests.benchmarks.school import mail_composer
from tests.benchmarks.table import Row
from tests.mailroom import claimed

_MANY, _FEW = 2000, 10


def rows(_full: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return [_row(Path(folder, form), form) for form in ("raw", "parts")]  # type: ignore[arg-type]


def _row(folder: Path, form: str) -> Row:
    composer = mail_composer(folder, form)  # type: ignore[arg-type]
    course = composer.catalog.course("garden")
    assert course is not None
    composer.compose([claimed()])
    quick, plain = [], []
    for turn in range(ROUNDS):
        batch = [_learner(turn * _MANY + n) for n in range(_MANY)]
        cost = measured(partial(composer.compose, batch))
        assert all(isinstance(answer, Message) for answer in cost.answer)
        quick.append(cost.cpu / _MANY)
        plain.append(measured(partial(_plainly, composer, course, batch[:_FEW])).cpu / _FEW)
    ours, theirs = middle(quick), middle(plain)
    return Row(
        "G1",
        f"compose one learner's mail, for {'SMTP' if form == 'raw' else 'SendGrid'}",
        f"{ours * 1e6:.0f} µs CPU",
        f"plainly {theirs * 1e6:,.0f} µs",
        f"1/{theirs / ours:.0f}",
        "<= 1/100, <= 80 µs",
        ours <= theirs / 100 and ours <= 80e-6,
    )


def _learner(number: int) -> Claimed:
    """Nobody comes twice, but first names repeat as they do among people."""
    return claimed(
        number=number, name=f"Ada {number % 500}", address=f"learner{number}@example.com"
    )


def _plainly(composer: CourseComposer, course: Course, batch: list[Claimed]) -> None:
    """Markdown, templates, styles laid in and the standard library's message, for each one."""
    for one in batch:
        cut = composer._cut(describe(course, course.lessons["bed"]))
        values = values_of(cut.names, one, composer.links)
        message = EmailMessage()
        message["Subject"] = " ".join(fill(cut.subject, values).split())
        message.set_content(fill(cut.text, values))
        message.add_alternative(fill(cut.html, values), subtype="html")
        bytes(message)
