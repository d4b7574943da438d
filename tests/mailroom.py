"""Builders for mails: a small course with everything in it, a composer, claimed deliveries."""

from __future__ import annotations

import email
import email.policy
import re
import secrets
import shutil
from datetime import UTC, datetime, time
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from course.catalog import Catalog
from course.compose import CourseComposer, Sender
from course.links import Links
from course.mail.document import NOTICES
from course.source.names import parse_name
from scheduler.domain.delivery import Claimed, Delivery, DeliveryKind, DeliveryState
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Learner
from scheduler.domain.message import Message, Unfit
from scheduler.domain.syllabus import Cadence

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
#: The course that comes with the program.
SHIPPED = ROOT / "lessons" / "career-mobility"
BASE = "https://course.example.org"
MORNING = datetime(2026, 11, 23, 6, 30, 5, tzinfo=UTC)
SENDER = Sender(
    "course@example.org",
    "Gärten & Co",
    "people@example.org",
    "Example Growers",
    "12 Market Street, Springfield 12345, USA",
)

COURSE = """\
title: A Garden in Three Days
language: en
credits: Facts from the seed packet.
reply_to_note: Rosa reads every reply.
cadence: {every_days: 1, days: daily, hour: "07:00"}
"""

FULL = """\
---
title: The first *bed*
subject: Day 1 · Dig, {{ learner.first_name or "friend" }}
preheader: Where to dig, how deep, and the one tool that you really need today.
idea: Soil first. **Plants** follow.
recall:
  ask: What did you decide yesterday?
  answer: To begin.
action:
  do: "**Dig** one square metre."
  minutes: 5
  plan: If it rains, then I read.
checklist:
  - for: All
    do: "**Water** it."
    minutes: 2
  - for: Gardener
    do: Sharpen the spade.
    later: true
resources:
  - kind: video
    title: Digging & delving
    by: Ada Spade
    url: https://example.com/watch?v=1&t=2
    minutes: 4
    core: true
    transcript: https://example.com/watch/transcript
    why: Short.
  - kind: article
    title: Deep roots
    by: B. Root
    url: https://example.com/roots
    minutes: 9
quiz:
  - ask: How deep?
    options: [a hand, a spade, a house]
    answer: 2
    why: Roots go as deep as the loose soil.
quiz_minutes: 1
short: Dig a little.
reply: Reply with one word.
tomorrow: Tomorrow you sow.
sources:
  - text: The seed packet, 2020
    url: https://example.com/packet
  - text: A neighbour
---

Hello {{ learner.first_name or "there" }}, welcome to {{ course.title }}.
A **name** {% if learner.first_name %}suits you, {{ learner.first_name }}{% else %}is not
needed{% endif %}.

## Where

1. Sun, at least six hours
2. Water near by

    A second paragraph of the second point.

> A garden is a friend.

| plant | weeks |
| --- | ---: |
| radish | 4 |
| leek | 20 |

```python
def dig(depth):
    return {"bed": depth}   # not a hole: {{ learner.first_name }}
```

> [!NOTE]
> Mind the worms.

- [ ] gloves
- [x] spade

Read [the book](https://example.com/book?for={{ learner.first_name }}&x=1) or
[your page]({{ url.learn }}). You get this {{ learner.days }} at {{ learner.hour }}.

.a line that begins with a dot

From the house to the bed it is not far.
"""

PLAIN = "# Sow\n\nPut the seeds in a row, one finger apart, and cover them.\n\n- water\n- wait\n"

THIRD = """\
---
title: Größe und Ähre, 日本語 — “quotes”
---
Ünïcödé all over: 日本語, emoji 🌱, and a very long line of ordinary words that goes on and on so
that it has to be broken somewhere by the encoding and not by the author, who does not care at all.
"""

WELCOME = """\
---
title: Welcome
subject: You are in
---
Hello {{ learner.first_name or "there" }}, it comes {{ learner.days }} at {{ learner.hour }}.
[Your hour]({{ url.manage }}).
"""


def _shipped(pattern: str, before: str = "") -> list[str]:
    files = sorted(SHIPPED.glob(pattern))
    return [f"{SHIPPED.name}/{before}{parse_name(file.name).slug}" for file in files]


