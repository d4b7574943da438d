"""Staff tools: whom they concern is said first, and nothing happens to many by accident."""

from __future__ import annotations

import pytest


def states(project) -> dict[str, str]:
    return {r["email"]: r["state"] for r in project.run("learners", "list", "--json").json}


def test_enroll_tells_what_became_of_each_address(project, enroll) -> None:
    answer = enroll("ana@example.org", "ben@Example.ORG")
    assert "ana@example.org  new" in answer.out
    assert "ben@example.org  new" in answer.out
    assert "known" in enroll("ana@example.org").out


def test_enroll_refuses_what_no_mail_reaches(project) -> None:
    for wrong in (
        ("nobody",),
        ("a@example.org", "--hour=25"),
        ("a@example.org", "--timezone=Mars"),
    ):
        assert project.run("learners", "enroll", *wrong, ok=False).code == 2
    assert states(project) == {}


def test_a_dry_run_enrolls_nobody(project, enroll) -> None:
    assert (
        "new" in project.run("learners", "enroll", "a@example.org", "--consent=x", "--dry-run").out
    )
    assert "pending" in project.run("learners", "enroll", "a@example.org", "--dry-run").out
    assert states(project) == {}


def test_the_list_filters_by_course_state_and_text(project, enroll) -> None:
    enroll("ana@example.org", "ben@example.org")
    project.run("learners", "pause", "ben@example.org")

    def listed(*args: str) -> list[str]:
        return [r["email"] for r in project.run("learners", "list", "--json", *args).json]

    assert listed("--state", "paused") == ["ben@example.org"]
    assert listed("--text", "ana") == ["ana@example.org"]
    assert listed("--course", "tiny", "--state", "active") == ["ana@example.org"]
    assert listed("--course", "other") == []
    assert "ben@example.org" in project.run("learners", "list").out


def test_pause_and_resume(project, enroll) -> None:
    enroll("ana@example.org")
    assert "2099" not in project.run("learners", "pause", "ana@example.org").out
    assert states(project) == {"ana@example.org": "paused"}
    assert "next lesson" in project.run("learners", "resume", "ana@example.org").out
    assert states(project) == {"ana@example.org": "active"}


def test_a_pause_may_end_by_itself_but_not_in_the_past(project, enroll) -> None:
    enroll("ana@example.org")
    wrong = project.run("learners", "pause", "ana@example.org", "--until", "2001-01-01", ok=False)
    assert wrong.code == 2
    assert states(project) == {"ana@example.org": "active"}


@pytest.mark.parametrize("action", ["pause", "skip", "restart", "stop", "resend"])
def test_a_dry_run_says_whom_and_changes_nothing(project, enroll, action) -> None:
    enroll("ana@example.org", "ben@example.org")
    before = project.run("export", "all").json
    answer = project.run("learners", action, "--course", "tiny", "--dry-run", "--json")
    assert {row["email"] for row in answer.json["rows"]} == {"ana@example.org", "ben@example.org"}
    assert answer.json["dry_run"] is True
    assert project.run("export", "all").json == before


def test_many_are_only_touched_when_somebody_agrees(project, enroll) -> None:
    enroll("ana@example.org", "ben@example.org")
    refused = project.run("learners", "pause", "--course", "tiny", ok=False)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert set(states(project).values()) == {"active"}
    project.run("learners", "pause", "--course", "tiny", "--yes")
    assert set(states(project).values()) == {"paused"}


def test_without_an_address_or_a_filter_nobody_is_meant(project, enroll) -> None:
    enroll("ana@example.org")
    assert project.run("learners", "pause", "--yes", ok=False).code == 2
    assert states(project) == {"ana@example.org": "active"}


def test_an_unknown_address_is_answered_with_near_ones(project, enroll) -> None:
    enroll("ana@example.org")
    answer = project.run("learners", "pause", "anna@example.org", ok=False)
    assert answer.code == 1
    assert "Did you mean ana@example.org?" in answer.err


def test_what_a_state_forbids_is_told_per_person_and_the_others_go_on(project, enroll) -> None:
    enroll("ana@example.org", "ben@example.org")
    project.run("learners", "stop", "ana@example.org", "--yes")
    answer = project.run(
        "learners", "pause", "ana@example.org", "ben@example.org", "--yes", "--json", ok=False
    )
    assert answer.code == 1
    outcomes = {row["email"]: row["outcome"] for row in answer.json["rows"]}
    assert outcomes["ana@example.org"].startswith("not done: ")
    assert outcomes["ben@example.org"] == "paused"


