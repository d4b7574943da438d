"""What is signed arrives as it was signed, whatever the server says in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.domain.provider import Accepted, Deferred, Fault, Provider, Refused
from scheduler.errors import ProviderMisconfigured
from scheduler.providers import open_provider
from scheduler.providers.wire.dkim import Signer
from scheduler.providers.wire.dkim_keys import read_keys, write_new_key
from tests.dkim_verifiers import GOOD, records, verdicts
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.letters import letter, letters, raw_for
from tests.integration.providers.reference_smtp import ReferenceServer
from tests.integration.providers.test_smtp import AWKWARD_BODIES
from tests.integration.providers.worlds import PATIENT

DOMAIN = "school.example"


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("keys")
    write_new_key(folder / "rsa.pem", "m1", "rsa")
    write_new_key(folder / "ed25519.pem", "e1", "ed25519")
    return [f"e1:{folder}/ed25519.pem", f"m1:{folder}/rsa.pem"]


@pytest.fixture
def dns(entries: list[str]) -> dict[str, str]:
    return records(Signer(DOMAIN, read_keys(entries)))


@pytest.fixture
def signings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Every message that was really signed, in order."""
    seen: list[bytes] = []
    real = Signer.signed

    def counted(self: Signer, raw: bytes) -> bytes:
        seen.append(raw)
        return real(self, raw)

    monkeypatch.setattr(Signer, "signed", counted)
    yield seen


def signing(url: str, entries: list[str], **more: Any) -> Provider:
    settings = {"url": url, **PATIENT, "dkim": entries, "dkim_domain": DOMAIN, **more}
    return open_provider("smtp", settings)


def test_a2_a_real_server_gets_each_message_as_it_was_signed(
    entries: list[str], dns: dict[str, str]
) -> None:
    messages = [
        letter(raw=raw_for("ada@example.org", f"{n:032x}", body))
        for n, body in enumerate(AWKWARD_BODIES.values())
    ]
    with ReferenceServer() as server:
        provider = signing(f"smtp://127.0.0.1:{server.port}", entries)
        assert all(isinstance(outcome, Accepted) for _, outcome in provider.send(messages))
        provider.close()
    arrived = [kept.content for kept in server.kept]
    signer = Signer(DOMAIN, read_keys(entries))
    assert arrived == [signer.signed(message.raw) for message in messages]
    assert verdicts(arrived, dns) == [[GOOD, GOOD]] * len(messages)


def test_a2_without_keys_nothing_is_signed() -> None:
    message = letter()
    for settings in ({}, {"dkim": ()}, {"dkim": "", "dkim_domain": DOMAIN}):
        with FaultServer() as server:
            provider = open_provider("smtp", {"url": server.url, **PATIENT, **settings})
            assert all(isinstance(outcome, Accepted) for _, outcome in provider.send([message]))
            provider.close()
        assert [copy.data for copy in server.accepted] == [message.raw]


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_a2_each_message_of_a_batch_is_signed_once(
    entries: list[str], dns: dict[str, str], signings: list[bytes], extensions: tuple[str, ...]
) -> None:
    batch = letters(12)
    with FaultServer(extensions=extensions) as server:
        provider = signing(server.url, entries)
        assert all(isinstance(outcome, Accepted) for _, outcome in provider.send(batch))
        provider.close()
    assert signings == [message.raw for message in batch]
    assert verdicts([copy.data for copy in server.accepted], dns) == [[GOOD, GOOD]] * 12


def test_a2_a_kept_connection_that_ended_costs_no_second_signature(
    entries: list[str], dns: dict[str, str], signings: list[bytes]
) -> None:
    first, then = letter(), letters(3)
    with FaultServer("drop at mail", at=1, times=1) as server:
        provider = signing(server.url, entries)
        list(provider.send([first]))
        assert all(isinstance(outcome, Accepted) for _, outcome in provider.send(then))
        provider.close()
    assert server.connections == 2
    assert signings == [message.raw for message in [first, *then]]
    assert verdicts([copy.data for copy in server.accepted], dns) == [[GOOD, GOOD]] * 4


def test_a2_a_retry_after_a_no_for_now_verifies_and_is_the_same_bytes(
    entries: list[str], dns: dict[str, str]
) -> None:
    message = letter()
    with FaultServer("452 after dot", at=0, times=1) as server:
        provider = signing(server.url, entries)
        ((_, deferred),) = provider.send([message])
        provider.close()
        # Another process, perhaps, an hour later.
        provider = signing(server.url, entries)
        ((_, accepted),) = provider.send([message])
        provider.close()
    assert isinstance(deferred, Deferred)
    assert isinstance(accepted, Accepted)
    (copy,) = server.accepted
    assert copy.data == Signer(DOMAIN, read_keys(entries)).signed(message.raw)
    assert verdicts([copy.data], dns) == [[GOOD, GOOD]]


def test_a2_the_size_told_to_the_server_is_that_of_the_signed_message(entries: list[str]) -> None:
    message = letter()
    with FaultServer(extensions=("SIZE 10000000",)) as server:
        provider = signing(server.url, entries)
        list(provider.send([message]))
        provider.close()
    (copy,) = server.accepted
    mail = next(command for command in server.commands if command.upper().startswith("MAIL"))
    assert f"SIZE={len(copy.data)}" in mail.upper()
    assert len(copy.data) > len(message.raw)


def test_a1_a_message_from_elsewhere_waits_for_the_operator_and_holds_up_no_other(
    entries: list[str],
) -> None:
    stray = letter(raw=letter().raw.replace(b"@school.example>", b"@elsewhere.example>"))
    empty = letter(raw=b"")
    with FaultServer() as server:
        provider = signing(server.url, entries)
        outcomes = dict(provider.send([stray, empty, good := letter()]))
        provider.close()
    waits = outcomes[stray.delivery_id]
    assert isinstance(waits, Deferred)
    assert waits.fault is Fault.CONFIG
    assert "EMAIL_FROM" in waits.detail
    assert isinstance(outcomes[empty.delivery_id], Refused)
    assert isinstance(outcomes[good.delivery_id], Accepted)
    assert len(server.accepted) == 1


@pytest.mark.parametrize("domain", ["", "school", "sch\u00f6ol.example", "a.example\r\nX: y"])
def test_a1_without_a_domain_to_sign_for_nothing_starts(entries: list[str], domain: str) -> None:
    with pytest.raises(ProviderMisconfigured, match="set EMAIL_FROM"):
        signing("smtp://127.0.0.1:25", entries, dkim_domain=domain)


def test_a1_a_key_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ProviderMisconfigured, match="cannot be read"):
        signing("smtp://127.0.0.1:25", [f"m1:{tmp_path}/none.pem"])
