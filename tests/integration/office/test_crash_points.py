"""A worker dies at every point at which it can, and nothing is lost or sent twice.

Every write in the post office is named, and the database tells its name before and after the
commit; a worker killed there is one case each, on its first and later hits, and under every
policy for uncertain hand-overs wherever a hand-over can become uncertain. The letterbox keeps
the truth.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from scheduler.domain.delivery import DeliveryState
from scheduler.domain.message import Unfit
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Uncertain
from scheduler.store import Database
from tests.office import Office, Posted, a_syllabus

SCHEDULER = Path(__file__).resolve().parents[3] / "scheduler"
DAY = timedelta(days=1)
LEARNERS = [f"p{n}@example.com" for n in range(5)]

#: Steps of the dispatcher that a plain run reaches; each dies before and after its commit.
COMMITS = [
    f"{step}: {moment} commit"
    for step in ("plan", "claim", "keep versions", "mark", "settle", "sweep")
    for moment in ("before", "after")
]
#: Points between the commits.
BETWEEN = ["compose", "hand over: before", "hand over: taken"]
#: Points at which a window is marked and not settled: only here does the policy matter.
AMBIGUOUS = {"mark: after commit", "settle: before commit", *BETWEEN[1:]}
FIRST_RUN = 1
POLICIES = ["resend_once", "hold"]
HITS = {"resend_once": 1, "hold": 3}


class Killed(BaseException):
    """The worker is gone: nothing it would have done afterwards happens."""


class Fuse:
    """Blows at the n-th time a point is reached."""

    def __init__(self, point: str, hit: int) -> None:
        self.point, self.left, self.reached = point, hit, Counter[str]()

    def __call__(self, point: str) -> None:
        self.reached[point] += 1
        if point == self.point:
            self.left -= 1
            if self.left == 0:
                raise Killed(point)


def rig(office: Office, fuse: Fuse) -> None:
    """Wire the fuse into the database, the composer and the letterbox."""
    office.db.crash_point = fuse
    compose, letterbox = office.composer.compose, office.letterbox

    def composing(claimed):
        fuse("compose")
        return compose(claimed)

    def sending(messages) -> Iterator[tuple[str, Accepted]]:
        for message in messages:
            fuse("hand over: before")
            key = message.raw.decode()
            letterbox.posted.append(
                Posted(office.clock.now(), message.to_addr, key, message.message_id)
            )
            fuse("hand over: taken")
            yield message.delivery_id, Accepted()

    office.composer.compose = composing
    letterbox.send = sending


@pytest.mark.parametrize(
    ("point", "hit", "policy"),
    [
        (point, hit, policy)
        for point in COMMITS + BETWEEN
        for policy in POLICIES
        for hit in HITS.values()
        if point in AMBIGUOUS or hit == HITS[policy]
    ],
)
def test_a_worker_that_dies_anywhere_loses_nothing_and_repeats_nothing(
    sqlite_url, point, hit, policy
):
    office = Office(Database(sqlite_url), uncertain=policy)
    office.letterbox.window = 2
    runs = {address: office.join(address) for address in LEARNERS}
    fuse = Fuse(point, hit)
    rig(office, fuse)
    deaths = 0
    for _ in range(12):
        try:
            office.pass_time(timedelta(hours=12))
        except Killed:
            deaths += 1
            office.dispatcher = office.worker(f"successor-{deaths}")
    assert deaths == 1, f"{point} was reached {fuse.reached[point]} times"
    for address, run in runs.items():
        check(office, address, run, policy)
    copies = Counter((p.to, p.key) for p in office.letterbox.posted)
    extra = sum(count - 1 for count in copies.values())
    # Only a window that was marked and not settled may be sent once more, and only by policy.
    may_repeat = point in AMBIGUOUS and policy == "resend_once"
    assert extra <= (office.letterbox.window if may_repeat else 0)
    office.db.close()


def a_lesson_that_is_not_ready(office: Office) -> None:
    office.composer.unfit["two"] = Unfit("", "a draft", poison=True, hold=True)


def a_worker_told_to_stop(office: Office) -> None:
    def stop(_: object) -> None:
        office.dispatcher.stopping = True

    office.letterbox.before = stop


def a_provider_that_gives_no_answer(office: Office) -> None:
    silent = set(LEARNERS)

    def hand_over(messages) -> Iterator[tuple[str, Outcome]]:
        for message in messages:
            if message.raw == b"two" and message.to_addr in silent:
                silent.remove(message.to_addr)
                yield message.delivery_id, Uncertain("no answer")
            else:
                yield from send([message])

    send, office.letterbox.send = office.letterbox.send, hand_over


def a_lesson_renamed_after_it_was_planned(office: Office) -> None:
    fuse = office.db.crash_point

    def rename(point: str) -> None:
        if point == "plan: after commit" and "two" in office.deliveries(FIRST_RUN):
            office.syllabus = a_syllabus("one", "deux", "three")
        fuse(point)

    office.db.crash_point = rename


def a_provider_away_until_night(office: Office) -> None:
    office.letterbox.answers["two"] = Deferred("421 not now", Fault.TRANSPORT)


#: Writes that a plain run does not reach, and the trouble that brings each.
TROUBLES = {
    "set aside": a_lesson_that_is_not_ready,
    "put back": a_worker_told_to_stop,
    "resolve": a_provider_that_gives_no_answer,
    "withdraw": a_lesson_renamed_after_it_was_planned,
    "breaker": a_provider_away_until_night,
    "put off": a_provider_away_until_night,
}
#: Writes about letters that nobody waits for: see `test_nudges`.
BESIDES = {"let go"}


@pytest.mark.parametrize(
    ("step", "moment", "policy"),
    [
        (step, moment, policy)
        for step in TROUBLES
        for moment, policy in product(["before", "after"], POLICIES)
        # Nothing else here leaves a hand-over uncertain.
        if step == "resolve" or (moment, policy) in [("before", "resend_once"), ("after", "hold")]
    ],
)
def test_a_worker_that_dies_in_the_middle_of_trouble_loses_nothing_either(
    sqlite_url, step, moment, policy
):
    office = Office(Database(sqlite_url), uncertain=policy)
    office.letterbox.window = 2
    runs = {address: office.join(address) for address in LEARNERS}
    office.work()
    fuse = Fuse(f"{step}: {moment} commit", 1)
    office.db.crash_point = fuse
    TROUBLES[step](office)
    deaths = 0
    for n in range(10):
        if n == 3:  # a day and a half later all is well again
            office.composer.unfit.clear()
            office.letterbox.answers.clear()
            office.letterbox.before = lambda _: None
        try:
            office.pass_time(timedelta(hours=12), tick=timedelta(hours=3))
        except Killed:
            deaths += 1
            office.dispatcher = office.worker(f"successor-{deaths}")
        office.dispatcher.stopping = False
    assert deaths == 1, f"{step} was not reached: {fuse.reached}"
    silent = policy == "hold" and step == "resolve"
    for address, run in runs.items():
        expected = ["one", *(ref.key for ref in office.syllabus.lessons[1:])]
        assert office.lessons(address) == [k for k in expected if not (silent and k == "two")]
        assert len(set(office.mornings(address))) == len(office.lessons(address))
        states = {d.state for d in office.deliveries(run).values()}
        assert states <= {"accepted", "cancelled", "uncertain" if silent else "accepted"}
    office.db.close()


def check(office: Office, address: str, run: int, policy: str) -> None:
    """Each lesson arrived once, or its delivery says that nobody knows."""
    rows = office.deliveries(run)
    sent = Counter(office.mails(address))
    for key in ("one", "two", "three", "@welcome", "@completed"):
        state = rows[key].state
        if sent[key] == 1:
            assert state in {
                DeliveryState.ACCEPTED,
                DeliveryState.UNCERTAIN,
                DeliveryState.SKIPPED,
            }
        elif sent[key] == 2:
            assert policy == "resend_once"
            assert len({p.message_id for p in posted(office, address, key)}) == 1
        else:
            held = {"hold": DeliveryState.UNCERTAIN, "skip": DeliveryState.SKIPPED}
            assert state is held.get(policy), f"{key} was lost for {address}: {state}"
    dates = [p.at.date() for p in office.letterbox.posted if p.to == address and "@" not in p.key]
    assert len(set(zip(office.lessons(address), dates, strict=True))) == len(dates) or (
        policy == "resend_once"
    )


def posted(office: Office, address: str, key: str) -> list[Posted]:
    return [p for p in office.letterbox.posted if (p.to, p.key) == (address, key)]


def test_every_write_of_the_post_office_is_named_and_so_has_its_crash_points():
    nameless, names = [], set()
    for file in sorted(SCHEDULER.rglob("*.py")):
        if "store" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "write"
                and ast.unparse(node.func.value).endswith("_db")
            ):
                if node.args and isinstance(node.args[0], ast.Constant):
                    names.add(node.args[0].value)
                else:
                    nameless.append(f"{file.name}:{node.lineno}")
    assert not nameless
    enumerated = {point.partition(":")[0] for point in COMMITS}
    dispatching = written_by(
        *("dispatch.py", "planning.py", "preparing.py", "recovering.py", "settling.py")
    )
    assert dispatching == enumerated | set(TROUBLES) | BESIDES
    assert dispatching <= names


def written_by(*files: str) -> set[str]:
    found = set()
    for file in files:
        for node in ast.walk(ast.parse((SCHEDULER / file).read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "write"
            ):
                found.add(ast.literal_eval(node.args[0]))
    return found
