"""`course bounces`: takes in mail that came back.

A mail is matched by the token in the address it was sent to, or by a Message-ID of ours that it
quotes; both carry a proof, so a made-up report changes nothing. Never matches by address alone.
"""

from __future__ import annotations

import hashlib
import mailbox
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from course.cli import opening, table
from scheduler.domain.events import EventKind, ProviderEvent
from scheduler.domain.provider import Fault
from scheduler.returns import Failure, Nature, Returned, read
from scheduler.store import ledger, people

if TYPE_CHECKING:
    from course.wiring import School
    from scheduler.domain.delivery import Delivery

SOURCE = "return mail"
#: A report says what it has to say in its first pages.
MOST_BYTES = 4 * 1024 * 1024

_KINDS = {
    Nature.BOUNCE: EventKind.BOUNCED,
    Nature.DELAY: EventKind.DEFERRED,
    Nature.COMPLAINT: EventKind.COMPLAINED,
}
_LEFT_ALONE = {
    Nature.AUTO_REPLY: "an automatic answer",
    Nature.OTHER: "not a report",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What one mail came to."""

    mail: str
    nature: str
    #: new, known, not ours, or left alone.
    outcome: str
    email: str = ""
    lesson: str = ""
    fault: str = ""
    words: str = ""


@click.command(short_help="Take in bounces and complaints that came back by mail.")
@click.argument("sources", nargs=-1, required=True, metavar="FILE|-|MAILDIR...")
@click.option("--dry-run", is_flag=True, help="Say what each mail is, change nothing.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON document.")
@click.pass_context
def bounces(ctx: click.Context, sources: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Take in bounces and complaints that came back by mail.

    A FILE holds one mail, or many in mbox form; - is stdin; of a MAILDIR the new mails are read
    and then kept as seen. Reading the same mail again changes nothing. What is no report, or not
    about a mail of this school, is left alone.
    """
    told: list[Told] = []
    with opening.school(ctx) as school:
        for source in sources:
            for name, raw, keep in _mails(source):
                told.append(_take_in(school, name, raw, dry_run))
                if not as_json:
                    _print(told[-1])
                if not dry_run:
                    keep()
    counts = Counter(one.outcome for one in told)
    if as_json:
        table.print_json(
            {"dry_run": dry_run, "counts": dict(counts), "mails": [asdict(one) for one in told]}
        )
    else:
        words = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        table.say(f"{table.counted(len(told), 'mail')}{': ' + words if words else ''}.")


def _take_in(school: School, name: str, raw: bytes, dry_run: bool) -> Told:
    returned = read(raw)
    kind = _KINDS.get(returned.nature)
    if kind is None:
        return Told(name, str(returned.nature), "left alone", words=_LEFT_ALONE[returned.nature])
    if returned.feedback in ("auth-failure", "not-spam"):
        return Told(name, str(returned.nature), "left alone", words=returned.feedback)
    delivery = _whose(school, returned)
    if delivery is None:
        words = returned.failures[0].words if returned.failures else ""
        return Told(name, str(returned.nature), "not ours", words=words)
    failure = _failure(returned, delivery)
    if returned.feedback == "opt-out":
        kind = EventKind.LEFT
    event = _event(returned, kind, delivery, failure, school.clock.now())
    outcome = "new"
    if not dry_run:
        counts = school.feedback.take_in([event], source=SOURCE)
        outcome = "new" if counts["new"] else "known"
    return Told(
        name,
        str(returned.nature),
        outcome,
        email=delivery.to_addr,
        lesson=delivery.key,
        fault=str(event.fault or ""),
        words=event.detail,
    )


def _whose(school: School, returned: Returned) -> Delivery | None:
    """The delivery this mail proves that it is about."""
    sender = school.settings.bounce_address
    found = None
    if sender is not None:
        tokens = (school.links.open_bounce(sender.address, to) for to in returned.sent_to)
        found = next(filter(None, tokens), None)
    if found is None:
        ids = (school.links.open_message_id(one) for one in returned.message_ids)
        found = next(filter(None, ids), None)
    if found is None:
        return None
    with school.db.read() as tx:
        return ledger.delivery(tx, found)


def _failure(returned: Returned, delivery: Delivery) -> Failure | None:
    """The failure of this very recipient, or else the first."""
    ours = people.address_key(delivery.to_addr)
    for failure in returned.failures:
        if failure.recipient and people.address_key(failure.recipient) == ours:
            return failure
    return returned.failures[0] if returned.failures else None


def _event(
    returned: Returned,
    kind: EventKind,
    delivery: Delivery,
    failure: Failure | None,
    now: datetime,
) -> ProviderEvent:
    fault = failure.fault if failure is not None else None
    if kind in (EventKind.BOUNCED, EventKind.DEFERRED) and fault is None:
        fault = Fault.MAILBOX
    if kind in (EventKind.COMPLAINED, EventKind.LEFT):
        fault = None
    elif fault is Fault.ADDRESS and failure is not None and failure.recipient:
        named = people.address_key(failure.recipient)
        if named != people.address_key(delivery.to_addr):
            # They have their mail sent on, and that other mailbox is gone: theirs is not.
            fault = Fault.MAILBOX
    return ProviderEvent(
        # Message-IDs of strangers may be long, or hold anything.
        id=f"mail:{hashlib.sha256(returned.id.encode('utf-8', 'replace')).hexdigest()}",
        kind=kind,
        delivery_id=delivery.id,
        at=min(returned.at or now, now),
        fault=fault,
        detail=failure.words if failure is not None else returned.feedback,
    )


def _print(told: Told) -> None:
    who = " ".join(filter(None, (told.email, told.lesson)))
    what = f"{told.nature}{f' ({told.fault})' if told.fault else ''}"
    click.echo("  ".join(filter(None, (told.mail, told.outcome, what, who, told.words))))


def _mails(source: str) -> Iterator[tuple[str, bytes, _Keep]]:
    """Each mail of a source, with what is to be done once it has been taken in."""
    if source == "-":
        raw = sys.stdin.buffer.read()
        if raw.startswith(b"From "):
            # A mail server may put such a line before the one mail it hands over.
            raw = raw.partition(b"\n")[2]
        yield "stdin", raw[:MOST_BYTES], _Keep()
        return
    path = Path(source)
    if (path / "new").is_dir():
        for file in sorted((path / "new").iterdir()):
            if file.is_file():
                yield file.name, _beginning(file), _Keep(file, path / "cur")
        return
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            if file.is_file() or not path.is_dir():
                yield from _from_file(file)
    except OSError as error:
        raise click.ClickException(
            f"{error.filename}: {error.strerror}; name a mail, an mbox or a Maildir"
        ) from None


def _from_file(file: Path) -> Iterator[tuple[str, bytes, _Keep]]:
    with file.open("rb") as opened:
        is_mbox = opened.read(5) == b"From "
    if is_mbox:
        box = mailbox.mbox(file, create=False)
        try:
            for n, key in enumerate(box.iterkeys(), 1):
                yield f"{file.name}:{n}", box.get_bytes(key)[:MOST_BYTES], _Keep()
        finally:
            box.close()
    else:
        yield file.name, _beginning(file), _Keep()


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES)


class _Keep:
    """Once taken in, a mail of a Maildir moves from `new` to `cur`, marked as seen."""

    def __init__(self, file: Path | None = None, cur: Path | None = None) -> None:
        self._file, self._cur = file, cur

    def __call__(self) -> None:
        if self._file is not None and self._cur is not None:
            self._cur.mkdir(exist_ok=True)
            self._file.replace(self._cur / f"{self._file.name}:2,S")
