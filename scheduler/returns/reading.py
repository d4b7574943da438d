"""Says what a mail that came to the return address is. Never raises, whatever it is given."""

from __future__ import annotations

from scheduler.returns.addresses import message_ids, own_id, sent_to, written_at
from scheduler.returns.auto_reply import is_auto_reply
from scheduler.returns.dsn import read_status
from scheduler.returns.feedback_report import complaint
from scheduler.returns.opening import Opened, open_mail
from scheduler.returns.prose import read_prose
from scheduler.returns.returned import Failure, Nature, Returned


def read(raw: bytes) -> Returned:
    """Read one mail, as it was stored or handed over."""
    mail = open_mail(raw)
    feedback = complaint(mail)
    nature, failures = _read(mail) if feedback is None else (Nature.COMPLAINT, ())
    return Returned(
        nature=nature,
        failures=failures,
        sent_to=sent_to(mail),
        message_ids=message_ids(mail),
        id=own_id(mail, raw),
        at=written_at(mail),
        feedback=feedback or "",
    )


def _read(mail: Opened) -> tuple[Nature, tuple[Failure, ...]]:
    # Bounces first: exim and others mark theirs as automatic answers too.
    report = read_status(mail) or read_prose(mail)
    if report is not None:
        return report
    return (Nature.AUTO_REPLY if is_auto_reply(mail) else Nature.OTHER), ()
