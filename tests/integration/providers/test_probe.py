"""A provider that is only asked lets us in or says why not; no mail is ever begun."""

from __future__ import annotations

import datetime
import logging
import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from scheduler.domain.probed import Probed
from scheduler.domain.provider import Deferred, Fault
from scheduler.errors import ProviderMisconfigured
from scheduler.providers import probe
from tests.integration.providers.fake_sendgrid import KEY, FakeSendGrid
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.reference_smtp import (
    PASSWORD,
    USER,
    Authority,
    ReferenceServer,
    make_authority,
)
from tests.integration.providers.worlds import HASTY, PATIENT

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


def ask_smtp(url: str, **settings: object) -> Probed | Deferred:
    answer = probe("smtp", {"url": url, **PATIENT, **settings})
    assert answer is not None
    return answer


def ask_sendgrid(fake: FakeSendGrid, **settings: object) -> Probed | Deferred:
    answer = probe("sendgrid", {"api_key": KEY, "api_url": fake.url, **PATIENT, **settings})
    assert answer is not None
    return answer


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a7_a_relay_is_asked_under_tls_with_a_login_and_gets_no_mail(authority: Authority) -> None:
    with ReferenceServer(authority.server, auth=True) as server:
        answer = ask_smtp(
            f"smtp://{LOGIN}localhost:{server.port}?starttls=required&ca_file={authority.ca_file}"
        )
        assert server.kept == []
    assert isinstance(answer, Probed), answer
    assert "TLSv1.3, certificate checked" in answer.found
    assert "logged in" in answer.found
    assert "offers 8BITMIME, SIZE 33,554,432, not PIPELINING, SMTPUTF8" in answer.found


def test_a_relay_on_this_machine_is_asked_in_plain_text() -> None:
    with FaultServer(extensions=("PIPELINING", "SIZE 20000")) as server:
        answer = ask_smtp(server.url)
        assert server.accepted == []
    assert isinstance(answer, Probed)
    assert "plain text, no login" in answer.found
    assert "offers PIPELINING, SIZE 20,000, not 8BITMIME, SMTPUTF8" in answer.found
    assert "small mails" in answer.lacking


def test_a_wrong_password_is_our_fault_and_never_told(authority: Authority) -> None:
    with ReferenceServer(authority.server, auth=True) as server:
        answer = ask_smtp(
            f"smtp://{USER}:geheim@localhost:{server.port}?starttls=required",
            ca_file=str(authority.ca_file),
        )
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.CONFIG
    assert answer.detail.startswith("AUTH: 535")
    assert "geheim" not in answer.detail


def test_a7_a_certificate_that_has_ended_is_our_fault(tmp_path: Path) -> None:
    ended = make_authority(tmp_path, -datetime.timedelta(hours=1))
    with ReferenceServer(ended.server) as server:
        answer = ask_smtp(
            f"smtp://localhost:{server.port}?starttls=required", ca_file=str(ended.ca_file)
        )
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.CONFIG
    assert "expired" in answer.detail


def test_a7_a_relay_that_offers_no_tls_is_told() -> None:
    with ReferenceServer() as server:
        answer = ask_smtp(f"smtp://127.0.0.1:{server.port}?starttls=required")
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.CONFIG
    assert "STARTTLS" in answer.detail


def test_nobody_there_is_nobodys_fault() -> None:
    answer = ask_smtp(f"smtp://127.0.0.1:{free_port()}")
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.TRANSPORT
    assert "refused" in answer.detail


def test_a_server_that_never_speaks_is_waited_for_no_longer_than_told() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        answer = probe("smtp", {"url": url, **HASTY})
    assert isinstance(answer, Deferred)
    assert "greeting: no answer in time" in answer.detail


def test_a_bad_address_is_misconfigured_as_for_sending() -> None:
    with pytest.raises(ProviderMisconfigured):
        probe("smtp", {"url": "smtp://mail.example.org?starttls=off"})
    with pytest.raises(ProviderMisconfigured, match="no provider"):
        probe("pigeon", {})


def test_a_provider_that_cannot_be_asked_says_nothing() -> None:
    assert probe("file", {"outbox": "x"}) is None


def test_s11_the_key_is_asked_what_it_may_do_at_the_address_that_is_set() -> None:
    with FakeSendGrid() as fake:
        answer = ask_sendgrid(fake)
        assert fake.sent == []
        assert [status for _, status in fake.requests] == [200]
    assert isinstance(answer, Probed)
    assert "may send mail" in answer.found


def test_a_key_without_the_right_to_send_is_our_fault() -> None:
    with FakeSendGrid(scopes=("user.profile.read",)) as fake:
        answer = ask_sendgrid(fake)
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.CONFIG
    assert "mail.send" in answer.detail


def test_a_wrong_key_is_our_fault_and_never_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), FakeSendGrid() as fake:
        answer = ask_sendgrid(fake, api_key="SG.another")
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.CONFIG
    assert "401" in answer.detail
    assert "SG.another" not in answer.detail + caplog.text


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (403, KEY.encode(), Fault.CONFIG),
        (404, b"", Fault.CONFIG),
        (429, b"", Fault.TRANSPORT),
        (500, b"", Fault.TRANSPORT),
        (503, b"", Fault.TRANSPORT),
        (307, b"", Fault.CONFIG),
    ],
)
def test_other_answers_are_ours_to_mend_or_pass(status: int, body: bytes, fault: Fault) -> None:
    with FakeSendGrid(
        status=status, answer=body, answer_headers={"Location": "http://127.0.0.1:9/"}
    ) as fake:
        answer = ask_sendgrid(fake)
        assert len(fake.requests) == 1
    assert isinstance(answer, Deferred)
    assert answer.fault is fault
    assert f"SendGrid: {status}" in answer.detail
    assert KEY not in answer.detail


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"scopes": "mail.send"}'])
def test_a_friendly_answer_of_something_else_is_not_believed(body: bytes) -> None:
    with FakeSendGrid(answer=body) as fake:
        answer = ask_sendgrid(fake)
    assert isinstance(answer, Deferred)
    assert "not as SendGrid does" in answer.detail


def test_a_host_that_is_away_is_nobodys_fault() -> None:
    with FakeSendGrid() as fake:
        pass
    answer = ask_sendgrid(fake)
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.TRANSPORT
