"""Backups go out and come back; what was restored or moved sends nothing until a person says so."""

from __future__ import annotations

import sqlite3

import pytest

from course.cli.doors import AWAY


@pytest.fixture
def saved(project, enroll):
    enroll("ana@example.org", timezone="UTC")
    project.run("backup", "keep.db")
    return project.folder / "keep.db"


def people(project) -> set[str]:
    return {row["email"] for row in project.run("learners", "list", "--json").json}


def test_a_backup_comes_back_whole(project, enroll, saved) -> None:
    before = project.run("export", "all").json
    enroll("ben@example.org")
    project.run("restore", str(saved), "--force")
    assert project.run("export", "all").json == before


@pytest.mark.parametrize("place", ["the middle", "the head"])
def test_a_backup_takes_the_place_of_a_damaged_database(project, enroll, saved, place) -> None:
    """It is the cure that every message about damage names."""
    enroll(*(f"p{n}@example.org" for n in range(200)))
    file = project.folder / "var" / "course.db"
    sound = file.read_bytes()
    start = len(sound) // 2 // 4096 * 4096 if place == "the middle" else 0
    broken = sound[:start] + b"\xa5" * 4 * 4096 + sound[start + 4 * 4096 :]
    file.write_bytes(broken)

    refused = project.real("work", "--once")
    assert refused.code == AWAY, refused
    assert "restore" in refused.err
    assert project.tried("backup", "broken.db").code == AWAY
    assert not (project.folder / "broken.db").exists()

    project.run("restore", str(saved), "--force")
    assert people(project) == {"ana@example.org"}
    assert (project.folder / "var" / "course.db.before-restore-1").read_bytes() == broken
    assert not list(file.parent.glob("*.restoring"))


def test_a_restored_database_sends_nothing_until_it_is_adopted(project, saved) -> None:
    morning = ("work", "--once", "--as-of", "2099-01-01T07:00Z", "--json")
    project.run("restore", str(saved), "--force")
    held = project.run(*morning, ok=False)
    assert held.code == 1
    assert held.json["accepted"] == 0
    assert "restored from keep.db" in held.json["held"]
    assert "course adopt" in held.err
    assert "restored from keep.db" in project.run("plan").err
    assert project.run("doctor", ok=False).code == 3
    project.run("adopt")
    assert project.run(*morning).json["accepted"] == 1


def test_a_database_under_another_address_sends_nothing_until_it_is_adopted(
    project, enroll
) -> None:
    enroll("ana@example.org", timezone="UTC")
    args = ("work", "--once", "--as-of", "2099-01-01T07:00Z", "--json")
    home, moved = "https://home.example.net", "https://moved.example.net"
    project.tried("work", "--once", BASE_URL=home)
    held = project.tried(*args, BASE_URL=moved)
    assert held.code == 1
    assert held.json["accepted"] == 0
    assert "home.example.net" in held.json["held"]
    # Asking does not adopt, and the old place goes on.
    assert "home.example.net" in project.tried("plan", BASE_URL=moved).err
    assert project.tried("work", "--once", BASE_URL=home).code == 0
    project.tried("adopt", BASE_URL=moved)
    assert project.tried(*args, BASE_URL=moved).json["accepted"] == 1
    assert project.tried("work", "--once", BASE_URL=home).code == 1


def test_moving_while_nobody_learns_needs_no_adoption(project) -> None:
    project.tried("work", "--once", BASE_URL="https://one.example.net")
    assert project.tried("work", "--once", BASE_URL="https://two.example.net").code == 0


def test_another_port_on_this_machine_is_the_same_place(project, enroll) -> None:
    enroll("ana@example.org")
    assert project.tried("work", "--once", PORT="8001").code == 0
    assert project.tried("work", "--once", BASE_URL="http://localhost:8002").code == 0


def test_nothing_is_overwritten_without_force(project, saved) -> None:
    size = saved.stat().st_size
    again = project.run("backup", str(saved), ok=False)
    assert again.code == 1
    assert "--force" in again.err
    assert saved.stat().st_size == size
    refused = project.run("restore", str(saved), ok=False)
    assert refused.code == 1
    assert "--force" in refused.err
    assert people(project) == {"ana@example.org"}


def test_what_was_there_before_a_restore_is_kept(project, enroll, saved) -> None:
    enroll("ben@example.org")
    project.run("restore", str(saved), "--force")
    kept = project.folder / "var" / "course.db.before-restore-1"
    assert people(project) == {"ana@example.org"}
    project.run("restore", str(kept), "--force")
    assert people(project) == {"ana@example.org", "ben@example.org"}


def test_only_a_sound_backup_of_ours_is_taken(project, saved) -> None:
    damaged = project.folder / "damaged.db"
    raw = bytearray(saved.read_bytes())
    raw[4096:60000] = b"\xff" * (60000 - 4096)
    damaged.write_bytes(raw)
    stranger = project.folder / "stranger.db"
    with sqlite3.connect(stranger) as db:
        db.execute("CREATE TABLE notes (text)")
    db.close()
    text = project.write("notes.txt", "hello")
    for wrong in (damaged, stranger, text, project.folder / "var" / "course.db"):
        answer = project.run("restore", str(wrong), "--force", ok=False)
        assert answer.code == 1, wrong
    assert people(project) == {"ana@example.org"}


def test_a_backup_needs_something_to_back_up(project) -> None:
    answer = project.run("backup", "keep.db", ok=False)
    assert answer.code == 1
    assert not (project.folder / "keep.db").exists()


def test_postgresql_is_pointed_to_its_own_tools(project, saved) -> None:
    url = "postgresql://me:geheim@127.0.0.1:9/none"
    out = project.tried("backup", "x.db", DATABASE_URL=url)
    assert (out.code, "pg_dump" in out.err, "geheim" in out.err) == (1, True, False)
    back = project.tried("restore", str(saved), DATABASE_URL=url)
    assert (back.code, "pg_restore" in back.err) == (1, True)


def test_the_database_upgrades_itself_and_says_so_when_asked(project) -> None:
    assert project.run("db", "check", ok=False).code == 1
    assert "is now up to date" in project.run("db", "upgrade").err
    assert "was already up to date" in project.run("db", "upgrade").err
    assert project.run("db", "check", "--json").json["up_to_date"] is True
