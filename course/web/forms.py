"""The forms people fill in: which fields there are, and what each complaint says.

Reads text only. A wrong time zone is never a complaint: the page offers the right one later.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import time
from functools import lru_cache
from typing import Any

from wtforms import Form, SelectMultipleField, StringField, ValidationError

from course.pace_words import (
    DAY_NAMES,
    PaceError,
    parse_days,
    parse_hour,
    say_days,
    write_days,
)
from course.web import words
from course.web.addresses import BadAddress, read_address
from course.web.speaking import gettext, speaking
from scheduler import zones
from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS, Cadence

#: Every half hour of a day.
HOURS = tuple(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in range(0, 24 * 60, 30))


def _stripped(value: str | None) -> str:
    return " ".join((value or "").split())


def _address(_form: Form, field: StringField) -> None:
    try:
        field.data = read_address(field.data or "")
    except BadAddress as problem:
        raise ValidationError(str(problem)) from None


#: Signs that turn the reading direction around for everything after them.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _is_odd(letter: str) -> bool:
    """Control signs and halves of letters; joiners belong to names in many scripts."""
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in _TURNING


def read_first_name(typed: str) -> str:
    """A first name on one line. Raises ValueError, saying what is allowed."""
    name = _stripped(typed)
    if len(name) > 60:
        raise ValueError(gettext("Use at most 60 characters, or leave the name out."))
    if any(_is_odd(letter) for letter in name) or "://" in name or "=?" in name:
        raise ValueError(gettext("Write a first name only, or leave it out."))
    return name


def _name(_form: Form, field: StringField) -> None:
    try:
        read_first_name(field.data or "")
    except ValueError as problem:
        raise ValidationError(str(problem)) from None


def _hour(_form: Form, field: StringField) -> None:
    try:
        field.data = f"{parse_hour(field.data or ''):%H:%M}"
    except PaceError:
        wrong = gettext(
            "“%(typed)s” is not an hour. Write 7, 07:00 or 18:30.", typed=_stripped(field.data)
        )
        raise ValidationError(wrong) from None


def _days(_form: Form, field: StringField) -> None:
    try:
        field.data = write_days(parse_days(field.data or ""))
    except PaceError:
        wrong = gettext(
            "“%(typed)s” are no days. Choose some from the list.", typed=_stripped(field.data)
        )
        raise ValidationError(wrong) from None


def _some_day(_form: Form, field: SelectMultipleField) -> None:
    if not field.data:
        raise ValidationError(gettext("Choose at least one day, or pause the course instead."))


class SignupForm(Form):  # type: ignore[misc]
    """One required field; everything else has a sensible value already."""

    email = StringField(filters=[lambda text: (text or "").strip()], validators=[_address])
    first_name = StringField(filters=[_stripped], validators=[_name])
    hour = StringField(validators=[_hour])
    days = StringField(validators=[_days])
    timezone = StringField(filters=[_stripped])

    def __init__(self, formdata: Any, cadence: Cadence, timezone: str) -> None:
        start = {
            "hour": f"{cadence.hour:%H:%M}",
            "days": write_days(cadence.weekdays),
            "timezone": timezone,
        }
        super().__init__(_Filled(formdata, start))
        # A wrong or old zone is no fault of the person's: the right one takes its place.
        self.timezone.data = zones.canonical(self.timezone.data, timezone)
        self.hours = hours_with(cadence.hour)
        self.day_choices = day_choices(cadence.weekdays)

    @property
    def days_said(self) -> str:
        """The chosen days in words; as typed when they cannot be read."""
        try:
            return say_days(parse_days(self.days.data), speaking())
        except PaceError:
            return str(self.days.data)


class PaceForm(Form):  # type: ignore[misc]
    """Hour, days, zone and first name, on the learner's private page."""

    first_name = StringField(filters=[_stripped], validators=[_name])
    hour = StringField(validators=[_hour])
    days = SelectMultipleField(
        choices=list(DAY_NAMES),
        validators=[_some_day],
    )
    timezone = StringField(filters=[_stripped])

    @property
    def chosen_days(self) -> frozenset[int]:
        """Monday is 0."""
        return frozenset(DAY_NAMES.index(name) for name in self.days.data)


class MoveForm(Form):  # type: ignore[misc]
    """Another address, on the learner's private page."""

    email = StringField(filters=[lambda text: (text or "").strip()], validators=[_address])


class LostForm(Form):  # type: ignore[misc]
    """The address whose links were lost."""

    email = StringField(filters=[lambda text: (text or "").strip()], validators=[_address])


class _Filled:
    """Posted fields, with what the course itself would choose for those that are missing."""

    def __init__(self, posted: Any, start: dict[str, str]) -> None:
        self._posted = posted
        self._start = start

    def __iter__(self) -> Any:
        return iter({*self._posted, *self._start})

    def __contains__(self, name: str) -> bool:
        return name in self._posted or name in self._start

    def getlist(self, name: str) -> list[Any]:
        """All values of one field."""
        posted = [value for value in self._posted.getlist(name) if value != ""]
        return posted or ([self._start[name]] if name in self._start else [])


def problems(form: Form) -> list[tuple[str, str]]:
    """(field name, first complaint), in the order of the page."""
    return [(name, str(found[0])) for name, found in form.errors.items() if found]


@lru_cache(maxsize=1440)
def hours_with(hour: time) -> Sequence[str]:
    """The hours to choose from, with this one among them."""
    return tuple(sorted({*HOURS, f"{hour:%H:%M}"}))


def day_choices(weekdays: frozenset[int]) -> list[tuple[str, str]]:
    """The usual choices of days, the course's own first when it is another."""
    usual = [EVERY_DAY, WEEKDAYS]
    if weekdays not in usual:
        usual.insert(0, weekdays)
    return [(write_days(days), say_days(days, speaking())) for days in usual]


def zone_groups(chosen: str) -> dict[str, list[tuple[str, str]]]:
    """Region -> [(zone, city)], with the chosen zone always among them, as they are called here."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in sorted({*zones.places(), chosen}):
        region, slash, city = name.partition("/")
        groups.setdefault(words.region_in_words(region if slash else "Other"), []).append(
            (name, words.city_in_words(name, city or name))
        )
    if not speaking().is_english:
        for cities in groups.values():
            cities.sort(key=lambda entry: unicodedata.normalize("NFKD", entry[1]).casefold())
    return groups
