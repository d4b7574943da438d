"""`course demo`: five days in seconds, on consecutive local mornings, and nothing left behind."""

from __future__ import annotations

import email
import email.policy
import time
from datetime import UTC, date, datetime, timedelta

import time_machine

from course.cli.demo import SAMPLE


def test_every_learner_gets_every_lesson_on_consecutive_local_dates(project) -> None:
    began = time.monotonic()
    told = project.run("demo", "mails", "--json").json
    assert time.monotonic() - began < 30
    assert {row["state"] for row in told["learners"]} == {"completed"}
    hours = {person.address: person.hour for person in SAMPLE}
    for row in told["learners"]:
        keys = [mail["key"] for mail in row["mails"]]
        assert keys == ["@welcome", "one", "two", "three", "@completed"]
        at = [datetime.fromisoformat(m["local"]) for m in row["mails"] if m["kind"] == "lesson"]
        assert [moment.date() - at[0].date() for moment in at] == [
            timedelta(days=day) for day in range(3)
        ]
        assert {moment.time() for moment in at} == {hours[row["email"]]}
    files = list((project.folder / "mails").glob("*.eml"))
    assert len(files) == told["mails"] == 5 * len(SAMPLE)


def test_who_joins_at_the_very_minute_of_the_lesson_is_welcomed_first(project) -> None:
    six_in_lagos = datetime(2026, 11, 27, 17, 0, 20, tzinfo=UTC)
    with time_machine.travel(six_in_lagos):
        told = project.run("demo", "mails", "--json").json
    amara = next(row for row in told["learners"] if row["timezone"] == "Africa/Lagos")
    assert [mail["key"] for mail in amara["mails"]] == [
        "@welcome", "one", "two", "three", "@completed",
    ]  # fmt: skip
    welcome, lesson = amara["mails"][:2]
    assert welcome["local"] == lesson["local"]


def test_the_table_is_for_people(project) -> None:
    out = project.run("demo", "mails").out
    assert "Asia/Kolkata" in out
    assert out.count("completed") == len(SAMPLE)
    assert "30 mails" in out


def test_mails_are_dated_by_the_demos_clock(project) -> None:
    project.run("demo", "mails")
    days: set[date] = set()
    for file in (project.folder / "mails").glob("*-zoe-*.eml"):
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert mail["To"].addresses[0].addr_spec == "zoe@example.org"
        days.add(mail["Date"].datetime.date())
    assert len(days) >= 3


def test_a_demo_leaves_nothing_but_mails(project) -> None:
    project.run("demo")
    assert {path.name for path in (project.folder / "var").iterdir()} == {"demo"}
    assert project.run("learners", "list", "--json").json == []


def test_a_second_demo_replaces_the_first(project) -> None:
    project.run("demo", "mails")
    project.run("demo", "mails")
    assert len(list((project.folder / "mails").glob("*.eml"))) == 5 * len(SAMPLE)


def test_mails_that_no_demo_wrote_are_never_touched(project) -> None:
    mine = project.write("mails/mine.eml", "dear diary")
    answer = project.run("demo", "mails", ok=False)
    assert answer.code == 1
    assert "no demo wrote" in answer.err
    assert mine.read_text() == "dear diary"


def test_a_demo_never_delivers_for_real(project) -> None:
    answer = project.tried("demo", "mails", DELIVERY="smtp", SMTP_URL="smtp://127.0.0.1:9")
    assert answer.code == 0, answer
    assert len(list((project.folder / "mails").glob("*.eml"))) == 5 * len(SAMPLE)


def test_a_course_that_cannot_finish_is_told(project) -> None:
    file = project.folder / "lessons/tiny/3-three.md"
    file.write_text(file.read_text().replace("---\n", "---\ndraft: true\n", 1))
    answer = project.run("demo", "mails", ok=False)
    assert answer.code == 1
    assert "did not finish" in answer.err
