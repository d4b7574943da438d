"""Reads delivery status notifications (RFC 3464, RFC 6533), field by field, for each recipient.

Reads them too where the fields stand in a plain text, as broken gateways leave them. A group
that says "delivered" is no failure, and "delayed" is none yet.
"""

from __future__ import annotations

import re

from scheduler.returns.addresses import addresses
from scheduler.returns.opening import Opened
from scheduler.returns.prose import Report, recipients, report_of
from scheduler.returns.returned import Failure, Nature
from scheduler.returns.words import failure
from scheduler.rules.bounces import first_code

_MOST_RECIPIENTS = 200
_FIELD = re.compile(r"[ \t]{0,9}([A-Za-z][\w-]{1,60})[ \t]{0,9}:(.*)", re.DOTALL)
_MARK = re.compile(
    r"^[ \t]{0,9}(?:final|original)-recipient[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE
)
#: A second one of these begins the next recipient, even where the blank line is missing.
_BEGINS = frozenset({"original-recipient", "final-recipient", "action", "status"})
_WHO = ("original-recipient", "final-recipient", "x-actual-recipient")

Fields = dict[str, str]


def read_status(mail: Opened) -> tuple[Nature, tuple[Failure, ...]] | None:
    """What the status fields of a mail say; None when it has none, or none that say anything."""
    sources = mail.status or tuple(text for text in mail.texts if _MARK.search(text))
    groups = [group for text in sources for group in _groups(text)][:_MOST_RECIPIENTS]
    by_action: dict[str, list[Fields]] = {}
    for group in groups:
        by_action.setdefault(_action(group), []).append(group)
    for action, nature in (("failed", Nature.BOUNCE), ("delayed", Nature.DELAY)):
        if action in by_action:
            return nature, _failures(mail, by_action[action])
    return (Nature.OTHER, ()) if "delivered" in by_action else None


def _failures(mail: Opened, groups: list[Fields]) -> tuple[Failure, ...]:
    report = report_of(mail)
    told = _told(mail, report)
    failures = []
    for group in groups:
        one = _recipient(group)
        words = told.get(one.lower(), "") or (" ".join(told.values()) if len(groups) == 1 else "")
        failures.append(
            failure(
                one,
                status=first_code(group.get("status", "")),
                words=group.get("diagnostic-code", "") or words,
                context=words or (report.text if len(groups) == 1 else ""),
            )
        )
    return tuple(failures)


def _told(mail: Opened, report: Report) -> dict[str, str]:
    return {one.lower(): words for one, words in recipients(mail, report)}


def _groups(text: str) -> list[Fields]:
    """The groups of fields that speak of one recipient each."""
    groups: list[Fields] = []
    group: Fields = {}
    last = ""
    for line in [*text.split("\n"), ""]:
        field = _FIELD.fullmatch(line)
        if not line.strip():
            if any(name in group for name in _WHO):
                groups.append(group)
                group = {}
            last = ""
        elif line[0] in " \t" and last and not (field and field[1].lower() in _BEGINS):
            group[last] = f"{group[last]} {line.strip()}"[:4000]
        elif field:
            last = field[1].lower()
            if last in group and last in _BEGINS:
                groups.append(group)
                group = {}
            group.setdefault(last, field[2].strip())
        else:
            last = ""
    if "action" in group or "status" in group:
        groups.append(group)
    return groups


def _recipient(group: Fields) -> str:
    for name in _WHO:
        value = group.get(name, "")
        found = addresses(value.partition(";")[2] or value)
        if found:
            return found[0]
    value = group.get("final-recipient", "")
    return (value.partition(";")[2] or value).strip()


def _action(group: Fields) -> str:
    """failed, delayed, delivered (relayed and expanded too), or "" when it does not say."""
    action = group.get("action", "").lower()
    if action.startswith(("fail", "error")):
        return "failed"
    if action.startswith("delay"):
        return "delayed"
    if action.startswith(("deliver", "relay", "expand")):
        return "delivered"
    status = group.get("status", "").lstrip()[:2]
    return {"5.": "failed", "4.": "delayed", "2.": "delivered"}.get(status, "")