def test_skip_restart_and_resend(project, enroll) -> None:
    enroll("ana@example.org")
    assert "skipped one" in project.run("learners", "skip", "ana@example.org").out
    nothing = project.run("learners", "resend", "ana@example.org", ok=False)
    assert "not done" in nothing.out
    assert "round 2" in project.run("learners", "restart", "ana@example.org").out
    project.run("work", "--once", "--as-of", "2099-01-01T07:30Z")
    project.run("learners", "resend", "ana@example.org")
    again = project.run("work", "--once", "--as-of", "2099-01-01T07:31Z", "--json")
    assert again.json["accepted"] == 1
    assert len(project.mails()) == 2


def test_reopen_goes_on_with_a_lesson_appended_after_the_end(project, enroll) -> None:
    enroll("ana@example.org")
    for day in (1, 2, 3):
        project.run("work", "--once", "--as-of", f"2099-01-0{day}T07:30Z")
    assert states(project) == {"ana@example.org": "completed"}
    nothing = project.run("learners", "reopen", "ana@example.org", ok=False)
    assert "no lesson was appended" in nothing.out
    third = (project.folder / "lessons/tiny/3-three.md").read_text()
    fourth = third.replace("three", "four").replace("Day 3", "Day 4")
    project.write("lessons/tiny/4-four.md", fourth)
    assert "would reopen" in project.run("learners", "reopen", "ana@example.org", "--dry-run").out
    assert "reopened, next lesson" in project.run("learners", "reopen", "ana@example.org").out
    project.run("work", "--once", "--as-of", "2099-01-04T07:30Z")
    assert any("Day 4 four" in file.read_text() for file in project.mails())
    assert states(project) == {"ana@example.org": "completed"}


def test_forget_erases_and_says_how_much(project, enroll) -> None:
    enroll("ana@example.org")
    assert project.run("learners", "forget", "ana@example.org", ok=False).code == 2
    assert (
        "would be erased" in project.run("learners", "forget", "ana@example.org", "--dry-run").out
    )
    assert states(project) == {"ana@example.org": "active"}
    assert "erased" in project.run("learners", "forget", "ana@example.org", "--yes").out
    assert states(project) == {}
    assert "ana@example.org" not in str(project.run("export", "all").json)


def test_readdress_moves_a_person_at_once_and_explain_tells_it(project, enroll) -> None:
    enroll("ana@example.org")
    answer = project.run("learners", "readdress", "ana@example.org", "Ana@Example.NET", "--json")
    assert answer.json == {
        "action": "readdress",
        "dry_run": False,
        "rows": [{"email": "ana@example.org", "new": "Ana@example.net", "outcome": "changed"}],
    }
    assert states(project) == {"Ana@example.net": "active"}
    told = project.run("explain", "ana@example.net")
    assert "consent: address" in told.out
    assert "ana@example.org -> Ana@example.net (course learners readdress)" in told.out
    project.run("work", "--once", "--as-of", "2099-01-01T07:30Z")
    texts = [file.read_text() for file in project.mails()]
    assert sum("\nTo: Ana@example.net" in text for text in texts) == 1
    assert sum("\nSubject: Your address was changed" in text for text in texts) == 1


def test_readdress_dry_says_what_it_would_do(project, enroll) -> None:
    enroll("ana@example.org", "ben@example.org")
    before = project.run("export", "all").json
    dry = project.run("learners", "readdress", "ana@example.org", "new@example.org", "--dry-run")
    assert "would be changed" in dry.out
    taken = ("learners", "readdress", "ana@example.org", "BEN@example.org")
    for flags in (("--dry-run",), ()):
        refused = project.run(*taken, *flags, ok=False)
        assert refused.code == 1
        assert "course learners forget" in refused.err
    assert project.run("export", "all").json == before


def test_readdress_refuses_what_no_mail_reaches_and_whom_nobody_knows(project, enroll) -> None:
    enroll("ana@example.org")
    wrong = project.run("learners", "readdress", "ana@example.org", "nobody", ok=False)
    assert (wrong.code, states(project)) == (2, {"ana@example.org": "active"})
    unknown = project.run("learners", "readdress", "anna@example.org", "b@example.org", ok=False)
    assert unknown.code == 1
    assert "Did you mean ana@example.org?" in unknown.err


def test_what_staff_did_is_on_record_without_addresses(project, enroll) -> None:
    from course import config
    from scheduler.store import Database, people

    enroll("ana@example.org")
    project.run("learners", "pause", "ana@example.org")
    project.run("learners", "readdress", "ana@example.org", "ana@example.net")
    project.run("learners", "forget", "ana@example.net", "--yes")
    db = Database(config.load(env={}).database_url)
    with db.read() as tx:
        trail = people.audit_trail(tx, 10)
    db.close()
    assert [row.action for row in trail] == ["forget", "readdress", "pause"]
    assert "ana" not in str(trail)
