"""What leaves is what was given, to whom it was meant, in as few round trips as allowed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from scheduler.domain.provider import Accepted, Deferred, Fault, Refused
from scheduler.providers import open_provider
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.letters import letter, letters, raw_for
from tests.integration.providers.reference_smtp import ReferenceServer
from tests.integration.providers.worlds import PATIENT

AWKWARD_BODIES = {
    "dots": b".\r\n..\r\n.leading\r\n\r\n.\r\nend\r\n",
    "only a dot": b".\r\n",
    "many blank lines": b"\r\n" * 50,
    "From at the start": b"From here on\r\n>From there\r\n",
    "long": b"x" * 900 + b"\r\n" + b"." * 900 + b"\r\n",
    "larger than a TLS record": b".dot and text\r\n" * 4000,
}


@pytest.mark.parametrize("name", AWKWARD_BODIES)
def test_an_independent_server_gets_the_very_bytes(name: str) -> None:
    message = letter(raw=raw_for("ada@example.org", "d" * 32, AWKWARD_BODIES[name]))
    with ReferenceServer() as server:
        settings = {"url": f"smtp://127.0.0.1:{server.port}", "timeout": 5}
        provider = open_provider("smtp", settings)
        ((_, outcome),) = provider.send([message])
        provider.close()
    assert isinstance(outcome, Accepted)
    assert outcome.ref == "4R7T"
    (kept,) = server.kept
    assert kept.content == message.raw
    assert kept.sender == message.envelope_from
    assert kept.recipients == [message.to_addr]


@pytest.mark.parametrize("name", AWKWARD_BODIES)
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_the_very_bytes_arrive_in_a_batch_too(name: str, extensions: tuple[str, ...]) -> None:
    messages = [
        letter(raw=raw_for("ada@example.org", f"{n}" * 32, AWKWARD_BODIES[name])) for n in range(3)
    ]
    with FaultServer(extensions=extensions) as server:
        provider = open_provider("smtp", {"url": server.url, "timeout": 5})
        assert all(isinstance(o, Accepted) for _, o in provider.send(messages))
        provider.close()
    assert [copy.data for copy in server.accepted] == [m.raw for m in messages]
    assert [copy.to for copy in server.accepted] == [m.to_addr for m in messages]


def test_a_bare_line_feed_cannot_end_a_message_early() -> None:
    smuggler = b"hello\n.\r\nMAIL FROM:<evil@example.org>\r\nmore\n.\n"
    with FaultServer() as server:
        provider = open_provider("smtp", {"url": server.url, **PATIENT})
        list(provider.send([letter(raw=raw_for("a@example.org", "e" * 32, smuggler))]))
        provider.close()
    (copy,) = server.accepted
    assert b"\n.\r\n" not in copy.on_the_wire
    assert b"\n.\n" not in copy.on_the_wire
    assert not any("evil" in command for command in server.commands)


def test_a_dot_at_the_very_start_survives() -> None:
    raw = b".odd: but bytes are bytes\r\n\r\n.\r\nend\r\n"
    with FaultServer() as server:
        provider = open_provider("smtp", {"url": server.url, **PATIENT})
        list(provider.send([letter(raw=raw)]))
        provider.close()
    assert server.accepted[0].data == raw


def test_with_pipelining_a_message_costs_one_round_trip() -> None:
    with FaultServer() as fast, FaultServer(extensions=()) as slow:
        for server in (fast, slow):
            provider = open_provider("smtp", {"url": server.url, **PATIENT})
            list(provider.send(letters(1)))
            server.reads = 0
            assert len(list(provider.send(letters(20)))) == 20
            provider.close()
    assert fast.reads <= 20 + 1 + 1  # each body with the next envelope, the first one, QUIT
    assert slow.reads >= 80


def test_a_server_that_writes_each_answer_alone_does_not_slow_us_down() -> None:
    with FaultServer() as server:
        provider = open_provider("smtp", {"url": server.url, **PATIENT})
        started = time.monotonic()
        assert len(list(provider.send(letters(50)))) == 50
        provider.close()
    # Delayed acknowledgements would cost 40 ms each.
    assert time.monotonic() - started < 1.0


def test_a_server_of_the_old_school_gets_helo() -> None:
    with FaultServer("no ehlo") as server:
        provider = open_provider("smtp", {"url": server.url, **PATIENT})
        assert all(isinstance(o, Accepted) for _, o in provider.send(letters(2)))
        provider.close()
    assert any(command.startswith("helo ") for command in server.commands)


def test_we_introduce_ourselves_by_address_or_by_the_given_name() -> None:
    with FaultServer() as server:
        for settings in ({}, {"helo": "mail.school.example"}):
            provider = open_provider("smtp", {"url": server.url, **PATIENT, **settings})
            list(provider.send(letters(1)))
            provider.close()
    greetings = [command for command in server.commands if command.startswith("ehlo ")]
    assert [g.split(" ")[1] for g in greetings] == ["[127.0.0.1]", "mail.school.example"]


def test_a_message_beyond_the_servers_size_never_leaves() -> None:
    with FaultServer(extensions=("SIZE 2000",)) as server:
        provider = open_provider("smtp", {"url": server.url, **PATIENT})
        big = letter(raw=raw_for("a@example.org", "f" * 32, b"words\r\n" * 1000))
        outcomes = dict(provider.send([big, small := letter()]))
        provider.close()
    refused = outcomes[big.delivery_id]
    assert isinstance(refused, Refused)
    assert refused.fault is Fault.CONTENT
    assert isinstance(outcomes[small.delivery_id], Accepted)
    assert len(server.accepted) == 1


def test_the_size_is_told_only_to_a_server_that_asks() -> None:
    for extensions, told in (((), False), (("SIZE",), True)):
        with FaultServer(extensions=extensions) as server:
            provider = open_provider("smtp", {"url": server.url, **PATIENT})
            list(provider.send(letters(1)))
            provider.close()
        mail = next(c for c in server.commands if c.startswith("MAIL"))
        assert ("SIZE=" in mail) is told


def test_eight_bit_bytes_go_only_where_they_are_welcome() -> None:
    message = letter(raw=raw_for("a@example.org", "1" * 32, "Zoë\r\n".encode()))
    for extensions, expected in (((), Refused), (("8BITMIME",), Accepted)):
        with FaultServer(extensions=extensions) as server:
            provider = open_provider("smtp", {"url": server.url, **PATIENT})
            ((_, outcome),) = provider.send([message])
            provider.close()
        assert isinstance(outcome, expected)
        assert all(copy.data == message.raw for copy in server.accepted)


def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    for extensions, expected in (((), Refused), (("SMTPUTF8",), Accepted)):
        with FaultServer(extensions=extensions) as server:
            provider = open_provider("smtp", {"url": server.url, **PATIENT})
            ((_, outcome),) = provider.send([letter("zoë@example.org", raw=b"Subject: x\r\n\r\n")])
            provider.close()
        assert isinstance(outcome, expected)


@pytest.mark.parametrize(
    "address",
    [
        "a@example.org>\r\nRCPT TO:<victim@example.org",
        "a@example.org\r\nDATA",
        "a b@example.org",
        "<a@example.org>",
        "a@example.org,b@example.org",
        "no-at-sign",
        "two@at@example.org",
        '"quoted"@example.org',
        "nul\0@example.org",
        "a@exämple.org",
        "",
        "x" * 300 + "@example.org",
    ],
)
def test_no_address_can_become_a_command(address: str) -> None:
    with FaultServer() as server:
        provider = open_provider("smtp", {"url": server.url, **PATIENT})
        outcomes = dict(provider.send([bad := letter(to="x@y.org", delivery_id="2" * 32)]))
        bad_to = letter(raw=b"Subject: x\r\n\r\n")
        object.__setattr__(bad_to, "to_addr", address)
        outcomes |= dict(provider.send([bad_to]))
        bad_from = letter(envelope_from=address or "broken")
        outcomes |= dict(provider.send([bad_from]))
        provider.close()
    assert isinstance(outcomes[bad.delivery_id], Accepted)
    refused = outcomes[bad_to.delivery_id]
    assert isinstance(refused, Refused)
    assert refused.fault is Fault.ADDRESS
    waits = outcomes[bad_from.delivery_id]
    assert isinstance(waits, Deferred)
    assert waits.fault is Fault.CONFIG
    assert len(server.accepted) == 1
    assert not any("victim" in command for command in server.commands)


def test_an_empty_sender_is_the_null_sender() -> None:
    with FaultServer() as server:
        provider = open_provider("smtp", {"url": server.url, **PATIENT})
        ((_, outcome),) = provider.send([letter(envelope_from="")])
        provider.close()
    assert isinstance(outcome, Accepted)
    assert any(command.startswith("MAIL FROM:<>") for command in server.commands)


def test_a_name_without_an_address_is_the_ways_fault() -> None:
    settings = {"url": "smtps://no-such-host.invalid", **PATIENT, "connect_timeout": 2}
    ((_, outcome),) = open_provider("smtp", settings).send(letters(1))
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.TRANSPORT
    assert "no-such-host.invalid" in outcome.detail


#: Where `make test` unpacks Postfix; unpacked only, so no mail server starts by itself.
POSTFIX = Path(__file__).resolve().parents[3] / ".venv" / "postfix"


def test_postfixs_own_sink_takes_a_batch() -> None:
    unpacked = POSTFIX / "usr/sbin"
    sink = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin:{unpacked}")
    if sink is None:
        assert not os.environ.get("CI"), "no smtp-sink: `make test` unpacks one; did it fail?"
        pytest.skip("no smtp-sink of Postfix's here: `make test` as root brings one")
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    environment = os.environ | {"LD_LIBRARY_PATH": str(POSTFIX / "usr/lib/postfix")}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sink, *as_nobody, f"127.0.0.1:{port}", "100"], env=environment)
    try:
        for _ in range(50):
            try:
                socket.create_connection(("127.0.0.1", port), 0.1).close()
                break
            except OSError:
                time.sleep(0.05)
        provider = open_provider("smtp", {"url": f"smtp://127.0.0.1:{port}", "timeout": 5})
        assert all(isinstance(o, Accepted) for _, o in provider.send(letters(30)))
        provider.close()
    finally:
        process.terminate()
        process.wait(5)
