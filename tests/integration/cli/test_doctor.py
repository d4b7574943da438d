"""`course doctor` names each trouble with its cure, and claims nothing it did not look at."""

from __future__ import annotations


def levels(answer) -> dict[str, str]:
    return {row["check"]: row["level"] for row in answer.json["checks"]}


def test_a_fresh_project_is_well(project) -> None:
    answer = project.run("doctor", "--json", "--offline")
    assert set(levels(answer).values()) == {"ok"}
    assert project.run("doctor", "--strict").code == 0


def test_doctor_writes_nothing_into_the_database(project, enroll) -> None:
    enroll("ana@example.org")
    before = project.run("export", "all").json
    project.run("doctor")
    assert project.run("export", "all").json == before


def test_faults_of_the_configuration_are_its_first_finding(project) -> None:
    answer = project.real("doctor", "--json", PORT="x")
    assert answer.code == 3
    assert levels(answer) == {"config": "problem"}


def test_a_freemail_sender_and_an_open_address_are_told(project) -> None:
    answer = project.real(
        "doctor", "--json",
        DELIVERY="smtp", SMTP_URL="smtp://127.0.0.1:25", SECRET_KEY="x" * 20,
        EMAIL_FROM="someone@gmail.com", POSTAL_ADDRESS="Here 1",
    )  # fmt: skip
    assert answer.code == 3
    assert levels(answer)["sender"] == "problem"
    assert levels(answer)["base URL"] == "warning"
    for row in answer.json["checks"]:
        assert row["fix"] or row["level"] == "ok", row


def test_a_broken_lesson_is_told(project) -> None:
    project.write("lessons/tiny/2-two.md", "---\ntitle: [\n---\n")
    assert levels(project.run("doctor", "--json", ok=False))["lessons"] == "problem"


def test_mail_that_nobody_sends_is_told(project) -> None:
    from datetime import timedelta

    from course import config, wiring
    from scheduler.clock import FixedClock, RealClock
    from scheduler.enrolling import NewPerson

    settings = config.load(env={})
    clock = FixedClock(RealClock().now() - timedelta(hours=3))
    school = wiring.build(settings, clock=clock, worker=False)
    school.enrolling.enroll("tiny", [NewPerson("ana@example.org")], consent=None)
    school.close()
    answer = project.run("doctor", "--json", ok=False)
    assert levels(answer)["worker"] == "problem"


def test_a_damaged_database_is_told(project, enroll) -> None:
    enroll("ana@example.org")
    file = project.folder / "var" / "course.db"
    raw = bytearray(file.read_bytes())
    raw[4096:50000] = b"\xff" * (50000 - 4096)
    file.write_bytes(raw)
    for leftover in ("-wal", "-shm"):
        file.with_name(file.name + leftover).unlink(missing_ok=True)
    answer = project.run("doctor", "--json", ok=False)
    assert levels(answer)["database"] == "problem"
