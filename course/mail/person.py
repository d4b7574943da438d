"""Says what a learner's values are: name, pace and signed links, as text for the holes.

It refuses to escape: where a value stands decides that. Control characters are gone, however.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from course.finish import tasks_of
from course.language import ENGLISH, Language
from course.links import Links
from course.mail.deeds import sample_deeds
from course.mail.mime import clean
from course.pace_words import say_days
from scheduler.domain.delivery import (
    Claimed,
    Delivery,
    DeliveryKind,
    DeliveryState,
    tells_deeds,
)
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Learner
from scheduler.domain.syllabus import EVERY_DAY, Cadence

if TYPE_CHECKING:
    from course.catalog import Course

#: Who previews are written to.
SAMPLE = Learner(0, "ada@example.org", "Ada", "Europe/London", "en")
_MAX_NAME = 60


def values_of(
    names: Iterable[str], claimed: Claimed, links: Links, language: Language = ENGLISH
) -> dict[str, str]:
    """The named values of one learner, and no others: every link costs a signature.

    `language` is the one the mail is written in.
    """
    return {
        name: said(claimed, language)
        if (said := _SAID.get(name))
        else _VALUES[name](claimed, links)
        for name in names
    }


@lru_cache(maxsize=10_000)
def first_name(name: str) -> str:
    """One line of at most 60 characters."""
    return clean(name)[:_MAX_NAME].rstrip()


@lru_cache(maxsize=1_000)
def days_in_words(cadence: Cadence, language: Language) -> str:
    """`every day`, `Monday to Friday`, `every 3 days`."""
    days = say_days(cadence.weekdays, language)
    if cadence.every_days == 1:
        return days
    if cadence.every_days == 7:
        rhythm = language.gettext("once a week")
    else:
        rhythm = language.gettext("every %(gap)s days", gap=cadence.every_days)
    return rhythm if cadence.weekdays == EVERY_DAY else f"{rhythm} ({days})"


@lru_cache(maxsize=1_000)
def hour_in_words(cadence: Cadence, language: Language) -> str:
    """`07:00`."""
    return language.hour(cadence.hour)


def instant_in_words(instant: datetime, language: Language) -> str:
    """`22 November 2026 at 18:54 UTC`."""
    at = instant.astimezone(UTC)
    return language.gettext(
        "%(date)s at %(hour)s UTC", date=language.date(at.date()), hour=language.hour(at.time())
    )


def masked(address: str) -> str:
    """`zoe@example.com` as `z••@example.com`: mails get forwarded, pages get shared."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}••@{domain}"


def pretended(course: Course, key: str, learner: Learner, now: datetime) -> Claimed:
    """A delivery that nobody is owed, for previews and test copies; its links open no page."""
    kind = DeliveryKind.LETTER if key.startswith("@") else DeliveryKind.LESSON
    enrollment = Enrollment(
        0, learner.id, course.key, 1, EnrollmentState.ACTIVE, "", learner.timezone,
        course.syllabus.cadence, now,
    )  # fmt: skip
    delivery = Delivery(
        secrets.token_hex(16), 0, 1, kind, key, learner.address, DeliveryState.CLAIMED, 1,
        now, now, now,
    )  # fmt: skip
    deeds = None
    if tells_deeds(delivery):
        enrollment = replace(enrollment, state=EnrollmentState.COMPLETED, completed_at=now)
        deeds = sample_deeds(tasks_of(course), now)
    return Claimed(delivery, enrollment, learner, deeds)


#: Said in the language of the mail.
_SAID: dict[str, Callable[[Claimed, Language], str]] = {
    "learner.hour": lambda claimed, language: hour_in_words(claimed.enrollment.cadence, language),
    "learner.days": lambda claimed, language: days_in_words(claimed.enrollment.cadence, language),
    "learner.asked_at": lambda claimed, language: instant_in_words(
        claimed.delivery.created_at, language
    ),
}
#: The same in every language.
_VALUES: dict[str, Callable[[Claimed, Links], str]] = {
    "learner.first_name": lambda claimed, _: first_name(claimed.learner.first_name),
    "learner.address": lambda claimed, _: claimed.delivery.to_addr,
    "learner.new_address": lambda claimed, _: masked(claimed.learner.address),
    "learner.code": lambda claimed, links: links.code(claimed.delivery.id),
    "url.confirm": lambda claimed, links: links.confirm(claimed.enrollment.id),
    "url.learn": lambda claimed, links: links.learn(claimed.enrollment.id),
    "url.plan": lambda claimed, links: f"{links.learn(claimed.enrollment.id)}/plan",
    "url.certificate": lambda claimed, links: f"{links.learn(claimed.enrollment.id)}/certificate",
    "url.manage": lambda claimed, links: links.manage(claimed.enrollment.id),
    "url.leave": lambda claimed, links: links.leave(claimed.enrollment.id),
    "url.read": lambda claimed, links: links.read(claimed.delivery.id),
    "url.done": lambda claimed, links: links.done(claimed.delivery.id),
    "url.move": lambda claimed, links: links.address(claimed.delivery.id),
}
