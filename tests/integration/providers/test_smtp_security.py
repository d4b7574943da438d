"""Mail travels under a checked certificate, and no password is ever told to a log."""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Uncertain
from scheduler.errors import ProviderMisconfigured
from scheduler.providers import open_provider
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.letters import letter, letters, raw_for
from tests.integration.providers.reference_smtp import (
    PASSWORD,
    USER,
    Authority,
    ReferenceServer,
)
from tests.integration.providers.worlds import PATIENT

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


def send_one(url: str, **settings: object) -> Outcome:
    provider = open_provider("smtp", {"url": url, **PATIENT, **settings})
    ((_, outcome),) = provider.send(letters(1))
    provider.close()
    return outcome


def test_starttls_and_login_with_an_independent_server(authority: Authority) -> None:
    big = letter(raw=raw_for("a@example.org", "a" * 32, b".dots\r\n" * 9000))
    with ReferenceServer(authority.server, auth=True) as server:
        url = f"smtp://{LOGIN}localhost:{server.port}?starttls=required&ca_file={authority.ca_file}"
        provider = open_provider("smtp", {"url": url, **PATIENT})
        messages = [big, *letters(3)]
        assert all(isinstance(o, Accepted) for _, o in provider.send(messages))
        provider.close()
    assert [kept.content for kept in server.kept] == [m.raw for m in messages]
    assert all(kept.under_tls for kept in server.kept)


def test_tls_from_the_first_byte_keeps_its_connection(authority: Authority) -> None:
    with FaultServer(
        tls=authority.server, implicit_tls=True, credentials=(USER, PASSWORD)
    ) as server:
        url = f"smtps://{LOGIN}localhost:{server.port}"
        provider = open_provider("smtp", {"url": url, "ca_file": authority.ca_file, **PATIENT})
        for _ in range(3):
            assert all(isinstance(o, Accepted) for _, o in provider.send(letters(4)))
        provider.close()
        assert server.connections == 1
    assert len(server.accepted) == 12


def test_a_stranger_s_certificate_stops_everything(authority: Authority) -> None:
    with ReferenceServer(authority.server) as server:
        outcome = send_one(f"smtp://localhost:{server.port}?starttls=required")
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.CONFIG
    assert "ca_file" in outcome.detail
    assert server.kept == []


def test_a_certificate_for_another_name_stops_everything(authority: Authority) -> None:
    with FaultServer(tls=authority.server) as server:
        url = f"smtp://127.0.0.1:{server.port}?starttls=required&ca_file={authority.ca_file}"
        outcome = send_one(url)
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.CONFIG
    assert server.accepted == []


def test_required_means_required(authority: Authority) -> None:
    with FaultServer() as server:
        outcome = send_one(f"{server.url}?starttls=required")
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.CONFIG
    assert not any(command.startswith("MAIL") for command in server.commands)


def test_optional_takes_what_is_offered(authority: Authority) -> None:
    for tls in (None, authority.server):
        with FaultServer(tls=tls) as server:
            url = f"smtp://localhost:{server.port}?starttls=optional&ca_file={authority.ca_file}"
            assert isinstance(send_one(url), Accepted)
        assert ("STARTTLS" in server.commands) is (tls is not None)


def test_a_server_without_tls_for_now_waits(authority: Authority) -> None:
    with FaultServer("454 at starttls", tls=authority.server) as server:
        outcome = send_one(f"{server.url}?starttls=required")
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.TRANSPORT


def test_words_put_before_the_handshake_are_not_believed(authority: Authority) -> None:
    with FaultServer("injection after starttls", tls=authority.server) as server:
        url = f"smtp://{LOGIN}localhost:{server.port}?starttls=required"
        outcome = send_one(url, ca_file=authority.ca_file)
    assert isinstance(outcome, Deferred)
    assert "more than it was asked" in outcome.detail
    assert not any(command.startswith("AUTH") for command in server.commands)


def test_a_handshake_that_never_comes_ends_in_time() -> None:
    with FaultServer("hang before greeting") as server:
        started = time.monotonic()
        outcome = send_one(f"smtps://127.0.0.1:{server.port}", timeout=0.3)
        assert time.monotonic() - started < 1.5
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.TRANSPORT


