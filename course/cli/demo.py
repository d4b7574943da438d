"""`course demo`: a whole course in seconds, for sample learners around the world.

Its own database and its own clock; the only thing left behind is a folder of .eml files.
"""

from __future__ import annotations

import tempfile
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from course.cli import doors, opening, table
from course.cli.operate import as_json_option
from scheduler.clock import FixedClock, RealClock
from scheduler.domain.delivery import WELCOME, Delivery, DeliveryKind, DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.learner import Consent
from scheduler.domain.syllabus import EVERY_DAY
from scheduler.enrolling import NewPerson
from scheduler.zones import zone

if TYPE_CHECKING:
    from course.config import Settings
    from course.wiring import School

SAMPLE = (
    NewPerson("ana@example.org", "Ana", "America/Sao_Paulo", time(7), EVERY_DAY, "pt-BR"),
    NewPerson("zoe@example.org", "Zoë", "Asia/Kolkata", time(7, 30), EVERY_DAY, "en"),
    NewPerson("kenji@example.org", "Kenji", "Asia/Tokyo", time(6), EVERY_DAY, "ja"),
    NewPerson("amara@example.org", "Amara", "Africa/Lagos", time(18), EVERY_DAY, "en"),
    NewPerson("liam@example.org", "", "America/Los_Angeles", time(8, 15), EVERY_DAY, "en"),
    NewPerson("mette@example.org", "Mette", "Europe/Copenhagen", time(7), EVERY_DAY, "da"),
)

#: Marks a folder whose .eml files a demo wrote and may replace.
MARKER = ".written-by-course-demo"


@click.command(short_help="Play five days in seconds, with sample learners.")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--course", metavar="KEY", help="Which course; needed when there are several.")
@as_json_option
@click.pass_context
def demo(ctx: click.Context, folder: Path | None, course: str | None, as_json: bool) -> None:
    """Play five days in seconds: sample learners in many time zones, .eml files in DIR (default
    var/demo beside the config). Nothing leaves this machine."""
    from course import log, wiring

    settings = opening.settings(ctx, delivery="file")
    outbox = (folder or settings.var / "demo").resolve()
    _clear(outbox)
    log.set_up(settings.log.model_copy(update={"level": "WARNING"}))
    with tempfile.TemporaryDirectory(prefix="course-demo-") as scratch:
        clock = FixedClock(RealClock().now().replace(second=0, microsecond=0))
        school = wiring.build(_apart(settings, outbox, Path(scratch)), clock=clock)
        try:
            key = opening.one_course(school.catalog, course).key
            failed = _play(school, clock, key)
            rows = _told(school, key)
        finally:
            school.close()
    written = len(list(outbox.rglob("*.eml")))
    unfinished = [row for row in rows if row["state"] != EnrollmentState.COMPLETED]
    if as_json:
        table.print_json({"folder": outbox, "mails": written, "failed": failed, "learners": rows})
    else:
        _print(rows)
        click.echo(f"\n{table.counted(written, 'mail')} in {outbox}")
    for row in unfinished:
        table.say(f"{row['email']} did not finish: look at `course check`.")
    ctx.exit(doors.SOME_FAILED if failed else doors.FAILED if unfinished else 0)


def _apart(settings: Settings, outbox: Path, scratch: Path) -> Settings:
    """The same school with a database, a key and an outbox of the demo's own."""
    return settings.model_copy(
        update={
            "database_url": f"sqlite:///{scratch / 'demo.db'}",
            "secret_key": ("a demo needs no secret",),
            "file": settings.file.model_copy(update={"outbox": outbox}),
        }
    )


def _clear(outbox: Path) -> None:
    """Remove what an earlier demo wrote; refuse to touch anybody else's mails."""
    outbox.mkdir(parents=True, exist_ok=True)
    marker = outbox / MARKER
    before = list(outbox.rglob("*.eml"))
    if before and not marker.exists():
        raise click.ClickException(
            f"{outbox} holds .eml files that no demo wrote. Name another folder: course demo DIR"
        )
    for mail in before:
        mail.unlink()
    marker.write_text("Mails here were written by `course demo` and may be replaced by it.\n")


def _play(school: School, clock: FixedClock, course: str) -> int:
    """Enroll everybody, then step from one due instant to the next; returns failed deliveries."""
    from scheduler.store import reports

    consent = Consent("import", "sample learners of a demo", "course demo", clock.now())
    school.enrolling.enroll(course, SAMPLE, consent=consent, welcome=True)
    failed = school.dispatcher.run_due().failed
    syllabus = school.catalog.syllabus(course)
    assert syllabus is not None
    # A draft keeps learners waiting for ever: stop when everybody could have finished.
    days = (len(syllabus.lessons) + 2) * max(syllabus.cadence.every_days, 1)
    last = clock.now() + timedelta(days=days)
    while True:
        with school.db.read() as tx:
            instant = reports.next_due_at(tx)
        if instant is None or instant > last:
            return failed
        clock.advance(max(instant - clock.now(), timedelta()))
        failed += school.dispatcher.run_due().failed


def _told(school: School, course: str) -> list[dict[str, Any]]:
    """What each sample learner got, in their own time."""
    from scheduler.store import ledger, people

    told = []
    with school.db.read() as tx:
        for person in SAMPLE:
            learner = people.find_learner(tx, person.address)
            assert learner is not None
            run = people.latest_enrollment(tx, learner.id, course)
            assert run is not None
            sent = [
                delivery
                for delivery in ledger.deliveries_of(tx, run.id)
                if delivery.state is DeliveryState.ACCEPTED
            ]
            told.append(
                {
                    "email": learner.address,
                    "first_name": learner.first_name,
                    "timezone": run.timezone,
                    "state": str(run.state),
                    "mails": [
                        {"key": d.key, "kind": str(d.kind), "local": _local(d, run.timezone)}
                        for d in sorted(sent, key=_order)
                    ],
                }
            )
    return told


def _at(delivery: Delivery) -> datetime:
    return delivery.sending_at or delivery.settled_at or delivery.created_at


def _order(delivery: Delivery) -> tuple[datetime, int]:
    # On a clock that stands still the welcome may leave at the instant of the first lesson, and
    # the letter at the end does at that of the last.
    if delivery.kind is DeliveryKind.LESSON:
        return _at(delivery), 1
    return _at(delivery), 0 if delivery.key == WELCOME else 2


def _local(delivery: Delivery, timezone: str) -> datetime:
    return _at(delivery).astimezone(zone(timezone))


def _print(rows: list[dict[str, Any]]) -> None:
    lessons = max(sum(mail["kind"] == DeliveryKind.LESSON for mail in row["mails"]) for row in rows)
    head = ["learner", "timezone", "welcome", *(f"lesson {n + 1}" for n in range(lessons)), "state"]
    body = []
    for row in rows:
        at = {mail["key"]: f"{mail['local']:%a %d %b %H:%M}" for mail in row["mails"]}
        days = [at[mail["key"]] for mail in row["mails"] if mail["kind"] == DeliveryKind.LESSON]
        days += ["-"] * (lessons - len(days))
        name = row["first_name"] or row["email"]
        body.append([name, row["timezone"], at.get("@welcome", "-"), *days, row["state"]])
    table.print_table(head, body)
