"""Finds what identifies a mail or a mailbox in headers and texts: addresses, Message-IDs.

Knows no quoted local parts and no comments: it looks for addresses as machines write them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scheduler.returns.opening import Opened

_MOST = 50

ADDRESS = re.compile(r"[^\s<>()\[\]\",;:@\\|]{1,64}@\w[\w.-]{0,250}")
#: Where a mail says whom it was delivered to; the first are what the last hop wrote.
_SENT_TO = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "x-rcpt-to",
    "x-apparently-to",
    "apparently-to",
    "x-forwarded-to",
    "resent-to",
    "to",
    "cc",
)
_FOR = re.compile(r"\bfor <?([^\s<>()\[\]\",;:@\\]{1,64}@\w[\w.-]{0,250})")
_MESSAGE_ID = re.compile(
    r"^[ \t>|]{0,20}(?:x-)?(?:original-)?message-id[ \t]{0,9}:\s{0,20}<?([^<>\s]{3,250})",
    re.IGNORECASE | re.MULTILINE,
)
_BRACKETED = re.compile(r"<([^<>\s]{3,250})>")
_OWN_ID = re.compile(r"<[!-;=?-~]{3,250}>")


def addresses(text: str) -> list[str]:
    """The addresses in a text, in order, without the full stop of the sentence around them."""
    if "@" not in text:
        return []
    found = (one.strip("'`*").rstrip(".-_") for one in ADDRESS.findall(text))
    return [one for one in found if not one.startswith("@") and not one.endswith("@")]


def sent_to(mail: Opened) -> tuple[str, ...]:
    """Every address this mail was sent to, as its own headers tell."""
    found: list[str] = []
    for name in _SENT_TO:
        for value in mail.all(name):
            found += addresses(value)
    for value in mail.all("received"):
        found += _FOR.findall(value)
    return _once(found)


def message_ids(mail: Opened) -> tuple[str, ...]:
    """Message-IDs of the mail this one speaks of."""
    found: list[str] = []
    for text in (*mail.returned, *mail.status, *mail.feedback, *mail.texts):
        found += [one for one in _MESSAGE_ID.findall(text)[:_MOST] if "@" in one]
    for value in mail.all("x-original-message-id", "in-reply-to", "references"):
        found += _BRACKETED.findall(value)
    own = mail.header("message-id").strip("<> ")
    return _once(f"<{one}>" for one in found if one != own)


def own_id(mail: Opened, raw: bytes) -> str:
    """Tells one report from another: its Message-ID, or a hash when it has no usable one."""
    given = mail.header("message-id")
    return given if _OWN_ID.fullmatch(given) else hashlib.sha256(raw).hexdigest()


def written_at(mail: Opened) -> datetime | None:
    """The Date of the mail in UTC, if it has one that is a date."""
    try:
        date = parsedate_to_datetime(mail.header("date"))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:_MOST]
