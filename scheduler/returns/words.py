"""Reads a failure out of what a server or a mail program said about it."""

from __future__ import annotations

import re

from scheduler.domain.provider import Fault
from scheduler.returns.returned import Failure
from scheduler.rules.bounces import (
    first_code,
    is_precise,
    most_precise,
    replied,
    replied_code,
    whose,
)

_LONGEST = 300
_KIND = re.compile(r"^[ \t]*(?:x-)?[\w-]{1,40}[ \t]{0,9};")
#: Mail programs call what they give up on by the name of the last thing that went wrong.
_GAVE_UP = re.compile(
    r"could not be delivered for|retry time(?:out)? (?:not reached|exceeded)"
    r"|(?:message|envelope) expired|giving up|been in the queue too long|after multiple retries"
    r"|retry timeout|cannot be reached",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """Somebody's words as one printable line of limited length."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 8 * _LONGEST])
    return " ".join(printable.split())[:_LONGEST]


def failure(recipient: str, *, status: str, words: str, context: str = "") -> Failure:
    """Whose fault it is that a mail did not reach `recipient`.

    `status` is the reporter's own code, `words` what was said about this recipient, `context`
    what else the report says, read only when the words leave the question open. What stays
    open is `MAILBOX`: it can be tried again, and costs nobody their place.
    """
    words = one_line(_KIND.sub("", words))
    said = replied_code(words)
    # The refusing server knows better than the program that reports its refusal.
    code = said if is_precise(said) else most_precise(status, words)
    fault = whose(status=code, reply=replied(words), words=words)
    if fault is None and context:
        context = one_line(context)
        code = code or first_code(context)
        fault = whose(status=code, reply=replied(words) or replied(context), words=context)
        words = one_line(f"{words} {context}") if fault else words or context
    if fault is Fault.ADDRESS and not said and _GAVE_UP.search(words):
        fault = Fault.MAILBOX
    return Failure(one_line(recipient), fault or Fault.MAILBOX, code, words)