@pytest.mark.parametrize(
    ("fault", "lines", "expected"),
    [("drop in body", 300_000, Deferred), ("accept, then drop", 3000, Uncertain)],
)
def test_under_tls_too_doubt_begins_with_the_last_bytes(
    authority: Authority, fault: str, lines: int, expected: type[Outcome]
) -> None:
    body = b"All work and no play.\r\n" * lines
    big = letter(raw=raw_for("a@example.org", "b" * 32, body))
    with FaultServer(fault, tls=authority.server, implicit_tls=True) as server:
        url = f"smtps://localhost:{server.port}?ca_file={authority.ca_file}"
        provider = open_provider("smtp", {"url": url, **PATIENT})
        ((_, outcome),) = provider.send([big])
        provider.close()
    assert isinstance(outcome, expected)
    assert len(server.accepted) == (expected is Uncertain)


@pytest.mark.parametrize(
    ("fault", "whose"),
    [
        ("", Fault.CONFIG),
        ("echo at auth", Fault.CONFIG),
        ("454 at auth", Fault.TRANSPORT),
        ("drop at auth", Fault.TRANSPORT),
    ],
)
def test_a_failed_login_is_nobody_elses_fault_and_tells_no_secret(
    fault: str, whose: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "hunter2-hunter2"
    with FaultServer(fault, credentials=("someone", "else")) as server:
        provider = open_provider("smtp", {"url": f"smtp://me:{secret}@127.0.0.1:{server.port}"})
        outcomes = [outcome for _, outcome in provider.send(letters(5))]
        provider.close()
    for outcome in outcomes:
        assert isinstance(outcome, Deferred)
        assert outcome.fault is whose
        told = outcome.detail + caplog.text + repr(provider)
        assert secret not in told
        assert b64encode(secret.encode()).decode() not in told
        assert b64encode(f"\0me\0{secret}".encode()).decode() not in told
    assert not any(command.startswith("MAIL") for command in server.commands)


def test_a_server_without_login_is_said_to_have_none() -> None:
    with FaultServer() as server:
        outcome = send_one(f"smtp://me:secret@127.0.0.1:{server.port}")
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.CONFIG
    assert "secret" not in outcome.detail


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "SMTP_URL"),
        ("http://mail.example.org", "smtp://"),
        ("mail.example.org:587", "smtp://"),
        ("smtp://", "host"),
        ("smtp://me:geheim@/", "host"),
        ("smtp://mail.example.org:notaport", "percent-encode"),
        ("smtp://me:gehe/im@mail.example.org", "percent-encode"),
        ("smtp://me:gehe#im@mail.example.org", "percent-encode"),
        ("smtp://me@mail.example.org", "password"),
        ("smtp://me:geheim%0d%0a@mail.example.org", "ASCII"),
        ("smtp://me:geheimé@mail.example.org", "ASCII"),
        ("smtp://mail.example.org?starttls=maybe", "required, optional or off"),
        ("smtp://mail.example.org?starttls=off", "plain text"),
        ("smtp://mail.example.org?starttls=optional", "plain text"),
        ("smtps://mail.example.org?starttls=required", "remove"),
        ("smtp://mail.example.org?geheim=1", "starttls, ca_file, helo"),
        ("smtp://mail.example.org?ca_file=/no/such/file.pem", "PEM"),
        ("smtp://mail.example.org?helo=two words", "host name"),
    ],
)
def test_settings_that_cannot_work_say_how_to_mend_them(url: str, says: str) -> None:
    with pytest.raises(ProviderMisconfigured) as raised:
        open_provider("smtp", {"url": url})
    assert says in str(raised.value)
    assert "geheim" not in str(raised.value)
    assert "gehe" not in str(raised.value)
    # Nor in what a traceback would print.
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize("name", ["connect_timeout", "timeout", "deadline", "idle", "pool"])
@pytest.mark.parametrize("value", [0, -1, "soon", float("nan"), []])
def test_times_and_numbers_must_be_sensible(name: str, value: object) -> None:
    with pytest.raises(ProviderMisconfigured, match=f"smtp.{name}"):
        open_provider("smtp", {"url": "smtp://localhost", name: value})


def test_a_batch_must_end_within_half_a_lease() -> None:
    with pytest.raises(ProviderMisconfigured, match="below 60"):
        open_provider("smtp", {"url": "smtp://localhost", "deadline": 60})


def test_the_usual_addresses_need_no_options(tmp_path: Path) -> None:
    for url in (
        "smtp://localhost",
        "smtp://127.0.0.1:1025",
        "smtp://[::1]:1025",
        "smtp://user:p%40ss@mail.example.org",
        "smtps://user:pass@mail.example.org",
        "smtp://mail.example.org:25?starttls=required",
    ):
        open_provider("smtp", {"url": url}).close()
