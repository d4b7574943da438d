"""Compiled once, filled per learner: what that is worth."""

from __future__ import annotations

import time
from email.message import EmailMessage
from pathlib import Path

import pytest

from course.mail.document import describe
from course.mail.holes import fill
from course.mail.person import values_of
from scheduler.domain.message import Message
from tests.mailroom import claimed, composer, plant


@pytest.mark.parametrize("form", ["raw", "parts"])
def test_g1_a_learners_mail_costs_a_hundredth_of_the_plain_way(tmp_path: Path, form: str) -> None:
    catalog = plant(tmp_path)
    quick, plain = composer(catalog, form), composer(catalog)  # type: ignore[arg-type]
    course = catalog.course("garden")
    assert course is not None
    batch = [claimed(number=n, name=f"Name {n}") for n in range(500)]
    quick.compose(batch[:1])

    def quickly() -> float:
        start = time.process_time()
        answers = quick.compose(batch)
        spent = (time.process_time() - start) / len(batch)
        assert all(isinstance(answer, Message) for answer in answers)
        return spent

    def plainly() -> float:
        start = time.process_time()
        for one in batch[:3]:
            cut = plain._cut(describe(course, course.lessons["bed"]))
            values = values_of(cut.names, one, plain.links)
            message = EmailMessage()
            message["Subject"] = " ".join(fill(cut.subject, values).split())
            message.set_content(fill(cut.text, values))
            message.add_alternative(fill(cut.html, values), subtype="html")
            bytes(message)
        return (time.process_time() - start) / 3

    fast, slow = min(quickly() for _ in range(5)), min(plainly() for _ in range(3))
    print(f"{fast * 1e6:.0f} µs against {slow * 1e6:.0f} µs")
    assert fast < slow / 100, f"{fast * 1e6:.0f} µs against {slow * 1e6:.0f} µs"