#: Every mail there is: each template, and each lesson and letter of the course that comes with
#: the program. `claimed` knows whose key it is by the course before the slash.
LESSONS = ["bed", "sow", "grow", *_shipped("[0-9]*.md")]
LETTERS = ["@welcome", "@completed", *_shipped("[a-z]*.md", "@")]
#: With a short version, without one, and with nothing but a title; the second offers a break.
NUDGES = [
    "@nudge:bed", "@nudge-2:bed", "@nudge:sow",
    f"{SHIPPED.name}/@nudge:open-the-inside-market", f"{SHIPPED.name}/@nudge-2:the-manager-effect",
]  # fmt: skip
COURSE_MAIL = [*LESSONS, *LETTERS, *NUDGES]
NOTICE_MAIL = list(NOTICES)
EVERY_MAIL = [*COURSE_MAIL, *NOTICE_MAIL]


def plant(folder: Path, **files: str) -> Catalog:
    """A catalog with the course `garden`; `files` replace or add files (name without .md)."""
    garden = folder / "lessons" / "garden"
    garden.mkdir(parents=True)
    content = {
        "1-bed": FULL, "2-sow": PLAIN, "3-grow": THIRD, "welcome": WELCOME,
        "completed": "---\ntitle: Done\n---\nThat was it.\n",
    } | {name.replace("__", "-"): text for name, text in files.items()}  # fmt: skip
    (garden / "course.yaml").write_text(content.pop("course", COURSE), encoding="utf-8")
    for name, text in content.items():
        (garden / f"{name}.md").write_text(text, encoding="utf-8")
    return Catalog(folder / "lessons")


def whole_school(folder: Path) -> Catalog:
    """The garden and the course that comes with the program."""
    catalog = plant(folder)
    shutil.copytree(SHIPPED, folder / "lessons" / SHIPPED.name)
    catalog.refresh()
    return catalog


def composer(
    catalog: Catalog, form: Literal["raw", "parts"] = "raw", *, base: str = BASE, **sender: Any
) -> CourseComposer:
    values = {name: getattr(SENDER, name) for name in SENDER.__dataclass_fields__} | sender
    links = Links(base, ["a key"], lambda: MORNING)
    return CourseComposer(catalog, links, Sender(**values), TEMPLATES, form)


def claimed(
    key: str = "bed",
    *,
    name: str = "Ada",
    address: str = "ada@example.com",
    course: str = "garden",
    number: int = 7,
    delivery_id: str = "",
    message_id: str = "",
    cadence: Cadence | None = None,
) -> Claimed:
    course, _, key = key.rpartition("/") if "/" in key else (course, "", key)
    kind = DeliveryKind.LETTER if key.startswith("@") else DeliveryKind.LESSON
    return Claimed(
        Delivery(
            delivery_id or secrets.token_hex(16), number, 1, kind, key, address,
            DeliveryState.CLAIMED, 1, MORNING, MORNING, MORNING, message_id=message_id,
        ),
        Enrollment(
            number, number, course, 1, EnrollmentState.ACTIVE, "", "Europe/Berlin",
            cadence or Cadence(time(7, 0)), MORNING,
        ),
        Learner(number, address, name, "Europe/Berlin", "en"),
    )  # fmt: skip


def composed(composer: CourseComposer, one: Claimed) -> Message:
    (answer,) = composer.compose([one])
    assert not isinstance(answer, Unfit), answer.reason
    return answer


def parsed(message: Message | bytes) -> EmailMessage:
    """The mail as a mail program understands it; to be looked at, not to be changed."""
    return _parsed(message if isinstance(message, bytes) else message.raw)


@lru_cache(maxsize=50)
def _parsed(raw: bytes) -> EmailMessage:
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def body(message: Message | bytes, kind: Literal["plain", "html"]) -> str:
    part = parsed(message).get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def header_lines(message: Message | bytes) -> list[bytes]:
    raw = message if isinstance(message, bytes) else message.raw
    return raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n")


def header_names(message: Message | bytes) -> list[str]:
    return [
        line.split(b":")[0].decode() for line in header_lines(message) if line[:1] not in b" \t"
    ]


def links_in(html: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', html)
