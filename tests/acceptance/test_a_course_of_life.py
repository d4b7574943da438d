"""Life happens in the middle of a course, and every mail comes at the minute a page promised.

Driven through the pages alone, with a clock that jumps from one instant to the next. What is
promised is read from the words of the pages, by a reader that knows nothing of the program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from scheduler.clock import FixedClock
from scheduler.store.tables import deliveries, enrollments
from tests.little_browser import Browser, forms
from tests.little_school import LittleSchool, build, write_course

ZOE = "zoe@example.com"
CITIES = {
    "Kolkata": ZoneInfo("Asia/Kolkata"),
    "Los Angeles": ZoneInfo("America/Los_Angeles"),
    "Berlin": ZoneInfo("Europe/Berlin"),
}
TITLES = ["Short sentences", "Plain words", "One more pass", "Reading aloud", "Letting go"]
MONTHS = "January February March April May June July August September October November December"
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PROMISE = re.compile(r"[Ll]esson (\d+) comes ([^.()]*?) at (\d\d):(\d\d) \((\w+(?: \w+)?) time\)")


@dataclass
class Life:
    """One learner, what the pages promised her, and what came."""

    school: LittleSchool
    browser: Browser
    link: str = ""
    came: list[tuple[str, datetime]] = field(default_factory=list)

    def sign_up(self, **wishes: object) -> str:
        """Up to the page that greets her; returns its words."""
        answer = self.browser.fill_in(ZOE, **wishes)
        assert answer.status_code == 303
        self.school.work()
        confirm = self.school.link(self.mails()[-1], "confirm")
        page = self.browser.get(confirm)
        while page.status_code == 303:
            page = self.browser.follow(page)
        self.look()
        run = self.school.run_of(ZOE)
        assert run is not None
        self.link = self.school.link_path(self.school.links.manage(run.id))
        return words(page.text)

    def press(self, action: str, **fields: object) -> str:
        """Press the button of that form of the settings page, twice; returns the page's words."""
        page = self.browser.get(self.link).text
        path = f"{self.link}/{action}" if action else self.link
        form = next(form for form in forms(page) if form.action == path)
        for _ in range(2):
            answer = self.browser.post(form.action, **{**form.fields, **fields})
        said = words(self.browser.follow(answer).text)
        self.look()
        return said

    def look(self) -> None:
        """Let the worker look, and note what arrives at this very instant."""
        self.school.upkeep.run()
        self.school.work()
        if len(list(self.school.outbox.glob("*.eml"))) == len(self.came):
            return
        for mail in self.mails()[len(self.came) :]:
            self.came.append((str(mail["Subject"]), self.school.clock.now()))

    def mails(self) -> list[EmailMessage]:
        return self.school.mails(ZOE)

    def live(self, days: float) -> None:
        """Let time pass, with a look at every instant at which a row says that something falls."""
        clock = self.school.clock
        end = clock.now() + timedelta(days=days)
        while (now := clock.now()) < end:
            clock.advance(min(self._next(now), end, now + timedelta(hours=6)) - now)
            self.look()

    def _next(self, now: datetime) -> datetime:
        columns = [enrollments.c.next_due_at, enrollments.c.paused_until, deliveries.c.not_before]
        with self.school.db.read() as tx:
            found = [tx.execute(select(func.min(c)).where(c > now)).scalar() for c in columns]
        return min([at for at in found if at], default=now + timedelta(hours=1))

    def lessons(self) -> list[tuple[int, datetime]]:
        """(number, instant) of each lesson that came."""
        return [
            (number, at)
            for subject, at in self.came
            for number, title in enumerate(TITLES, 1)
            if subject.endswith(title) and not subject.startswith("In five minutes")
        ]

    def promised(self, said: str) -> tuple[int, datetime]:
        """What the last promise in these words means, by her calendar."""
        number, day, hour, minute, city = PROMISE.findall(said)[-1]
        tz = CITIES[city]
        today = self.school.clock.now().astimezone(tz).date()
        on = the_day(day.strip(" ,"), today)
        wall = datetime(on.year, on.month, on.day, int(hour), int(minute), tzinfo=tz)
        return int(number), wall.astimezone(UTC)


def the_day(said: str, today: date) -> date:
    """The date of "today", "tomorrow, Tuesday", "Friday" or "Friday, 5 December"."""
    if said == "today":
        return today
    if said.startswith("tomorrow"):
        on = today + timedelta(days=1)
        assert said == f"tomorrow, {WEEKDAYS[on.weekday()]}"
        return on
    name, comma, written = said.partition(", ")
    if not comma:
        ahead = (WEEKDAYS.index(name) - today.weekday()) % 7
        return today + timedelta(days=ahead)
    number, month = written.split()[:2]
    on = date(today.year, MONTHS.split().index(month) + 1, int(number))
    on = on if on >= today else on.replace(year=on.year + 1)
    assert name == WEEKDAYS[on.weekday()]
    return on


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", page)).split())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_course(tmp_path / "lessons", lessons=5)
    return tmp_path


