"""Builders of messages for provider tests."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from scheduler.domain.message import Message, Shared

_numbers = itertools.count(1)

SHARED = Shared(
    subject="The manager effect",
    text="Hello -mcd_name_t-, read on. Leave: -mcd_leave-",
    html="<html><body><p>Hello -mcd_name_h-, read on.</p></body></html>",
    from_addr="course@school.example",
    from_name="The School",
    reply_to="teacher@school.example",
    categories=("career-mobility",),
)


def raw_for(to: str, delivery_id: str, body: bytes = b"Read on.\r\n") -> bytes:
    """A whole small message, CRLF line ends."""
    head = (
        "Date: Mon, 05 Jan 2026 09:30:00 +0200\r\n"
        "From: The School <course@school.example>\r\n"
        f"To: {to}\r\n"
        "Subject: The manager effect\r\n"
        f"Message-ID: <{delivery_id}@school.example>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "\r\n"
    )
    return head.encode() + body


def letter(to: str = "", *, delivery_id: str = "", **changes: Any) -> Message:
    """A message in both forms, to `to` or to a learner of its own."""
    number = next(_numbers)
    delivery_id = delivery_id or f"{number:032x}"[::-1]
    to = to or f"learner{number}@example.org"
    values: dict[str, Any] = {
        "delivery_id": delivery_id,
        "to_addr": to,
        "envelope_from": f"bounces+{number}@school.example",
        "message_id": f"<{delivery_id}@school.example>",
        "version": "0" * 32,
        "raw": raw_for(to, delivery_id),
        "shared": SHARED,
        "substitutions": {"-mcd_name_t-": "Ada", "-mcd_name_h-": "Ada", "-mcd_leave-": "x"},
        "headers": {"List-Unsubscribe": "<https://school.example/leave/x>"},
    }
    return Message(**(values | changes))


def letters(count: int) -> list[Message]:
    return [letter() for _ in range(count)]


NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
