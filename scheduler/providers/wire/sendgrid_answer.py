"""Reads SendGrid's answer: taken, come back later, ours to mend, or nobody knows.

Pure. Success is exactly 202: a 200 is the sandbox, and any other friendly status comes from
something that is not SendGrid. Refuses to call 401 or 403 a learner's fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused, Uncertain
from scheduler.providers.wire.replies import one_line

#: The right that an erase job needs. SendGrid gives it on request to accounts of before July 2023.
MAY_ERASE = "recipients.erasejob.create"
#: No answer makes us wait longer than this for the next try.
LONGEST_WAIT = timedelta(hours=1)
_DEFAULT_WAIT = timedelta(minutes=1)
_PERSONALIZATION = re.compile(r"personalizations[.\[](\d{1,4})\b(.*)")
_OURS = re.compile(r"(from|reply_to|tracking_settings|mail_settings|asm|ip_pool)")
_SHARED = re.compile(rf"{_OURS.pattern}|(subject|content|categories|attachments)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One entry of a 400's `errors`."""

    #: Index into the request's personalizations; None: it concerns the shared part or nothing.
    index: int | None
    field: str
    detail: str

    @property
    def is_shared(self) -> bool:
        """Does it speak of what all learners of the request have in common?"""
        return _SHARED.match(self.field) is not None

    @property
    def fault(self) -> Fault:
        """Whose: the address, our sender, or the lesson."""
        if self.index is not None and re.search(r"[.\]](to|email)\b", self.field):
            return Fault.ADDRESS
        if _OURS.match(self.field):
            return Fault.CONFIG
        return Fault.CONTENT


def outcome(status: int, headers: Mapping[str, Any], body: bytes, now: datetime) -> Outcome:
    """What an answer other than 400 and 413 means for every message of the request.

    `now` is aware UTC; it serves only answers that name an instant.
    """
    detail = f"SendGrid: {status} {_first_words(body)}".rstrip()
    if status == 202:
        return Accepted(
            ref=one_line(str(headers.get("X-Message-Id") or "")), detail="SendGrid: 202"
        )
    if status == 200:
        return Deferred(
            f"{detail}. Validated, not sent: switch sandbox mode off, and check SENDGRID_API_URL",
            Fault.CONFIG,
        )
    if 200 <= status < 300:
        return Uncertain(f"{detail}: SendGrid answers 202, so this may be something else")
    if 300 <= status < 400:
        return Deferred(f"{detail}: a redirect, not followed. Check SENDGRID_API_URL", Fault.CONFIG)
    if status in (401, 403):
        return Deferred(
            f"{detail}. Check SENDGRID_API_KEY, its right to send mail, and the verified sender",
            Fault.CONFIG,
        )
    if status in (408, 429, 503):
        return Deferred(detail, Fault.TRANSPORT, wait(headers, now))
    if status in (400, 413):
        return Refused(detail, Fault.CONTENT)
    if status < 500:
        return Deferred(f"{detail}. Check SENDGRID_API_URL", Fault.CONFIG)
    return Uncertain(detail)


def still_kept(status: int, body: bytes) -> Deferred | None:
    """Why an erase job was not begun; None when it was."""
    detail = f"SendGrid: {status} {_first_words(body)}".rstrip()
    if 200 <= status < 300:
        return None if _has_job(body) else Deferred(f"{detail}: no job was begun", Fault.TRANSPORT)
    if status in (401, 403):
        return Deferred(
            f"{detail}. Give the key the right {MAY_ERASE}, or ask SendGrid's support to open it "
            "for your account",
            Fault.CONFIG,
        )
    return Deferred(detail, Fault.TRANSPORT)


def wait(headers: Mapping[str, Any], now: datetime) -> timedelta:
    """How long the answer asks us to stay away; a minute when it does not say."""
    asked = str(headers.get("Retry-After") or "").strip()
    until: datetime | None = None
    if asked.isdigit():
        return min(timedelta(seconds=int(asked[:6])), LONGEST_WAIT)
    if asked:
        until = _instant(asked)
    reset = str(headers.get("X-RateLimit-Reset") or "").strip()
    if until is None and reset.isdigit():
        until = datetime.fromtimestamp(int(reset[:11]), UTC)
    if until is None:
        return _DEFAULT_WAIT
    # Their clock, if they tell it, so that ours may be wrong.
    theirs = _instant(str(headers.get("Date") or "")) or now
    return min(max(until - theirs, timedelta(seconds=1)), LONGEST_WAIT)


def complaints(body: bytes) -> list[Complaint]:
    """The errors of a 400; empty when the body is not the documented JSON."""
    found = []
    for error in _errors(body):
        field = str(error.get("field") or "")
        match = _PERSONALIZATION.match(field)
        detail = one_line(f"SendGrid: 400 {error.get('message') or ''} ({field or 'no field'})")
        found.append(Complaint(int(match[1]) if match else None, field, detail))
    return found


def _first_words(body: bytes) -> str:
    errors = _errors(body)
    if errors:
        return one_line(str(errors[0].get("message") or ""))
    return one_line(body[:200])


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        errors = json.loads(body)["errors"]
        return [error for error in errors if isinstance(error, dict)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _has_job(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["job_id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