@pytest.fixture
def a_life(home: Path) -> Iterator[object]:
    schools = []

    def begin(at: datetime) -> Life:
        schools.append(build(home, clock=FixedClock(at)))
        life = Life(schools[-1], Browser(schools[-1]))
        life.look()
        return life

    yield begin
    for school in schools:
        school.close()


def test_late_at_night_in_kolkata_a_week_off_a_move_west_in_a_hurry_and_once_more(a_life):
    # Monday, ten minutes to midnight in Kolkata.
    zoe = a_life(datetime(2026, 11, 23, 18, 20, tzinfo=UTC))
    expected = []
    said = zoe.sign_up(timezone="Asia/Kolkata")
    expected += [(1, zoe.school.clock.now()), zoe.promised(said)]
    zoe.live(1)
    assert zoe.lessons() == expected
    assert expected[1][1] == datetime(2026, 11, 24, 1, 30, tzinfo=UTC)

    said = zoe.press("pause", **{"for": "1-week"})
    assert "Nothing is lost." in said
    expected.append(zoe.promised(said))
    zoe.live(7)
    assert zoe.lessons() == expected
    assert expected[2][1] == datetime(2026, 12, 1, 1, 30, tzinfo=UTC)

    said = zoe.press(
        "", timezone="America/Los_Angeles", hour="06:30",
        days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    )  # fmt: skip
    assert "Saved." in said
    number, planned_at = zoe.promised(said)
    assert (number, planned_at) == (4, datetime(2026, 12, 2, 14, 30, tzinfo=UTC))

    said = zoe.press("next")
    expected += [(4, zoe.school.clock.now()), zoe.promised(said)]
    zoe.live(1)
    assert zoe.lessons() == expected
    assert [number for number, _ in expected] == [1, 2, 3, 4, 5]

    said = zoe.press("over")
    assert "What you did in the last one is kept." in said
    expected.append(zoe.promised(said))
    zoe.live(1.5)
    assert zoe.lessons() == expected
    assert expected[-1] == (1, datetime(2026, 12, 3, 14, 30, tzinfo=UTC))
    others = [subject for subject, _ in zoe.came if not subject.endswith(tuple(TITLES))]
    assert [subject.partition(":")[0] for subject in others] == [
        "Please confirm", "You are in", "You did it",
    ]  # fmt: skip
    assert len(zoe.came) == len(expected) + len(others)


@pytest.mark.parametrize("hour", ["07:00", "02:30"])
def test_in_berlin_the_promised_minute_survives_the_end_of_summer_time(a_life, hour):
    zoe = a_life(datetime(2026, 10, 23, 16, 0, tzinfo=UTC))  # Friday at 18:00
    expected = [(1, zoe.school.clock.now() + timedelta(seconds=10))]
    expected.append(zoe.promised(zoe.sign_up(timezone="Europe/Berlin", hour=hour)))
    for _ in range(3):
        zoe.live((expected[-1][1] - zoe.school.clock.now()) / timedelta(days=1) + 1 / 24)
        expected.append(zoe.promised(words(zoe.browser.get(zoe.link).text)))
    zoe.live(2)
    assert zoe.lessons() == expected
    utc = [f"{at:%a %H:%M}" for _, at in expected[1:4]]
    assert utc == (
        ["Sat 05:00", "Sun 06:00", "Mon 06:00"]
        if hour == "07:00"
        else ["Sat 00:30", "Sun 00:30", "Mon 01:30"]  # on Sunday 02:30 comes twice: the first
    )


def test_a_silent_weekend_brings_the_short_version_and_its_button_counts(a_life):
    zoe = a_life(datetime(2026, 11, 26, 9, 0, tzinfo=UTC))  # Thursday
    zoe.sign_up(timezone="Europe/Berlin", days="weekdays")
    zoe.live(3.5)
    assert zoe.came[-1] == ("In five minutes: Plain words", datetime(2026, 11, 29, 6, tzinfo=UTC))
    nudge = zoe.mails()[-1]
    assert nudge["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text = nudge.get_body(("plain",)).get_content()
    assert "Cut one sentence in two." in text
    assert "Would a break help?" not in text
    done = zoe.school.link(nudge, "done")
    page = zoe.browser.follow(zoe.browser.post(done)).text
    assert "down" in words(page)

    # The course goes on to its end, where the next one would come, had she not said no.
    zoe.live(3)
    assert [number for number, _ in zoe.lessons()] == [1, 2, 3, 4, 5]
    off = re.search(r"http://testserver(/manage/\S+)#nudges", text)
    assert off is not None
    zoe.link = off[1]
    assert "We write to you no more" in zoe.press("nudges", nudges="")
    before = len(zoe.came)
    zoe.live(4)
    assert [s for s, _ in zoe.came[before:] if s.startswith("In five minutes")] == []
