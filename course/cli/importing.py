"""`course import`: a CSV of learners, streamed, with a report of every row."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING

import click

from course.cli import doors, opening, roster, table
from scheduler.domain.learner import Consent
from scheduler.enrolling import NewPerson
from scheduler.rules.suppression import address_hash
from scheduler.store import people

if TYPE_CHECKING:
    from course.wiring import School

#: Rows enrolled in one transaction.
BATCH = 1000

#: What a row may come to.
_MEANINGS = {
    "new": "enrolled, first lesson on the next slot",
    "pending": "asked to confirm",
    "known": "has been in this course already; left as it is",
    "duplicate": "the same address stands further up",
    "suppressed": "asked for no mail, or bounced",
    "bad": "cannot be read",
}

#: line, address, outcome, cause
Told = tuple[int, str, str, str]


@click.command("import", short_help="Take in learners from a CSV file.")
@click.argument("file", type=click.File("rb"), metavar="FILE.csv")
@click.option("--course", metavar="KEY", help="Which course; needed when there are several.")
@click.option(
    "--consent", metavar="TEXT",
    help="What these people agreed to, and where. Without it they are asked to confirm by mail.",
)  # fmt: skip
@click.option("--welcome", is_flag=True, help="With --consent: send the welcome letter as well.")
@click.option("--dry-run", is_flag=True, help="Report every row, change nothing.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON document.")
@click.pass_context
def import_(
    ctx: click.Context,
    file: IO[bytes],
    course: str | None,
    consent: str | None,
    welcome: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take in learners from a CSV file (- is stdin).

    Columns: email, first_name, timezone, hour, days, language; only email is required. `days` is
    daily, weekdays or mon,wed,fri. Repeating an import changes nothing. Exits with 3 when some
    rows cannot be read; the others are taken in all the same.
    """
    if welcome and not consent:
        raise click.UsageError("--welcome needs --consent: others are asked to confirm first.")
    if consent is not None and not consent.strip():
        raise click.UsageError("--consent needs words: what was agreed, when and where.")
    try:
        opened = roster.open_roster(file)
    except (roster.NotARoster, UnicodeError) as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    for note in opened.notes:
        table.say(f"{file.name}: {note}")
    totals: Counter[str] = Counter()
    with opening.school(ctx) as school:
        key = opening.one_course(school.catalog, course).key
        with _report(as_json, dry_run, key, totals) as tell:
            while batch := list(islice(opened.rows, BATCH)):
                for told in _take_in(school, key, batch, consent, welcome, dry_run):
                    totals[told[2]] += 1
                    tell(told)
        if not dry_run and totals["new"] + totals["pending"]:
            with school.db.write() as tx:
                people.add_audit(
                    tx, school.clock.now(), "terminal", "import", f"{key}: {_in_words(totals)}"
                )
    table.say(f"{_in_words(totals) or 'no rows'}.{' Nothing was changed.' if dry_run else ''}")
    if not consent and totals["pending"] and not dry_run:
        table.say("They get a confirmation mail; --consent TEXT enrolls without one.")
    ctx.exit(doors.FINDINGS if totals["bad"] else 0)


def _take_in(
    school: School,
    course: str,
    batch: list[roster.Row],
    consent: str | None,
    welcome: bool,
    dry_run: bool,
) -> Iterator[Told]:
    """Enroll one batch; the outcome of each of its rows, in their order."""
    first_line: dict[str, int] = {}
    persons: dict[int, NewPerson] = {}
    told: dict[int, tuple[str, str]] = {}
    for row in batch:
        if row.person is None:
            told[row.line] = ("bad", row.cause)
            continue
        key = people.address_key(row.person.address)
        if key in first_line:
            told[row.line] = ("duplicate", f"the same address as on line {first_line[key]}")
            continue
        first_line[key] = row.line
        persons[row.line] = row.person
    wanted = list(persons.values())
    if dry_run:
        outcomes = foresee(school, course, wanted, consent is not None)
    elif wanted:
        agreed = (
            Consent("import", consent, "course import", school.clock.now()) if consent else None
        )
        enrolled = school.enrolling.enroll(course, wanted, consent=agreed, welcome=welcome)
        outcomes = [one.outcome for one in enrolled]
    else:
        outcomes = []
    for line, outcome in zip(persons, outcomes, strict=True):
        told[line] = (outcome, "")
    for row in batch:
        yield (row.line, row.address, *told[row.line])


def foresee(school: School, course: str, wanted: list[NewPerson], consented: bool) -> list[str]:
    """What enrolling would answer, without writing."""
    keys = [people.address_key(person.address) for person in wanted]
    hashes = [address_hash(school.salt, key) for key in keys]
    outcomes = []
    with school.db.read() as tx:
        blocked = people.suppressed(tx, hashes) if hashes else set()
        for person, hashed in zip(wanted, hashes, strict=True):
            learner = None if hashed in blocked else people.find_learner(tx, person.address)
            if hashed in blocked:
                outcomes.append("suppressed")
            elif learner and people.latest_enrollment(tx, learner.id, course):
                outcomes.append("known")
            else:
                outcomes.append("new" if consented else "pending")
    return outcomes


@contextmanager
def _report(as_json: bool, dry_run: bool, course: str, totals: Counter[str]) -> Iterator[_Teller]:
    """Writes each row as it comes: a file of a million rows must not wait in memory."""
    out = sys.stdout
    if not as_json:

        def tell(told: Told) -> None:
            line, address, outcome, cause = told
            out.write(f"line {line:<7} {outcome:<11} {address}{f'  ({cause})' if cause else ''}\n")

        yield tell
        out.flush()
        return
    head = {"course": course, "dry_run": dry_run}
    out.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [')
    comma = ""

    def tell_json(told: Told) -> None:
        nonlocal comma
        row = dict(zip(("line", "email", "outcome", "cause"), told, strict=True))
        out.write(f"{comma}\n{json.dumps(row, ensure_ascii=False)}")
        comma = ","

    yield tell_json
    counts = {name: totals[name] for name in _MEANINGS}
    out.write(f'\n], "totals": {json.dumps(counts)}}}\n')
    out.flush()


def _in_words(totals: Counter[str]) -> str:
    return ", ".join(f"{totals[name]:,} {name}" for name in _MEANINGS if totals[name])


if TYPE_CHECKING:
    from collections.abc import Callable

    _Teller = Callable[[Told], None]
