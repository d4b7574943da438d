"""Several connections share a batch where the server takes its time, and only there."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace

import pytest

from scheduler.domain.message import Message
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Provider, Uncertain
from scheduler.providers import open_provider
from scheduler.providers.wire import smtp_crew
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.letters import letter, letters
from tests.integration.providers.worlds import HASTY, PATIENT

#: Seconds a message; several times what makes another connection worth while.
SLOW = 0.03
PLAIN = ("SIZE 10000000",)
PIPELINING = ("PIPELINING", "SIZE 10000000")


def opened(server: FaultServer, **settings: object) -> Provider:
    return open_provider("smtp", {"url": server.url, **PATIENT, "pool": 4, **settings})


def sent(provider: Provider, messages: list[Message]) -> dict[str, Outcome]:
    """One answer per message, whichever connection it came by."""
    told = list(provider.send(messages))
    outcomes = dict(told)
    assert len(told) == len(outcomes) == len(messages)
    return outcomes


def taken(server: FaultServer) -> list[str]:
    """Who got mail, each as often as that."""
    return sorted(copy.to for copy in server.accepted)


def addresses(messages: list[Message]) -> list[str]:
    return sorted(message.to_addr for message in messages)


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
def test_a_slow_server_is_asked_on_all_connections_at_once(extensions: tuple[str, ...]) -> None:
    first, second = letters(20), letters(20)
    with FaultServer(extensions=extensions, answers_after=SLOW) as server:
        provider = opened(server)
        outcomes = sent(provider, first)
        assert server.connections == 4
        # All were kept, and the next batch begins with all of them.
        outcomes |= sent(provider, second)
        provider.close()
        assert server.connections == 4
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert taken(server) == addresses(first + second)


def test_no_more_connections_than_allowed() -> None:
    messages = letters(12)
    with FaultServer(answers_after=SLOW) as server:
        provider = opened(server, pool=1)
        sent(provider, messages)
        provider.close()
        assert server.connections == 1
    assert taken(server) == addresses(messages)


def test_a_server_that_answers_at_once_is_asked_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = letters(60)
    fast = itertools.count(step=0.0001)
    monkeypatch.setattr(smtp_crew, "time", SimpleNamespace(monotonic=lambda: next(fast)))
    with FaultServer() as server:
        provider = opened(server)
        for start in range(0, 60, 20):
            sent(provider, messages[start : start + 20])
        provider.close()
        assert server.connections == 1
    assert taken(server) == addresses(messages)


def test_a_server_that_wants_one_connection_loses_nothing_and_is_not_pressed() -> None:
    first, second = letters(12), letters(12)
    with FaultServer(answers_after=SLOW, most_at_once=1) as server:
        provider = opened(server)
        outcomes = sent(provider, first)
        turned_away = server.connections - 1
        assert turned_away == 3
        outcomes |= sent(provider, second)
        provider.close()
        assert server.connections == 1 + turned_away
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert taken(server) == addresses(first + second)


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
def test_one_message_a_connection_still_brings_all_of_them(extensions: tuple[str, ...]) -> None:
    messages = letters(24)
    fault = FaultServer("250, then drop", extensions=extensions, answers_after=SLOW)
    with fault as server:
        provider = opened(server)
        outcomes = sent(provider, messages)
        provider.close()
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert taken(server) == addresses(messages)


@pytest.mark.parametrize("fault", ["drop at mail", "drop at rcpt", "drop before 354"])
def test_a_connection_that_breaks_gives_back_what_it_had_drawn(fault: str) -> None:
    messages = letters(24)
    with FaultServer(fault, at=9, times=2, answers_after=SLOW) as server:
        provider = opened(server)
        outcomes = sent(provider, messages)
        provider.close()
    away = {number for number, outcome in outcomes.items() if isinstance(outcome, Deferred)}
    # A connection made anew that breaks at its first message makes that one wait, no other.
    assert len(away) <= 1
    assert taken(server) == addresses([m for m in messages if m.delivery_id not in away])


def test_silence_on_all_connections_costs_each_one_message() -> None:
    well, unwell = letters(12), letters(40)
    with FaultServer("accept, then hang", at=12, answers_after=SLOW) as server:
        provider = opened(server, **(HASTY | {"pool": 4}))
        assert all(isinstance(outcome, Accepted) for outcome in sent(provider, well).values())
        outcomes = sent(provider, unwell).values()
        provider.close()
    uncertain = [outcome for outcome in outcomes if isinstance(outcome, Uncertain)]
    # The second in a row says enough; what others had in hand by then is theirs to wait for.
    assert 2 <= len(uncertain) <= 4 + 1
    rest = [outcome for outcome in outcomes if not isinstance(outcome, Uncertain)]
    assert all(isinstance(o, Deferred) and o.fault is Fault.TRANSPORT for o in rest)
    assert len(server.accepted) == 12 + len(uncertain)


def test_refusals_come_by_whichever_connection_met_them() -> None:
    good, bad = letters(16), [letter(f"unknown@{n}.example") for n in range(8)]
    messages = [m for pair in zip(good[:8], bad, strict=True) for m in pair] + good[8:]
    with FaultServer(answers_after=SLOW) as server:
        provider = opened(server, pool=3)
        outcomes = sent(provider, messages)
        provider.close()
    assert all(isinstance(outcomes[m.delivery_id], Accepted) for m in good)
    assert not any(isinstance(outcomes[m.delivery_id], Accepted) for m in bad)
    assert taken(server) == addresses(good)


def test_told_to_break_off_every_connection_ends_after_the_one_in_hand() -> None:
    messages = letters(40)
    with FaultServer(answers_after=SLOW) as server:
        provider = opened(server)
        sent(provider, letters(8))
        server.accepted.clear()
        threading.Timer(SLOW * 2, provider.break_off).start()
        outcomes = sent(provider, messages)
    done = [m for m in messages if isinstance(outcomes[m.delivery_id], Accepted)]
    assert 0 < len(done) < 40
    assert taken(server) == addresses(done)


def test_when_nobody_listens_any_more_no_connection_begins_another_message() -> None:
    with FaultServer(answers_after=SLOW) as server:
        provider = opened(server)
        sent(provider, letters(8))
        server.accepted.clear()
        sending = iter(provider.send(letters(60)))
        heard = [next(sending) for _ in range(4)]
        sending.close()  # type: ignore[attr-defined]
        time.sleep(10 * SLOW)
        taken = len(server.accepted)
        time.sleep(5 * SLOW)
        assert len(server.accepted) == taken
    # Each of the four had one in hand, and one announced at most.
    assert len(heard) <= taken <= len(heard) + 2 * 4


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
def test_what_was_announced_already_stays_when_told_to_break_off(
    extensions: tuple[str, ...],
) -> None:
    with FaultServer(extensions=extensions) as server:
        provider = opened(server)
        sending = iter(provider.send(letters(5)))
        outcomes = [next(sending)[1]]
        provider.break_off()
        outcomes += [outcome for _, outcome in sending]
        assert len(server.accepted) == 1
    assert [type(outcome) for outcome in outcomes] == [Accepted] + [Deferred] * 4
