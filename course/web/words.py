"""Says instants, cadences and addresses the way a person would, in the language of the request.

Refuses to know the present: `now` is always handed in, aware and UTC.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from course.language import N_, Language
from course.mail.person import masked as masked
from course.pace_words import say_days
from course.web.speaking import gettext, speaking
from scheduler.domain.delivery import nudge_of, original_key
from scheduler.domain.syllabus import Cadence
from scheduler.zones import zone


def day_in_words(
    instant: datetime, timezone: str, now: datetime, language: Language | None = None
) -> str:
    """The local date: "today", "tomorrow, Tuesday", "Friday" or "Friday, 5 December".

    The year is named when it is not this one. Raises `UnknownZone`.
    """
    return _day(instant, timezone, now, language or speaking())[0]


def in_words(
    instant: datetime, timezone: str, now: datetime, language: Language | None = None
) -> str:
    """The local date and hour: "tomorrow, Tuesday, at 07:00"."""
    language = language or speaking()
    day, is_long = _day(instant, timezone, now, language)
    hour = language.hour(instant.astimezone(zone(timezone)).time())
    if is_long:
        return language.gettext("%(day)s, at %(hour)s", day=day, hour=hour)
    return language.gettext("%(day)s at %(hour)s", day=day, hour=hour)


def _day(instant: datetime, timezone: str, now: datetime, language: Language) -> tuple[str, bool]:
    """The date in words, and whether something in it is parted by a comma."""
    tz = zone(timezone)
    day, today = instant.astimezone(tz).date(), now.astimezone(tz).date()
    name = language.weekday(day.weekday())
    match (day - today).days:
        case 0:
            return language.gettext("today"), False
        case 1:
            return language.gettext("tomorrow, %(weekday)s", weekday=name), True
        case -1:
            return language.gettext("yesterday, %(weekday)s", weekday=name), True
        case days if 1 < days < 7:
            # Said in the middle of a sentence: "Lesson 3 comes Friday."
            return language.pgettext("when", "%(weekday)s", weekday=name), False
    date = language.date(day, year=day.year != today.year)
    return language.pgettext("when", "%(weekday)s, %(date)s", weekday=name, date=date), True


def stamp(instant: datetime, timezone: str, language: Language | None = None) -> str:
    """The local date and hour, short and always with the date: "Tue 25 November, 07:00"."""
    language = language or speaking()
    local = instant.astimezone(zone(timezone))
    return language.gettext(
        "%(weekday)s %(date)s, %(hour)s",
        weekday=language.weekday(local.weekday(), short=True),
        date=language.date(local.date(), year=False),
        hour=language.hour(local.time()),
    )


def zone_in_words(timezone: str, language: Language | None = None) -> str:
    """Says "Kolkata time" for `Asia/Kolkata`; "UTC" stays."""
    if "/" not in timezone:
        return timezone
    language = language or speaking()
    return language.gettext("%(city)s time", city=language.city(timezone))


def pace_in_words(cadence: Cadence, timezone: str, language: Language | None = None) -> str:
    """Says "07:00, Berlin time, every day"; slower cadences say so."""
    language = language or speaking()
    said = {
        "hour": language.hour(cadence.hour),
        "zone": zone_in_words(timezone, language),
        "days": say_days(cadence.weekdays, language),
    }
    if cadence.every_days == 1:
        return language.gettext("%(hour)s, %(zone)s, %(days)s", **said)
    return language.gettext(
        "%(hour)s, %(zone)s, %(days)s, one lesson every %(gap)s days",
        **said,
        gap=cadence.every_days,
    )


def listed(words: Collection[str], language: Language | None = None) -> str:
    """Says "a", "a and b" or "a, b and c"."""
    return (language or speaking()).listed(words)


def weekday(number: int, *, short: bool = False) -> str:
    """The name of a day, Monday being 0."""
    return speaking().weekday(number, short=short)


#: The first piece of a zone's name.
_REGIONS = (
    N_("Africa"), N_("America"), N_("Antarctica"), N_("Arctic"), N_("Asia"), N_("Atlantic"),
    N_("Australia"), N_("Europe"), N_("Indian"), N_("Pacific"), N_("Other"),
)  # fmt: skip


def region_in_words(name: str) -> str:
    """The heading over the cities of a part of the world, as zones are named."""
    return speaking().gettext(name) if name in _REGIONS else name


def city_in_words(timezone: str, name: str) -> str:
    """What a zone is called in a list of zones; `name` is what follows the region in it."""
    language = speaking()
    return (
        name.replace("_", " ").replace("/", ", ")
        if language.is_english
        else language.city(timezone)
    )


def counted(number: int, one: str, many: str | None = None) -> str:
    """English only. Says "1 lesson" or "5 lessons"; thousands are parted by a thin space."""
    return f"{number:,} {one if number == 1 else many or one + 's'}".replace(",", "\u202f")


_NUMBERS = (
    *(N_("zero"), N_("one"), N_("two"), N_("three"), N_("four"), N_("five"), N_("six")),
    *(N_("seven"), N_("eight"), N_("nine"), N_("ten"), N_("eleven"), N_("twelve")),
)


def number(count: int) -> str:
    """Says "three"; in figures from 13 on, and in a language that leaves the words out."""
    if count >= len(_NUMBERS):
        return str(count)
    word, language = _NUMBERS[count], speaking()
    said = language.gettext(word)
    return str(count) if said == word and not language.is_english else said


#: Letters by key, as the office calls them.
_LETTERS = {
    "@confirm": N_("confirmation"),
    "@links": N_("reminder of links"),
    "@welcome": N_("welcome"),
    "@completed": N_("closing letter"),
    "@address": N_("confirmation of a new address"),
    "@moved": N_("notice of a new address"),
    "@taken": N_("note on a wish for this address"),
}


def mail_name(key: str) -> str:
    """A lesson's or letter's key for people: "confirmation", "second-lesson (again)"."""
    own = original_key(key)
    if nudge_of(key):
        lesson = own.removeprefix("@nudge").partition(":")[2].replace("-", " ")
        return gettext("%(lesson)s (short version)", lesson=lesson)
    name = gettext(_LETTERS[own]) if own in _LETTERS else own.removeprefix("@").replace("-", " ")
    return name if own == key else gettext("%(mail)s (again)", mail=name)
