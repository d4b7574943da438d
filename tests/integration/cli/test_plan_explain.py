"""`plan` and `explain` foresee exactly what the worker then does."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest


def next_at(project, address: str) -> datetime:
    (row,) = project.run("learners", "list", "--text", address, "--json").json
    return datetime.fromisoformat(row["next_at"])


def test_the_plan_comes_true(project, enroll) -> None:
    enroll("ana@example.org", timezone="America/Sao_Paulo")
    enroll("zoe@example.org", timezone="Asia/Kolkata", hour="07:30", days="mon,wed,fri")
    planned = project.run("plan", "--days", "14", "--json").json
    assert planned["lessons"] == 6
    assert planned["learners"] == 2
    instants = sorted({row["at"] for row in planned["rows"]})
    sent = []
    for instant in instants:
        due = [row for row in planned["rows"] if row["at"] == instant]
        early = datetime.fromisoformat(instant) - timedelta(seconds=1)
        quiet = project.run("work", "--once", "--as-of", early.isoformat(), "--json").json
        assert quiet["planned"] == 0
        done = project.run("work", "--once", "--as-of", instant, "--json").json
        assert done["planned"] == len(due)
        sent += due
    assert len(sent) == 6
    assert {r["state"] for r in project.run("learners", "list", "--json").json} == {"completed"}


def test_the_plan_keeps_to_the_days_a_learner_chose(project, enroll) -> None:
    enroll("zoe@example.org", timezone="Asia/Kolkata", days="mon,thu")
    rows = project.run("plan", "--days", "30", "--json").json["rows"]
    weekdays = [datetime.fromisoformat(row["local"]).weekday() for row in rows]
    assert set(weekdays) <= {0, 3}
    assert [row["lesson"] for row in rows] == ["one", "two", "three"]
    assert {datetime.fromisoformat(row["local"]).hour for row in rows} == {7}


def test_a_date_means_each_learners_own(project, enroll) -> None:
    enroll("far@example.org", timezone="Pacific/Auckland", hour="00:30")
    slot = next_at(project, "far")
    day = (slot + timedelta(hours=13)).date()  # Auckland is 12 or 13 hours ahead
    rows = project.run("plan", "--for", day.isoformat(), "--json").json["rows"]
    assert [row["local"][:10] for row in rows] == [day.isoformat()]
    before = (day - timedelta(days=1)).isoformat()
    assert project.run("plan", "--for", before, "--json").json["rows"] == []


def test_a_plan_sends_nothing_and_writes_nothing(project, enroll) -> None:
    enroll("ana@example.org")
    before = project.run("export", "all").json
    project.run("plan", "--days", "9")
    assert project.run("export", "all").json == before
    assert project.mails() == []


def test_a_draft_in_the_way_is_told(project, enroll) -> None:
    file = project.folder / "lessons/tiny/2-two.md"
    file.write_text(file.read_text().replace("---\n", "---\ndraft: true\n", 1))
    enroll("ana@example.org")
    plan = project.run("plan", "--days", "9", "--json").json
    assert [row["lesson"] for row in plan["rows"]] == ["one"]
    assert plan["waiting"] == [
        {"course": "tiny", "lesson": "two", "why": "it is a draft", "learners": 1}
    ]
    assert "1 learner will wait" in project.run("plan", "--days", "9").out


def test_one_learner_can_be_asked_for(project, enroll) -> None:
    enroll("ana@example.org", "ben@example.org")
    rows = project.run("plan", "--learner", "ben@example.org", "--days", "2", "--json").json["rows"]
    assert {row["email"] for row in rows} == {"ben@example.org"}
    assert project.run("plan", "--learner", "no@example.org", ok=False).code == 1


def test_long_plans_are_summed_up_unless_all_is_asked_for(project, enroll) -> None:
    enroll(*(f"p{number}@example.org" for number in range(50)))
    short = project.run("plan").out
    assert "and 10 more; --all shows them" in short
    assert "50 lessons" in short
    assert len(project.run("plan", "--all").out.splitlines()) > 50


@pytest.mark.parametrize("wrong", [("--for", "someday"), ("--days", "0"), ("--days", "x")])
def test_wrong_dates_are_wrong_usage(project, wrong) -> None:
    assert project.run("plan", *wrong, ok=False).code == 2


def test_explain_tells_the_story_and_the_next_instant(project, enroll) -> None:
    enroll("ana@example.org", timezone="America/Sao_Paulo", **{"first-name": "Ana"})
    slot = next_at(project, "ana")
    project.run("work", "--once", "--as-of", slot.isoformat())
    told = project.run("explain", "ana@example.org", "--json").json
    (run,) = told["enrollments"]
    assert run["lessons_sent"] == 1
    assert run["next_lesson"] == "two"
    assert run["next_local"][11:16] == "07:00"
    assert run["timezone"] == "America/Sao_Paulo"
    assert "one" in str(told["timeline"])
    text = project.run("explain", "ana@example.org").out
    assert text.startswith("Ana · tiny · active · 1 of 3 lessons sent · 07:00 America/Sao_Paulo")
    assert "next: two" in text


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (("pause", "ana@example.org"), "until somebody resumes it"),
        (("stop", "ana@example.org", "--yes"), "staff ended it"),
    ],
)
def test_explain_says_why_nothing_comes(project, enroll, prepare, why) -> None:
    enroll("ana@example.org")
    project.run("learners", *prepare)
    assert why in project.run("explain", "ana@example.org").out
    assert (
        project.run("explain", "ana@example.org", "--json").json["enrollments"][0]["next_at"]
        is None
    )


def test_explain_says_that_a_signup_was_not_confirmed(project) -> None:
    project.run("learners", "enroll", "ana@example.org")
    assert "not confirmed yet" in project.run("explain", "ana@example.org").out


def test_explain_says_that_a_lesson_waits_for_its_author(project, enroll) -> None:
    enroll("ana@example.org")
    project.write("lessons/tiny/1-one.md", "---\ntitle: [\n---\n")
    assert "lesson one waits: `course check` finds an error" in (
        project.run("explain", "ana@example.org").out
    )


def test_an_unknown_address_is_exit_code_1_with_a_hint(project, enroll) -> None:
    enroll("ana@example.org")
    answer = project.run("explain", "anaa@example.org", ok=False)
    assert answer.code == 1
    assert "Did you mean ana@example.org?" in answer.err
    assert not answer.out
