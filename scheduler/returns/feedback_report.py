"""Recognises complaints: ARF (RFC 5965) and the forms some providers use instead.

Refuses to call "this is not spam" a complaint.
"""

from __future__ import annotations

import re

from scheduler.returns.opening import Opened

_TYPE = re.compile(
    r"^feedback-type[ \t]{0,9}:[ \t]{0,9}([\w-]{1,40})", re.IGNORECASE | re.MULTILINE
)
#: Microsoft's reports of pressed buttons: the mail itself, and in it who pressed.
_REPORTER = re.compile(r"^x-hmxmroriginalrecipient[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE)


def complaint(mail: Opened) -> str | None:
    """What is complained of ("abuse", "opt-out", …); None when this is no complaint."""
    found = _feedback_type(mail)
    if found is not None:
        return None if found == "not-spam" else found
    if mail.header("subject").lower().startswith("complaint about message") and (
        mail.returned or any(_REPORTER.search(text) for text in mail.texts)
    ):
        return "abuse"
    if any(_REPORTER.search(block) for block in mail.returned):
        return "abuse"
    # Written by a mail program when somebody presses its "unsubscribe".
    if mail.header("x-apple-unsubscribe").lower() == "true":
        return "opt-out"
    return None


def _feedback_type(mail: Opened) -> str | None:
    is_report = mail.report == "feedback-report" or bool(mail.feedback)
    if not is_report:
        return None
    for text in (*mail.feedback, *mail.texts):
        found = _TYPE.search(text)
        if found:
            return found[1].lower()
    return "abuse"
