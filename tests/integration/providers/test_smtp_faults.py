"""Whatever a mail server does, each message gets the one outcome that is true."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from scheduler.domain.message import Message
from scheduler.domain.provider import (
    Accepted,
    Deferred,
    Fault,
    Outcome,
    Provider,
    Refused,
    Uncertain,
)
from scheduler.providers import open_provider
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.letters import letter, letters, raw_for
from tests.integration.providers.worlds import HASTY, PATIENT

#: (fault, is it the way there or ourselves): nothing was handed over, so it waits.
BEFORE_THE_MESSAGE = [
    ("drop before greeting", Fault.TRANSPORT),
    ("hang before greeting", Fault.TRANSPORT),
    ("trickle greeting", Fault.TRANSPORT),
    ("421 at greeting", Fault.TRANSPORT),
    ("554 at greeting", Fault.CONFIG),
    ("drop at ehlo", Fault.TRANSPORT),
    ("451 at mail", Fault.TRANSPORT),
    ("550 at mail", Fault.CONFIG),
    ("530 at mail", Fault.CONFIG),
    ("503 at mail", Fault.TRANSPORT),
    ("421 at mail", Fault.TRANSPORT),
    ("drop at mail", Fault.TRANSPORT),
    ("drop at rcpt", Fault.TRANSPORT),
    ("drop before 354", Fault.TRANSPORT),
    ("421 at data", Fault.TRANSPORT),
    ("250 at data", Fault.TRANSPORT),
    ("452 after dot", Fault.MAILBOX),
    ("421 after dot", Fault.TRANSPORT),
]
#: The last byte left and no answer came.
SILENCE = [
    "accept, then drop",
    "accept, then hang",
    "accept, then trickle",
    "accept, then nonsense",
    "drop after dot, not accepted",
]
PLAIN = ("SIZE 10000000",)
PIPELINING = ("PIPELINING", "SIZE 10000000")


def provider_for(server: FaultServer, **settings: object) -> Provider:
    pace = HASTY if "hang" in server.fault or "trickle" in server.fault else PATIENT
    return open_provider("smtp", {"url": server.url, **pace, **settings})


def send(server: FaultServer, messages: Sequence[Message], **settings: object) -> list[Outcome]:
    provider = provider_for(server, **settings)
    outcomes = list(provider.send(messages))
    provider.close()
    by_id = dict(outcomes)
    assert len(outcomes) == len(by_id) == len(messages)
    return [by_id[message.delivery_id] for message in messages]


def subjects_of_truth(server: FaultServer) -> list[str]:
    return [copy.to for copy in server.accepted]


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
@pytest.mark.parametrize(("fault", "whose"), BEFORE_THE_MESSAGE)
def test_nothing_handed_over_means_it_waits(
    fault: str, whose: Fault, extensions: tuple[str, ...]
) -> None:
    with FaultServer(fault, extensions=extensions) as server:
        (outcome,) = send(server, letters(1))
    assert isinstance(outcome, Deferred)
    assert outcome.fault is whose
    assert server.accepted == []


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
@pytest.mark.parametrize("fault", SILENCE)
def test_silence_after_the_last_byte_is_uncertainty(
    fault: str, extensions: tuple[str, ...]
) -> None:
    with FaultServer(fault, extensions=extensions) as server:
        (outcome,) = send(server, letters(1))
    assert isinstance(outcome, Uncertain)
    assert len(server.accepted) <= 1


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
def test_accepted_then_dropped_before_quit_is_accepted(extensions: tuple[str, ...]) -> None:
    with FaultServer("250, then drop", extensions=extensions) as server:
        outcomes = send(server, letters(4))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len(server.accepted) == 4


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
def test_a_large_message_cut_off_before_its_end_waits(extensions: tuple[str, ...]) -> None:
    big = letter(raw=raw_for("a@example.org", "b" * 32, b"All work and no play.\r\n" * 400_000))
    with FaultServer("drop in body", extensions=extensions) as server:
        (outcome,) = send(server, [big])
    assert outcome == Deferred(outcome.detail, Fault.TRANSPORT)
    assert server.accepted == []


def test_a_no_in_the_middle_of_a_message_is_heard() -> None:
    big = letter(raw=raw_for("a@example.org", "c" * 32, b"All work and no play.\r\n" * 400_000))
    with FaultServer("552 in body", extensions=("PIPELINING",), times=1) as server:
        outcomes = send(server, [big, letter()])
    assert outcomes[0] == Refused("message body: 552 5.3.4 message too big", Fault.CONTENT)
    assert isinstance(outcomes[1], Accepted)


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
@pytest.mark.parametrize(
    ("who", "expected", "whose"),
    [
        ("unknown", Refused, Fault.ADDRESS),
        ("gone", Refused, Fault.ADDRESS),
        ("full", Refused, Fault.MAILBOX),
        ("grey", Deferred, Fault.MAILBOX),
        ("busy", Deferred, Fault.MAILBOX),
        ("relay", Deferred, Fault.CONFIG),
        ("spam", Refused, Fault.POLICY),
        ("huge", Refused, Fault.CONTENT),
        ("odd", Refused, Fault.CONTENT),
        ("dmarc", Deferred, Fault.CONFIG),
        ("later", Deferred, Fault.MAILBOX),
    ],
)
def test_one_no_is_understood_and_stays_with_its_message(
    who: str, expected: type[Outcome], whose: Fault, extensions: tuple[str, ...]
) -> None:
    good = letters(2)
    with FaultServer(extensions=extensions) as server:
        outcomes = send(server, [good[0], letter(f"{who}@example.org"), good[1]])
    assert isinstance(outcomes[1], expected)
    assert isinstance(outcomes[1], Deferred | Refused)
    assert outcomes[1].fault is whose
    assert isinstance(outcomes[0], Accepted)
    assert isinstance(outcomes[2], Accepted)
    assert subjects_of_truth(server) == [m.to_addr for m in good]
    assert server.connections == 1


def test_a_greylisted_message_passes_the_second_time_from_the_same_sender() -> None:
    message = letter("grey@example.org")
    with FaultServer() as server:
        (first,) = send(server, [message])
        assert isinstance(first, Deferred)
        assert first.after is not None
        assert first.after.total_seconds() >= 300
        (second,) = send(server, [replace(message, to_addr="ada@example.org")])
    assert isinstance(second, Accepted)
    assert server.accepted[0].sender == message.envelope_from


def test_data_accepted_without_a_recipient_ends_in_an_empty_message() -> None:
    good = letters(2)
    with FaultServer("data without recipient") as server:
        outcomes = send(server, [good[0], letter("unknown@example.org"), good[1]])
    assert isinstance(outcomes[1], Refused)
    assert [m.to_addr for m in good] == subjects_of_truth(server)
    assert server.connections == 1


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
@pytest.mark.parametrize(
    "fault",
    [
        "421 at mail",
        "503 at mail",
        "drop at mail",
        "drop at rcpt",
        "drop before 354",
        "421 at data",
        "250 at data",
    ],
)
def test_a_connection_that_ends_between_messages_burns_none_of_them(
    fault: str, extensions: tuple[str, ...]
) -> None:
    with FaultServer(fault, at=2, times=1, extensions=extensions) as server:
        outcomes = send(server, letters(5))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len(server.accepted) == 5
    assert server.connections == 2


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
@pytest.mark.parametrize("fault", SILENCE)
def test_one_uncertain_message_leaves_the_others_certain(
    fault: str, extensions: tuple[str, ...]
) -> None:
    with FaultServer(fault, at=1, times=1, extensions=extensions) as server:
        outcomes = send(server, letters(4))
    assert [type(outcome) for outcome in outcomes] == [Accepted, Uncertain, Accepted, Accepted]
    assert 3 <= len(server.accepted) <= 4


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
@pytest.mark.parametrize("fault", SILENCE)
def test_a_server_that_keeps_silent_gets_two_messages_at_most(
    fault: str, extensions: tuple[str, ...]
) -> None:
    with FaultServer(fault, extensions=extensions) as server:
        outcomes = send(server, letters(10))
    assert [isinstance(outcome, Uncertain) for outcome in outcomes] == [True] * 2 + [False] * 8
    assert all(outcome.fault is Fault.TRANSPORT for outcome in outcomes[2:])  # type: ignore[union-attr]
    assert len(server.accepted) <= 2


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
def test_trouble_now_and_then_stops_nobody(extensions: tuple[str, ...]) -> None:
    kinds = ["well", "silent", "well", "well", "silent", "well"]
    with FaultServer(extensions=extensions) as server:
        outcomes = send(server, [letter(f"{who}@{n}.example") for n, who in enumerate(kinds)])
    expected = {"well": Accepted, "silent": Uncertain}
    assert [type(outcome) for outcome in outcomes] == [expected[who] for who in kinds]


def test_a_session_limit_per_connection_is_worked_around() -> None:
    with FaultServer("250, then drop") as server:
        outcomes = send(server, letters(6))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len(server.accepted) == server.connections == 6


def test_one_connection_serves_batch_after_batch() -> None:
    with FaultServer() as server:
        provider = provider_for(server)
        for _ in range(4):
            assert all(isinstance(o, Accepted) for _, o in provider.send(letters(5)))
        provider.close()
        assert server.connections == 1
        assert server.commands[-1] == "QUIT"


def test_a_kept_connection_that_went_stale_burns_no_message() -> None:
    with FaultServer() as server:
        provider = provider_for(server)
        list(provider.send(letters(1)))
        server.drop_all()
        time.sleep(0.05)
        assert all(isinstance(o, Accepted) for _, o in provider.send(letters(3)))
        provider.close()
        assert server.connections == 2
        assert len(server.accepted) == 4


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
@pytest.mark.parametrize("fault", ["drop at mail", "421 at mail", "drop before 354"])
def test_a_kept_connection_that_ends_on_use_is_replaced(
    fault: str, extensions: tuple[str, ...]
) -> None:
    with FaultServer(fault, at=1, times=1, extensions=extensions) as server:
        provider = provider_for(server)
        list(provider.send(letters(1)))
        assert all(isinstance(o, Accepted) for _, o in provider.send(letters(3)))
        provider.close()
        assert len(server.accepted) == 4


def test_after_a_fault_the_connection_is_clean_for_the_next_recipient() -> None:
    with FaultServer(extensions=PLAIN) as server:
        provider = provider_for(server)
        list(provider.send([letter("unknown@example.org")]))
        ((_, outcome),) = provider.send(letters(1))
        provider.close()
    assert isinstance(outcome, Accepted)
    assert server.connections == 1


def test_an_idle_connection_is_not_kept_for_ever() -> None:
    with FaultServer() as server:
        provider = provider_for(server, idle=0.05)
        list(provider.send(letters(1)))
        time.sleep(0.1)
        list(provider.send(letters(1)))
        provider.close()
        assert server.connections == 2


def test_a_dead_server_is_asked_once_for_a_whole_batch() -> None:
    with FaultServer("hang before greeting") as server:
        started = time.monotonic()
        outcomes = send(server, letters(20))
        assert time.monotonic() - started < 1.5
    assert server.connections == 1
    assert all(isinstance(o, Deferred) and o.fault is Fault.TRANSPORT for o in outcomes)


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINING])
def test_no_message_is_handed_over_when_its_answer_could_not_be_waited_for(
    extensions: tuple[str, ...],
) -> None:
    outcomes = []
    with FaultServer(extensions=extensions) as server:
        provider = provider_for(server, deadline=1)
        for _, outcome in provider.send(letters(3)):
            outcomes.append(outcome)
            time.sleep(0.9 if isinstance(outcome, Accepted) else 0)
        # The connection was left in the middle of a transaction: it must not be used again.
        ((_, later),) = provider.send([last := letter()])
        provider.close()
    assert [type(outcome) for outcome in outcomes] == [Accepted, Deferred, Deferred]
    assert isinstance(later, Accepted)
    assert len(server.accepted) == 2
    assert server.accepted[1].data == last.raw


def test_our_own_misconfiguration_is_tried_twice_and_not_a_thousand_times() -> None:
    with FaultServer("550 at mail") as server:
        outcomes = send(server, letters(50))
    assert all(isinstance(o, Deferred) and o.fault is Fault.CONFIG for o in outcomes)
    assert server.messages <= 3
