"""A CSV comes in whatever wrote it; every row is accounted for; what goes out comes back in."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest

CONSENT = ("--consent", "ticked the box on paper, 2026-11-01")


def totals(answer) -> dict[str, int]:
    return {name: count for name, count in answer.json["totals"].items() if count}


def by_line(answer) -> dict[int, tuple[str, str]]:
    return {row["line"]: (row["email"], row["outcome"]) for row in answer.json["rows"]}


@pytest.fixture
def take_in(project):
    def take_in(content: str | bytes, *args: str, ok: bool = True):
        raw = content.encode() if isinstance(content, str) else content
        (project.folder / "l.csv").write_bytes(raw)
        return project.run("import", "l.csv", "--json", *args, ok=ok)

    return take_in


def test_with_consent_people_are_active_and_get_no_welcome(project, take_in) -> None:
    answer = take_in(
        "email,first_name,timezone,hour,days,language\n"
        'zoe@example.org,Zoë,Asia/Kolkata,7:30,"mon,wed,fri",en\n'
        "ana@example.org,,,,,\n",
        *CONSENT,
    )
    assert totals(answer) == {"new": 2}
    zoe = next(
        r for r in project.run("learners", "list", "--json").json if r["first_name"] == "Zoë"
    )
    assert (zoe["state"], zoe["timezone"], zoe["hour"], zoe["days"]) == (
        "active", "Asia/Kolkata", "07:30", "mon,wed,fri",
    )  # fmt: skip
    assert project.run("work", "--once", "--json").json["accepted"] == 0


def test_welcome_is_sent_when_asked_for(project, take_in) -> None:
    take_in("email\nana@example.org\n", *CONSENT, "--welcome")
    assert project.run("work", "--once", "--json").json["accepted"] == 1
    assert "welcome" in project.mails()[0].name


def test_without_consent_they_are_asked_to_confirm(project, take_in) -> None:
    assert totals(take_in("email\nana@example.org\n")) == {"pending": 1}
    assert project.run("work", "--once", "--json").json["accepted"] == 1
    assert "confirm" in project.mails()[0].read_text().lower()
    assert project.run("learners", "list", "--json").json[0]["state"] == "pending"


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffemail,first_name\r\nana@example.org,Ana\r\n".encode(),
        b"email;first_name\nana@example.org;Ana\n",
        b"email\tfirst_name\nana@example.org\tAna\n",
        "email,first_name\nana@example.org,Ana\n".encode("utf-16"),
        b"E-Mail,First Name\rana@example.org,Ana\r",
        b"\n\nfirst_name , EMAIL \nAna, ana@example.org \n\n",
        b"ana@example.org,Ana\n",
        b'"email","first_name"\n"ana@example.org","Ana"',
    ],
    ids=["bom-crlf", "semicolon", "tab", "utf-16", "mac", "blank-lines", "no-heading", "quoted"],
)
def test_whatever_a_spreadsheet_writes_is_read(project, take_in, content) -> None:
    assert totals(take_in(content, *CONSENT)) == {"new": 1}
    (row,) = project.run("learners", "list", "--json").json
    assert (row["email"], row["first_name"]) == ("ana@example.org", "Ana")


def test_each_bad_row_is_told_with_line_and_cause_and_the_good_ones_stay(project, take_in) -> None:
    content = (
        "email,first_name,timezone,hour,days,language\n"
        "ana@example.org,,,,,\n"
        "nobody,,,,,\n"
        ",,,,,\n"
        "a@example.org,,Mars/Olympus,,,\n"
        "b@example.org,,,25:00,,\n"
        "c@example.org,,,,someday,\n"
        "d@example.org,,,,,not a language\n"
        "e@example.org,,,,,,,too,many\n"
        "f@example.org,\x07,,,,\n"
        "ben@example.org,,,,,\n"
    )
    answer = take_in(content, *CONSENT, ok=False)
    assert answer.code == 3
    assert by_line(answer) == {
        2: ("ana@example.org", "new"),
        3: ("nobody", "bad"),
        5: ("a@example.org", "bad"),
        6: ("b@example.org", "bad"),
        7: ("c@example.org", "bad"),
        8: ("d@example.org", "bad"),
        9: ("e@example.org", "bad"),
        10: ("f@example.org", "bad"),
        11: ("ben@example.org", "new"),
    }
    causes = {row["line"]: row["cause"] for row in answer.json["rows"]}
    for line, word in {3: "@", 5: "Mars/Olympus", 6: "hour", 7: "days", 8: "language"}.items():
        assert word in causes[line]
    assert len(project.run("learners", "list", "--json").json) == 2


def test_bytes_that_are_no_utf8_spoil_their_row_only(project, take_in) -> None:
    content = (
        b"email,first_name\nana@example.org,Ana\nzoe@example.org,Zo\xeb\nben@example.org,Ben\n"
    )
    answer = take_in(content, *CONSENT, ok=False)
    assert [row["outcome"] for row in answer.json["rows"]] == ["new", "bad", "new"]
    assert "UTF-8" in answer.json["rows"][1]["cause"]


def test_a_quote_that_never_closes_does_not_swallow_rows_silently(project, take_in) -> None:
    rows = "".join(f"p{n}@example.org,x\n" for n in range(20))
    answer = take_in(f'email,first_name\n"ana@example.org,Ana\n{rows}', *CONSENT, ok=False)
    assert answer.code == 3
    (bad,) = answer.json["rows"]
    assert bad["line"] == 2
    assert "quote" in bad["cause"]


def test_nobody_is_enrolled_twice(project, take_in) -> None:
    content = "email\nana@example.org\nANA@EXAMPLE.ORG\nana@example.org\nben@example.org\n"
    first = take_in(content, *CONSENT)
    # The local part may tell upper from lower case in theory; we hold them for one person.
    assert totals(first) == {"new": 2, "duplicate": 2}
    assert totals(take_in(content, *CONSENT)) == {"known": 2, "duplicate": 2}
    assert len(project.run("learners", "list", "--json").json) == 2


def test_who_left_stays_away(project, take_in) -> None:
    take_in("email\nana@example.org\n", *CONSENT)
    project.run("learners", "stop", "ana@example.org", "--yes")
    assert totals(take_in("email\nana@example.org\n", *CONSENT)) == {"known": 1}
    assert project.run("learners", "list", "--json").json[0]["state"] == "stopped"


def test_a_dry_run_tells_the_same_and_changes_nothing(project, take_in) -> None:
    take_in("email\nold@example.org\n", *CONSENT)
    content = "email\nold@example.org\nnew@example.org\nnew@example.org\nbad\n"
    dry = take_in(content, *CONSENT, "--dry-run", ok=False)
    assert len(project.run("learners", "list", "--json").json) == 1
    wet = take_in(content, *CONSENT, ok=False)
    assert dry.json["rows"] == wet.json["rows"]
    assert totals(dry) == {"known": 1, "new": 1, "duplicate": 1, "bad": 1}


def test_the_plain_report_names_every_row(project) -> None:
    project.write("l.csv", "email\nana@example.org\nnobody\n")
    answer = project.run("import", "l.csv", *CONSENT, ok=False)
    first, second = answer.out.splitlines()
    assert first.split()[:4] == ["line", "2", "new", "ana@example.org"]
    assert second.startswith("line 3")
    assert "1 new, 1 bad" in answer.err


def test_a_file_without_the_email_column_says_which_there_are(project) -> None:
    project.write("l.csv", "name,phone\nAna,1\n")
    answer = project.run("import", "l.csv", ok=False)
    assert answer.code == 1
    assert "email" in answer.err
    assert "name, phone" in answer.err
    project.write("l.csv", "")
    assert project.run("import", "l.csv", ok=False).code == 1


def test_stdin_is_a_file_too(project) -> None:
    answer = project.run("import", "-", "--json", *CONSENT, text="email\nana@example.org\n")
    assert totals(answer) == {"new": 1}


def test_welcome_without_consent_is_refused(project) -> None:
    project.write("l.csv", "email\n")
    assert project.run("import", "l.csv", "--welcome", ok=False).code == 2
    assert project.run("import", "l.csv", "--consent", " ", ok=False).code == 2


def test_memory_stays_flat_however_long_the_file(project) -> None:
    def peak(rows: int) -> int:
        from course.cli import roster

        class Endless(io.RawIOBase):
            """Makes rows as they are read, so that the file itself takes no memory."""

            left = rows
            rest = b"email,first_name,timezone,hour,days,language\n"

            def readable(self) -> bool:
                return True

            def readinto(self, buffer) -> int:
                while len(self.rest) < len(buffer) and self.left:
                    self.rest += b"p%d@example.org,Ana,Asia/Kolkata,7,daily,en\n" % self.left
                    self.left -= 1
                size = min(len(buffer), len(self.rest))
                buffer[:size], self.rest = self.rest[:size], self.rest[size:]
                return size

        tracemalloc.start()
        read = sum(row.person is not None for row in roster.open_roster(Endless()).rows)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert read == rows
        return top

    peak(100)
    assert peak(20_000) < peak(2_000) * 1.5 + 100_000


def test_an_export_comes_back_in(project, take_in, enroll) -> None:
    enroll("ana@example.org", **{"first-name": 'Ana, "A"', "days": "tue,thu"})
    answer = project.run("export", "learners")
    (row,) = csv.DictReader(io.StringIO(answer.out))
    assert list(row)[:6] == ["email", "first_name", "timezone", "hour", "days", "language"]
    assert (row["first_name"], row["days"]) == ('Ana, "A"', "tue,thu")
    project.run("learners", "forget", "ana@example.org", "--yes")
    assert totals(take_in(answer.out, *CONSENT)) == {"new": 1}
    again = next(csv.DictReader(io.StringIO(project.run("export", "learners").out)))
    moments = {name: row[name] for name in row if name.endswith(("_id", "_at"))}
    assert again | moments == row


def test_a_name_is_never_a_formula(project, enroll) -> None:
    enroll("ana@example.org", **{"first-name": "=HYPERLINK(1)"})
    (row,) = csv.DictReader(io.StringIO(project.run("export", "learners").out))
    assert row["first_name"] == "'=HYPERLINK(1)"
    assert project.run("export", "learners", "--format", "json").json[0]["first_name"][0] == "="


def test_exports_are_whole_even_when_empty(project) -> None:
    assert project.run("export", "learners").out.startswith("email,first_name")
    assert project.run("export", "all").json == {"learners": [], "deliveries": []}
    assert project.run("export", "deliveries", "--format", "json").json == []
    assert project.run("export", "all", "--format", "csv", ok=False).code == 2


def test_all_that_is_held_on_one_person(project, enroll) -> None:
    enroll("ana@example.org")
    held = project.run("export", "all", "--learner", "ana@example.org").json
    assert "ana@example.org" in str(held)
    assert "asked in person" in str(held["consents"])
    assert project.run("export", "all", "--learner", "no@example.org", ok=False).code == 1
