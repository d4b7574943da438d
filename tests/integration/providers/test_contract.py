"""What every provider promises, whichever it is. A new provider joins by adding its world."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scheduler.domain.message import Message
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused
from scheduler.errors import ProviderMisconfigured
from scheduler.providers import names, open_provider
from tests.integration.providers.letters import letter, letters
from tests.integration.providers.worlds import World, open_world, worlds


@pytest.fixture(params=worlds())
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    world = open_world(request.param, tmp_path)
    yield world
    world.close()


def sent(world: World, messages: Sequence[Message]) -> dict[str, Outcome]:
    outcomes = list(world.provider.send(messages))
    assert len(outcomes) == len(messages)
    return dict(outcomes)


def test_every_provider_has_a_world() -> None:
    assert {world.split(" ")[0] for world in worlds()} == set(names())


def test_it_is_called_what_its_file_is_called(world: World) -> None:
    assert world.provider.name == world.name
    assert world.provider.form in ("raw", "parts")
    assert world.provider.window >= 1


def test_each_message_is_taken_once_and_said_so_once(world: World) -> None:
    messages = letters(7)
    outcomes = sent(world, messages)
    assert set(outcomes) == {m.delivery_id for m in messages}
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert sorted(world.delivered()) == sorted(m.delivery_id for m in messages)


def test_told_to_break_off_it_begins_no_further_hand_over(world: World) -> None:
    sending = iter(world.provider.send(letters(5)))
    first = [next(sending)]
    world.provider.break_off()
    outcomes = first + list(sending)
    assert len(outcomes) == 5
    taken = {number for number, outcome in outcomes if isinstance(outcome, Accepted)}
    # What is not taken is known not to have arrived.
    assert set(world.delivered()) == taken
    assert first[0][0] in taken
    later = sent(world, letters(2))
    assert all(isinstance(outcome, Deferred) for outcome in later.values())
    assert set(world.delivered()) == taken


def test_no_messages_are_no_trouble(world: World) -> None:
    assert list(world.provider.send([])) == []


def test_batch_after_batch_goes_through(world: World) -> None:
    for _ in range(3):
        sent(world, letters(3))
    assert len(world.delivered()) == 9


def test_two_messages_to_one_address_both_arrive(world: World) -> None:
    messages = [letter("ada@example.org"), letter("Ada@example.org"), letter()]
    outcomes = sent(world, messages)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert sorted(world.delivered()) == sorted(m.delivery_id for m in messages)


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_hopeless_message_is_refused_and_hurts_nobody_else(world: World, place: int) -> None:
    hopeless, good = world.hopeless(), letters(3)
    outcomes = sent(world, [*good[:place], hopeless, *good[place:]])
    assert isinstance(outcomes.pop(hopeless.delivery_id), Refused)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert sorted(world.delivered()) == sorted(m.delivery_id for m in good)


def test_only_hopeless_messages_leave_the_next_batch_unharmed(world: World) -> None:
    assert all(isinstance(o, Refused) for o in sent(world, [world.hopeless()]).values())
    assert all(isinstance(o, Accepted) for o in sent(world, letters(2)).values())


def test_with_the_way_cut_everything_waits_and_nothing_raises(world: World) -> None:
    world.take_away()
    outcomes = sent(world, letters(5))
    for outcome in outcomes.values():
        assert isinstance(outcome, Deferred)
        assert outcome.fault is Fault.TRANSPORT
        assert outcome.detail


def test_with_the_way_cut_between_two_batches_nothing_is_doubted(world: World) -> None:
    sent(world, letters(2))
    world.take_away()
    outcomes = sent(world, letters(3)).values()
    assert {type(outcome) for outcome in outcomes} == {Deferred}
    assert len(world.delivered()) == 2


def test_closing_twice_is_safe_and_sending_after_it_works(world: World) -> None:
    sent(world, letters(1))
    world.provider.close()
    world.provider.close()
    assert all(isinstance(o, Accepted) for o in sent(world, letters(1)).values())


def test_a_caller_who_stops_listening_harms_nobody(world: World) -> None:
    outcomes = iter(world.provider.send(letters(5)))
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    later = letters(2)
    assert all(isinstance(o, Accepted) for o in sent(world, later).values())
    assert {m.delivery_id for m in later} <= set(world.delivered())


def test_threads_may_send_at_once(world: World) -> None:
    batches = [[letters(4) for _ in range(5)] for _ in range(6)]
    outcomes: list[Outcome] = []

    def work(mine: list[list[Message]]) -> None:
        for batch in mine:
            outcomes.extend(sent(world, batch).values())

    threads = [threading.Thread(target=work, args=(mine,)) for mine in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(outcomes) == 120
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    everything = [m.delivery_id for mine in batches for batch in mine for m in batch]
    assert sorted(world.delivered()) == sorted(everything)


def test_a_large_batch_is_no_different(world: World) -> None:
    messages = letters(120)
    assert all(isinstance(outcome, Accepted) for outcome in sent(world, messages).values())
    assert sorted(world.delivered()) == sorted(m.delivery_id for m in messages)


def test_a_batch_without_time_is_left_untouched(world: World) -> None:
    hasty = open_provider(world.name, world.settings | {"deadline": 1e-9})
    outcomes = dict(hasty.send(letters(5)))
    hasty.close()
    assert len(outcomes) == 5
    for outcome in outcomes.values():
        assert isinstance(outcome, Deferred)
        assert outcome.fault is Fault.TRANSPORT
    assert world.delivered() == []


def test_details_are_one_line(world: World) -> None:
    for outcome in sent(world, [world.hopeless(), *letters(2)]).values():
        assert outcome.detail.isprintable()


def test_opening_touches_nothing(tmp_path: Path) -> None:
    open_provider("file", {"outbox": tmp_path / "outbox"})
    open_provider("smtp", {"url": "smtp://127.0.0.1:9"})
    open_provider("sendgrid", {"api_key": "SG.x", "api_url": "http://127.0.0.1:9"})
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ProviderMisconfigured, match="file, sendgrid, smtp"):
        open_provider("pigeon", {})


@pytest.mark.parametrize("name", ["wire", "", "../smtp", "smtp.connect", "__init__"])
def test_only_a_provider_is_a_provider(name: str) -> None:
    with pytest.raises(ProviderMisconfigured):
        open_provider(name, {})
