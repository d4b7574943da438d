"""Draws the parts of docs/ that the code already says: glossary and states.

Run `python -m tests.house.drawings` after a change; the tests beside it compare.
"""

from __future__ import annotations

import ast
import inspect
import re
from enum import StrEnum
from pathlib import Path

from scheduler.domain import delivery, enrollment, events, provider, syllabus
from scheduler.domain.delivery import MOVES
from scheduler.domain.enrollment import EnrollmentState
from scheduler.rules import pace
from scheduler.rules.progress import TRANSITIONS

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY, STATES = ROOT / "docs" / "glossary.md", ROOT / "docs" / "states.md"

#: The words people use, in the order in which a newcomer meets them.
WORDS = {
    "course": "one folder in `lessons/`; finite and ordered",
    "lesson": "one numbered `.md`; identified by its key (the slug without the number)",
    "letter": "any mail that is not a lesson: confirm, links, welcome, completed, follow-up, "
    "and three about a change of address",
    "nudge": "a letter after two days with no lesson and no sign of the learner: the short version "
    "of the latest lesson; at most two in a round",
    "catalog": "all courses found",
    "syllabus": "the ordered lesson keys plus a cadence: all the scheduler knows of a course",
    "learner": "a person: address, name, time zone, language, consent",
    "consent": "what was agreed, when, where, in which wording; kept after leaving",
    "enrollment": "one person's run through one course",
    "round": "a run counted from 1; restarting begins a new round and keeps the old one",
    "cadence": "days between lessons, allowed weekdays, local hour",
    "slot": "the local date and hour at which a learner's next lesson falls",
    "due": "the slot has passed and nothing is owed for it yet",
    "message": "a finished email, ready for any provider",
    "delivery": "one message owed to one person; unique per enrollment, round and key",
    "attempt": "one hand-over to a provider",
    "outcome": "what the provider answered: accepted, deferred, refused, uncertain",
    "provider": "sends; one file: the local outbox, an SMTP relay, an email API",
    "accepted": "the provider took the message",
    "delivered": "the receiving server took it; known only if an event says so",
    "suppression": "a do-not-send entry for an address, checked at the moment of sending",
    "claim": "a worker's time-limited right to one delivery",
    "suspect": "a delivery over which a worker went silent; it is claimed alone from then on",
    "bucket": "how many mails may leave now, filled at a rate; one a provider, one a domain",
    "breaker": "rests a provider that fails, and lets one mail try whether it is back",
    "hold": "a reason to send nothing at all until a person has looked and said `course adopt`",
    "tick": "what a learner marked in a lesson: its one action, or a checklist item",
    "note": "what a learner wrote for themselves on their own page",
    "done": "the learner said “I did it” for a lesson",
    "deeds": "what a learner was sent and has done in one round",
    "finished": "the last lesson was sent, and the action of every lesson sent is done",
    "certificate": "a public page that says who finished a course, by doing what, and when",
    "leave": "withdraw from one course; “leave everything” suppresses the address",
    "admin, author, operator": "runs the school, writes lessons, runs the machine",
}

ENUMS = {
    "Enrollment states": enrollment.EnrollmentState,
    "Why an enrollment was stopped": enrollment.StopReason,
    "What can happen to an enrollment": enrollment.EnrollmentEvent,
    "Delivery states": delivery.DeliveryState,
    "Kinds of delivery": delivery.DeliveryKind,
    "Readiness of a lesson": syllabus.Readiness,
    "Whose fault a refusal or delay is": provider.Fault,
    "What a provider reports later": events.EventKind,
    "Whether a provider is used": pace.BreakerState,
}


def meanings(enum: type[StrEnum]) -> dict[str, str]:
    """Each member's value and the comment in the line above it."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in inspect.getsource(enum).splitlines():
        line = line.strip()
        if line.startswith("#: "):
            comment.append(line[3:])
        elif member := re.fullmatch(r'[A-Z_]+ = "([a-z_]+)"', line):
            found[member[1]] = " ".join(comment)
            comment = []
    return found


def glossary() -> str:
    lines = ["# Glossary", "", "One word per thing, in code, database, pages and docs.", ""]
    lines += ["| word | meaning |", "| --- | --- |"]
    lines += [f"| {word} | {meaning} |" for word, meaning in WORDS.items()]
    for title, enum in ENUMS.items():
        lines += ["", f"## {title}", "", "| name | meaning |", "| --- | --- |"]
        lines += [f"| `{name}` | {meaning} |" for name, meaning in meanings(enum).items()]
    return "\n".join(lines) + "\n"


def states() -> str:
    enrollment_arrows = [
        f"    {start} --> {end}: {event}" for (start, event), (end, _) in TRANSITIONS.items()
    ]
    enrollment_arrows += [
        f"    {EnrollmentState.STOPPED} --> {target}: rejoined"
        for target in (
            EnrollmentState.PENDING,
            EnrollmentState.ACTIVE,
            EnrollmentState.COMPLETED,
        )
    ]
    delivery_arrows = [
        f"    {start} --> {end}" for start, ends in MOVES.items() for end in sorted(ends)
    ]
    return "\n".join(
        [
            "# States",
            "",
            "Drawn from the tables in `scheduler/rules/progress.py` and",
            "`scheduler/domain/delivery.py`; a test keeps this page true.",
            "",
            "## Enrollment",
            "",
            "```mermaid",
            "stateDiagram-v2",
            f"    [*] --> {EnrollmentState.PENDING}: signed up",
            f"    [*] --> {EnrollmentState.ACTIVE}: enrolled with consent",
            *enrollment_arrows,
            "```",
            "",
            "Undo of leaving (`rejoined`) goes back to where the learner was.",
            "",
            "## Delivery",
            "",
            "```mermaid",
            "stateDiagram-v2",
            "    [*] --> due: owed",
            "    [*] --> skipped: passed over",
            *delivery_arrows,
            "```",
            "",
            "`sending` is never blindly sent again: silence makes it `uncertain`, and only",
            "evidence or the course's policy moves it on.",
            "",
        ]
    )


#: Folders whose every file is worth a line in the README; others get one line of their own.
ROOMS = ("course", "scheduler")


def job(file: Path) -> str:
    """The first sentence of a module's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    first = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=[a-z\)`\"])\.(?:\s|$)", first)[0].rstrip(".")


def tree() -> str:
    """Every room with its door sign, taken from the docstrings."""
    lines = ["```"]
    for room in ROOMS:
        folder = ROOT / room
        lines.append(f"{room}/")
        doors = [
            (f"{path.name}/", path / "__init__.py")
            for path in sorted(folder.iterdir())
            if (path / "__init__.py").exists()
        ]
        doors += [
            (path.name, path)
            for path in sorted(folder.glob("*.py"))
            if path.name not in ("__init__.py", "__main__.py")
        ]
        for name, file in sorted(doors, key=lambda door: door[0].endswith("/")):
            sign = job(file)
            sign = sign[0].lower() + sign[1:] if sign[:2].istitle() or sign[1:2].islower() else sign
            lines.append(f"  {name:<16} {sign}")
    return "\n".join([*lines, "```"])


def write_tree() -> None:
    """Put the tree between its marks in the README."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    begin, end = "<!-- tree: checked by tests/house -->", "<!-- /tree -->"
    before, after = text.split(begin)[0], text.split(end)[1]
    readme.write_text(f"{before}{begin}\n{tree()}\n{end}{after}", "utf-8")


if __name__ == "__main__":
    write_tree()
    GLOSSARY.write_text(glossary(), "utf-8")
    STATES.write_text(states(), "utf-8")
