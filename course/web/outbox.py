"""The demo's outbox: every mail as its reader would see it, and a button for the next morning.

Exists only in a demo whose mail goes to files. A mail is shown in a sandbox: it runs nothing
and is a stranger to this site.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from course.web.desk import LOOK, AtDesk, Desk
from scheduler.store import people

router = APIRouter(include_in_schema=False)

#: A page of its own inside the page: no scripts, no forms; links open outside of it.
CSP_SANDBOX = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; object-src 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox "
    "allow-top-navigation-by-user-activation"
)

_MOST = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@+=_.-]*\.eml")


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail in the list."""

    name: str
    to: str
    subject: str
    at: datetime
    timezone: str
    #: Mails carry whole seconds: this tells which of two was written first.
    written_ns: int


@router.api_route("/outbox", methods=LOOK)
def outbox(desk: AtDesk, did: str = "") -> Response:
    """All mails, newest first, and what the last press of the button did."""
    opened = desk.sealer.open("morning", did, within=timedelta(days=36_500)) if did else None
    letters = _letters(desk)
    return desk.pages.page(
        "web/outbox.html",
        letters=letters,
        now=desk.school.clock.now(),
        # Whoever tries this out reads their own mail: their clock is the one to show.
        timezone=letters[0].timezone if letters else _home_zone(desk),
        morning=None
        if opened is None
        else {
            "began_at": datetime.fromtimestamp(opened.value[0], UTC),
            "ended_at": datetime.fromtimestamp(opened.value[1], UTC),
            "sent": int(opened.value[2]),
        },
        most=_MOST,
    )


@router.post("/outbox/next-morning")
def next_morning(desk: AtDesk) -> Response:
    """Let time pass until everybody has had their next lesson."""
    if desk.school.next_morning is None:
        raise HTTPException(404)
    done = desk.school.next_morning()
    told = [done.began_at.timestamp(), done.ended_at.timestamp(), done.sent]
    return desk.pages.go(f"/outbox?did={desk.sealer.seal('morning', told)}")


@router.api_route("/outbox/{name}", methods=LOOK)
def letter(desk: AtDesk, name: str) -> Response:
    """One mail: HTML in a frame, text, source."""
    message = _read(_file(desk, name))
    text = message.get_body(("plain",))
    return desk.pages.page(
        "web/outbox_mail.html",
        name=name,
        letter=_letter(desk, name, message, {}),
        sender=str(message.get("From", "")),
        text=text.get_content() if text is not None else "",
        html=message.get_body(("html",)) is not None,
    )


@router.api_route("/outbox/{name}/html", methods=LOOK)
def as_html(desk: AtDesk, name: str) -> Response:
    """The HTML part by itself."""
    body = _read(_file(desk, name)).get_body(("html",))
    if body is None:
        raise HTTPException(404)
    html = body.get_content()
    # Links leave the frame: they are this site's own pages, which refuse to be framed.
    html = re.sub(r"(<head[^>]*>)", r'\1<base target="_top">', html, count=1)
    return HTMLResponse(html, headers={"content-security-policy": CSP_SANDBOX})


@router.api_route("/outbox/{name}/source", methods=LOOK)
def source(desk: AtDesk, name: str) -> Response:
    """The mail byte for byte."""
    return PlainTextResponse(_file(desk, name).read_bytes())


def _letters(desk: Desk) -> list[Letter]:
    folder = desk.school.settings.file.outbox
    if not folder.is_dir():
        return []
    # Their names begin with the date, so this is newest first.
    files = sorted(folder.glob("*.eml"), reverse=True)
    zones: dict[str, str] = {}
    found = [_letter(desk, file.name, _read(file), zones) for file in files[:_MOST]]
    return sorted(found, key=lambda one: (one.at, one.written_ns), reverse=True)


def _letter(desk: Desk, name: str, message: EmailMessage, zones: dict[str, str]) -> Letter:
    to = str(message.get("To", ""))
    if to not in zones:
        with desk.school.db.read() as tx:
            learner = people.find_learner(tx, _bare(to))
        zones[to] = learner.timezone if learner else "UTC"
    return Letter(
        name=name,
        to=_bare(to),
        subject=str(message.get("Subject", "")),
        at=_date(message),
        timezone=zones[to],
        written_ns=(desk.school.settings.file.outbox / name).stat().st_mtime_ns,
    )


def _bare(to: str) -> str:
    return to.rpartition("<")[2].rstrip(">").strip()


def _date(message: EmailMessage) -> datetime:
    try:
        at = parsedate_to_datetime(str(message.get("Date", "")))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _read(file: Path) -> EmailMessage:
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _file(desk: Desk, name: str) -> Path:
    file = desk.school.settings.file.outbox / name
    if not _NAME.fullmatch(name) or not file.is_file():
        raise HTTPException(404)
    return file


def _home_zone(desk: Desk) -> str:
    courses = list(desk.school.catalog.courses().values())
    return courses[0].syllabus.timezone if courses else "UTC"
