"""One request carries many learners, tells SendGrid nothing it need not know, and is honest."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.domain.message import Message
from scheduler.domain.probed import Probed
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused, Uncertain
from scheduler.errors import ProviderMisconfigured
from scheduler.providers import forget, open_provider, probe
from scheduler.providers.wire.sendgrid_answer import wait
from tests.integration.providers import sendgrid_document
from tests.integration.providers.fake_sendgrid import KEY, MAY_ERASE, FakeSendGrid
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.letters import NOON, SHARED, letter, letters
from tests.integration.providers.reference_smtp import Authority
from tests.integration.providers.worlds import HASTY, PATIENT


def send(fake: FakeSendGrid, messages: Sequence[Message], **settings: object) -> list[Outcome]:
    provider = open_provider(
        "sendgrid", {"api_key": KEY, "api_url": fake.url, **PATIENT, **settings}
    )
    outcomes = list(provider.send(messages))
    provider.close()
    by_id = dict(outcomes)
    assert len(outcomes) == len(by_id) == len(messages)
    return [by_id[message.delivery_id] for message in messages]


@pytest.mark.skipif(not sendgrid_document.is_at_hand(), reason="SENDGRID_OPENAPI names no file")
def test_sendgrids_own_document_agrees_with_every_body_and_would_not_with_any() -> None:
    with FakeSendGrid() as fake:
        assert all(isinstance(outcome, Accepted) for outcome in send(fake, letters(3)))
    body = fake.sent[0].body
    assert sendgrid_document.findings(body) == []
    assert sendgrid_document.findings(body | {"subject": 7})
    assert sendgrid_document.findings({k: v for k, v in body.items() if k != "personalizations"})


def test_a_thousand_learners_are_one_request() -> None:
    messages = letters(2500)
    with FakeSendGrid() as fake:
        outcomes = send(fake, messages)
    assert all(outcome.ref for outcome in outcomes if isinstance(outcome, Accepted))
    assert fake.requests == [(1000, 202), (1000, 202), (500, 202)]
    assert [sent.delivery_id for sent in fake.sent] == [m.delivery_id for m in messages]
    assert fake.connections == 1


def test_messages_are_grouped_by_the_very_body_they_share() -> None:
    other = replace(SHARED, subject="Another lesson")
    mixed = [letter(shared=SHARED if n % 2 else other) for n in range(10)]
    with FakeSendGrid() as fake:
        send(fake, mixed)
    assert fake.requests == [(5, 202), (5, 202)]
    for sent in fake.sent:
        message = next(m for m in mixed if m.delivery_id == sent.delivery_id)
        assert message.shared is not None
        assert sent.body["subject"] == message.shared.subject


def test_no_request_names_an_address_twice() -> None:
    twins = [letter("ada@example.org"), letter(), letter("Ada@Example.org"), letter()]
    with FakeSendGrid() as fake:
        send(fake, twins)
    assert fake.requests == [(3, 202), (1, 202)]


def test_no_request_is_made_when_its_answer_could_not_be_waited_for() -> None:
    outcomes = []
    with FakeSendGrid() as fake:
        connection = {"api_key": KEY, "api_url": fake.url}
        provider = open_provider("sendgrid", {**connection, **PATIENT, "deadline": 1})
        list(provider.send(letters(1)))  # imports the library
        for _, outcome in provider.send([letter(shared=replace(SHARED)) for _ in range(3)]):
            outcomes.append(outcome)
            time.sleep(0.9 if isinstance(outcome, Accepted) else 0)
        provider.close()
    assert [type(outcome) for outcome in outcomes] == [Accepted, Deferred, Deferred]
    assert len(fake.sent) == 2


def test_each_learner_gets_what_is_theirs() -> None:
    ada = letter("ada@example.org", substitutions={"-mcd_name_t-": "Ada"})
    with FakeSendGrid() as fake:
        send(fake, [ada, letter()])
    entry = fake.sent[0].personalization
    assert entry == {
        "to": [{"email": "ada@example.org"}],
        "headers": {
            "List-Unsubscribe": "<https://school.example/leave/x>",
            "Message-ID": ada.message_id,
        },
        "substitutions": {"-mcd_name_t-": "Ada"},
        "custom_args": {"mcd_delivery": ada.delivery_id},
    }
    body = fake.sent[0].body
    assert body["from"] == {"email": "course@school.example", "name": "The School"}
    assert body["reply_to"] == {"email": "teacher@school.example"}
    assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
    assert body["categories"] == ["career-mobility"]


def test_all_tracking_is_off_and_nothing_is_bypassed() -> None:
    with FakeSendGrid() as fake:
        send(fake, letters(1))
    body = fake.sent[0].body
    tracking = body["tracking_settings"]
    kinds = {"click_tracking", "open_tracking", "subscription_tracking", "ganalytics"}
    assert set(tracking) == kinds
    assert not any(value for kind in kinds for value in tracking[kind].values())
    assert "mail_settings" not in body
    assert "asm" not in body


# Bad entries


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_bad_entry_harms_nobody_else(size: int, named: bool, where: str) -> None:
    messages = letters(size)
    place = {"first": 0, "middle": size // 2, "last": size - 1}[where]
    with FakeSendGrid(poison={messages[place].to_addr}, names_the_entry=named) as fake:
        outcomes = send(fake, messages)
    bad = outcomes.pop(place)
    assert isinstance(bad, Refused)
    assert bad.fault is (Fault.ADDRESS if named else Fault.CONTENT)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len(fake.sent) == size - 1
    assert len(fake.requests) <= (2 if named else 24)
    rejected = [status for _, status in fake.requests if status == 400]
    assert len(rejected) <= (1 if named else 12)


def test_several_named_entries_cost_one_rejected_request() -> None:
    messages = letters(500)
    with FakeSendGrid(poison={m.to_addr for m in messages[::50]}) as fake:
        outcomes = send(fake, messages)
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 10
    assert fake.requests == [(500, 400), (490, 202)]


def test_several_unnamed_entries_are_found_and_the_rest_goes() -> None:
    messages = letters(1000)
    bad = {messages[place].to_addr for place in (100, 400, 850)}
    with FakeSendGrid(poison=bad, names_the_entry=False) as fake:
        outcomes = send(fake, messages)
    refused = {m.to_addr for m, o in zip(messages, outcomes, strict=True) if isinstance(o, Refused)}
    assert refused == bad
    assert len(fake.sent) == 997


def test_too_many_rejections_pause_and_lose_nothing() -> None:
    messages = letters(1000)
    bad = {m.to_addr for m in messages[5::40]}
    with FakeSendGrid(poison=bad, names_the_entry=False) as fake:
        outcomes = send(fake, messages)
    rejected = [status for _, status in fake.requests if status == 400]
    assert len(rejected) <= 40
    for message, outcome in zip(messages, outcomes, strict=True):
        if message.to_addr in bad:
            assert not isinstance(outcome, Accepted)
        else:
            assert isinstance(outcome, Accepted | Deferred)
    paused = [outcome for outcome in outcomes if isinstance(outcome, Deferred)]
    assert paused
    assert all(o.fault is Fault.TRANSPORT and o.after == timedelta(minutes=5) for o in paused)


def test_a_body_nobody_can_have_is_tried_three_times_and_refuses_only_those_tried() -> None:
    messages = letters(1000)
    with FakeSendGrid(poison={m.to_addr for m in messages}, names_the_entry=False) as fake:
        outcomes = send(fake, messages)
    assert fake.requests == [(1000, 400), (1, 400), (1, 400)]
    assert [isinstance(outcome, Refused) for outcome in outcomes].count(True) == 2
    waiting = [outcome for outcome in outcomes if isinstance(outcome, Deferred)]
    assert len(waiting) == 998
    assert all(outcome.fault is Fault.CONTENT for outcome in waiting)


@pytest.mark.parametrize(
    ("field", "expected", "whose"),
    [
        ("subject", Refused, Fault.CONTENT),
        ("content.0.value", Refused, Fault.CONTENT),
        ("from.email", Deferred, Fault.CONFIG),
        ("reply_to.email", Deferred, Fault.CONFIG),
    ],
)
def test_a_complaint_about_the_shared_part_is_not_narrowed(
    field: str, expected: type[Outcome], whose: Fault
) -> None:
    answer = json.dumps({"errors": [{"message": "no", "field": field, "help": None}]}).encode()
    with FakeSendGrid(status=400, answer=answer) as fake:
        outcomes = send(fake, letters(100))
    assert len(fake.requests) == 1
    for outcome in outcomes:
        assert isinstance(outcome, expected)
        assert isinstance(outcome, Deferred | Refused)
        assert outcome.fault is whose


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>Bad</html>",
        b"[]",
        b"null",
        b'{"errors":null}',
        b'{"errors":["x"]}',
        b"\xff" * 999,
    ],
)
def test_a_400_in_no_known_form_is_still_understood(answer: bytes) -> None:
    with FakeSendGrid(status=400, answer=answer) as fake:
        (outcome,) = send(fake, letters(1))
    assert isinstance(outcome, Refused)
    assert outcome.fault is Fault.CONTENT
    assert outcome.detail.isprintable()


def test_a_request_too_large_is_halved() -> None:
    with FakeSendGrid(largest=20_000) as fake:
        outcomes = send(fake, letters(200))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert fake.requests[0] == (200, 413)


def test_a_no_in_the_middle_of_a_request_is_heard() -> None:
    huge = [letter(substitutions={"-mcd_name_t-": "x" * 9000}) for _ in range(900)]
    with FakeSendGrid(fault="413 while reading", times=1) as fake:
        outcomes = send(fake, huge)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len(fake.sent) == 900


@pytest.mark.parametrize(
    ("changes", "expected", "whose"),
    [
        ({"to_addr": "zoë@example.org"}, Refused, Fault.ADDRESS),
        ({"to_addr": "a@b@example.org"}, Refused, Fault.ADDRESS),
        ({"to_addr": "a b@example.org"}, Refused, Fault.ADDRESS),
        ({"to_addr": "x"}, Refused, Fault.ADDRESS),
        ({"shared": None}, Refused, Fault.CONTENT),
        ({"shared": replace(SHARED, subject="")}, Refused, Fault.CONTENT),
        ({"shared": replace(SHARED, from_addr="schule@schüle.example")}, Deferred, Fault.CONFIG),
        ({"substitutions": {"-mcd_x-": 5}}, Refused, Fault.CONTENT),
        ({"substitutions": {"-mcd_x-": "é" * 5001}}, Refused, Fault.CONTENT),
        ({"headers": {"Subject": "x"}}, Refused, Fault.CONTENT),
        ({"headers": {"reply-to": "x"}}, Refused, Fault.CONTENT),
        ({"headers": {"X-Course": "a\r\nBcc: evil@example.org"}}, Refused, Fault.CONTENT),
        ({"headers": {"X-Course": None}}, Refused, Fault.CONTENT),
    ],
)
def test_what_the_api_would_reject_never_reaches_it(
    changes: dict[str, object], expected: type[Outcome], whose: Fault
) -> None:
    good = letters(2)
    with FakeSendGrid() as fake:
        outcomes = send(fake, [good[0], letter(**changes), good[1]])  # type: ignore[arg-type]
    assert isinstance(outcomes[1], expected)
    assert isinstance(outcomes[1], Deferred | Refused)
    assert outcomes[1].fault is whose
    assert fake.requests == [(2, 202)]


# Answers and silence


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415, 407, 422, 200, 302, 307])
def test_what_is_ours_to_mend_is_tried_once_and_costs_no_learner(status: int) -> None:
    with FakeSendGrid(status=status) as fake:
        outcomes = send(fake, [letter(shared=replace(SHARED)) for _ in range(3)])
    assert len(fake.requests) == 1
    assert all(isinstance(o, Deferred) and o.fault is Fault.CONFIG for o in outcomes)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"Retry_After": "7"}, timedelta(seconds=7)),
        ({"Retry_After": "99999999"}, timedelta(hours=1)),
        ({"Retry_After": "soon"}, timedelta(minutes=1)),
        ({}, timedelta(minutes=1)),
        ({"X_RateLimit_Reset": "1"}, timedelta(seconds=1)),
        ({"X_RateLimit_Reset": "99999999999"}, timedelta(hours=1)),
    ],
)
def test_come_back_later_is_obeyed_by_the_whole_batch(
    status: int, headers: dict[str, str], after: timedelta
) -> None:
    with FakeSendGrid(status=status, answer_headers=headers) as fake:
        outcomes = send(fake, [letter(shared=replace(SHARED)) for _ in range(3)])
    assert len(fake.requests) == 1
    for outcome in outcomes:
        assert outcome == Deferred(outcome.detail, Fault.TRANSPORT, after)


def test_an_instant_to_come_back_is_read_by_their_clock() -> None:
    instants = {
        "Date": "Mon, 05 Jan 2026 08:00:00 GMT",
        "Retry_After": "Mon, 05 Jan 2026 08:02:30 GMT",
    }

    headers = {name.replace("_", "-"): value for name, value in instants.items()}
    assert wait(headers, NOON) == timedelta(seconds=150)


@pytest.mark.parametrize("status", [500, 502, 504, 201, 204])
def test_an_answer_that_leaves_doubt_is_uncertain_for_one_request_only(status: int) -> None:
    with FakeSendGrid(status=status, fault="accept") as fake:
        outcomes = send(fake, [letter(shared=replace(SHARED)) for _ in range(3)])
    assert len(fake.requests) == 1
    assert [type(outcome) for outcome in outcomes] == [Uncertain, Deferred, Deferred]


@pytest.mark.parametrize(
    "fault", ["accept, then reset", "accept, then hang", "accept, then trickle"]
)
def test_silence_after_the_request_is_uncertainty_for_one_request_only(fault: str) -> None:
    three = [letter(shared=replace(SHARED)) for _ in range(3)]
    pace = PATIENT if "reset" in fault else HASTY | {"deadline": 1}
    started = time.monotonic()
    with FakeSendGrid(fault=fault) as fake:
        outcomes = send(fake, three, **pace)
        assert time.monotonic() - started < 2
    assert [type(outcome) for outcome in outcomes] == [Uncertain, Deferred, Deferred]
    assert len(fake.sent) == 1


def test_a_large_request_cut_off_before_its_end_waits() -> None:
    huge = [letter(substitutions={"-mcd_name_t-": "x" * 9000}) for _ in range(1000)]
    with FakeSendGrid(fault="reset while reading") as fake:
        outcomes = send(fake, huge)
    assert fake.sent == []
    assert all(isinstance(o, Deferred) and o.fault is Fault.TRANSPORT for o in outcomes)


def test_a_kept_connection_that_went_stale_burns_no_message() -> None:
    with FakeSendGrid() as fake:
        provider = open_provider("sendgrid", {"api_key": KEY, "api_url": fake.url, **PATIENT})
        for _ in range(3):
            assert all(isinstance(o, Accepted) for _, o in provider.send(letters(2)))
        assert fake.connections == 1
        fake.drop_all()
        time.sleep(0.05)
        assert all(isinstance(o, Accepted) for _, o in provider.send(letters(2)))
        provider.close()
        assert fake.connections == 2


# TLS


def test_https_is_checked_kept_and_cut_in_time_like_the_rest(authority: Authority) -> None:
    with FakeSendGrid(tls=authority.server) as fake:
        connection = {"api_key": KEY, "api_url": fake.url, "ca_file": authority.ca_file}
        provider = open_provider("sendgrid", {**connection, **PATIENT})
        for _ in range(3):
            assert all(isinstance(o, Accepted) for _, o in provider.send(letters(500)))
        provider.close()
        assert fake.connections == 1
        fake.fault = "accept, then trickle"
        provider = open_provider("sendgrid", {**connection, **HASTY, "deadline": 1})
        started = time.monotonic()
        ((_, outcome),) = provider.send(letters(1))
        provider.close()
        assert time.monotonic() - started < 2
    assert isinstance(outcome, Uncertain)


def test_a_stranger_s_certificate_stops_everything(authority: Authority) -> None:
    with FakeSendGrid(tls=authority.server) as fake:
        (outcome,) = send(fake, letters(1))
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.CONFIG
    assert fake.headers_seen == []


def test_a_handshake_that_never_comes_ends_in_time() -> None:
    with FaultServer("hang before greeting") as silent:
        connection = {"api_key": KEY, "api_url": f"https://127.0.0.1:{silent.port}"}
        provider = open_provider("sendgrid", {**connection, **HASTY})
        started = time.monotonic()
        ((_, outcome),) = provider.send(letters(1))
        assert time.monotonic() - started < 2
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.TRANSPORT


# Traps of the library


def test_a_redirect_is_not_followed_and_the_key_stays_home() -> None:
    with FakeSendGrid() as thief:
        headers = {"Location": f"{thief.url}/v3/mail/send"}
        with FakeSendGrid(status=302, answer_headers=headers) as fake:
            outcomes = send(fake, letters(1))
    assert isinstance(outcomes[0], Deferred)
    assert thief.requests == []
    assert thief.headers_seen == []


def test_the_environments_proxies_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeSendGrid() as proxy, FakeSendGrid() as fake:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert isinstance(send(fake, letters(1))[0], Accepted)
    assert proxy.headers_seen == []


def test_debug_logging_tells_neither_key_nor_learner(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="python_http_client.client")
    answer = json.dumps({"errors": [{"message": f"bad key Bearer {KEY}", "field": None}]}).encode()
    with FakeSendGrid(status=401, answer=answer) as fake:
        (outcome,) = send(fake, [letter("secret-learner@example.org")])
    assert KEY not in caplog.text + outcome.detail
    assert "secret-learner" not in caplog.text
    assert "***" in outcome.detail


def test_the_real_library_makes_the_request() -> None:
    with FakeSendGrid() as fake:
        send(fake, letters(1))
    (headers,) = fake.headers_seen
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["User-Agent" if "User-Agent" in headers else "User-agent"].startswith(
        "sendgrid/"
    )
    assert (
        headers["Content-Type" if "Content-Type" in headers else "Content-type"]
        == "application/json"
    )


def test_the_library_is_imported_only_to_send() -> None:
    code = (
        "import sys; from scheduler.providers import open_provider; "
        "open_provider('sendgrid', {'api_key': 'SG.x'}); "
        "sys.exit('sendgrid' in sys.modules or 'python_http_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Settings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "SENDGRID_API_KEY"),
        ({"api_key": "  "}, "SENDGRID_API_KEY"),
        ({"api_key": "SG.a\nSG.geheim"}, "copy SENDGRID_API_KEY"),
        ({"api_key": "SG.geheim é"}, "copy SENDGRID_API_KEY"),
        ({"api_key": "SG.geheim", "api_url": "http://api.sendgrid.com"}, "plain text"),
        ({"api_key": "SG.geheim", "api_url": "api.sendgrid.com"}, "https://"),
        ({"api_key": "SG.geheim", "api_url": "https://api.sendgrid.com/v3"}, "more than a host"),
        ({"api_key": "SG.geheim", "api_url": "https://x:geheim@api.sendgrid.com"}, "more than"),
        ({"api_key": "SG.geheim", "api_url": "https://api.sendgrid.com:geheim"}, "cannot be read"),
        ({"api_key": "SG.geheim", "most": 1001}, "sendgrid.most"),
        ({"api_key": "SG.geheim", "deadline": 61}, "below 60"),
    ],
)
def test_settings_that_cannot_work_say_how_to_mend_them(
    settings: dict[str, object], says: str
) -> None:
    with pytest.raises(ProviderMisconfigured) as raised:
        open_provider("sendgrid", settings)
    assert says in str(raised.value)
    assert "geheim" not in str(raised.value)
    assert "geheim" not in repr(raised.value.__cause__)


def test_europe_is_a_setting_and_a_slash_does_no_harm() -> None:
    open_provider("sendgrid", {"api_key": " SG.x\n", "api_url": "https://api.eu.sendgrid.com/"})


# -- to be forgotten -----------------------------------------------------------------------------


def forgotten(fake: FakeSendGrid, *addresses: str, **settings: object) -> Deferred | None:
    people = dict.fromkeys(addresses, NOON)
    return forget("sendgrid", {"api_key": KEY, "api_url": fake.url, **PATIENT, **settings}, people)


def test_an_erase_job_names_all_addresses_at_once() -> None:
    with FakeSendGrid() as fake:
        assert forgotten(fake, "ada@example.org", "bob@example.org") is None
    assert fake.erased == ["ada@example.org", "bob@example.org"]
    assert fake.sent == []
    assert fake.headers_seen[0]["Authorization"] == f"Bearer {KEY}"


def test_a_key_that_may_not_erase_says_which_right_it_needs() -> None:
    with FakeSendGrid(scopes=("mail.send",)) as fake:
        answer = forgotten(fake, "ada@example.org")
        asked = probe("sendgrid", {"api_key": KEY, "api_url": fake.url, **PATIENT})
    assert isinstance(answer, Deferred)
    assert answer.fault is Fault.CONFIG
    assert MAY_ERASE in answer.detail
    assert KEY not in answer.detail
    # `course doctor` says it before anybody is erased.
    assert isinstance(asked, Probed)
    assert MAY_ERASE in asked.lacking


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, b""), (429, b""), (404, b"{}"), (200, b"hello"), (204, b""), (302, b""), (400, b"")],
)
def test_only_a_job_that_was_begun_counts(status: int, answer: bytes) -> None:
    with FakeSendGrid(status=status, answer=answer) as fake:
        assert isinstance(forgotten(fake, "ada@example.org"), Deferred)
    assert fake.erased == []


def test_a_sendgrid_that_is_away_or_not_set_up_any_more_is_asked_again_later() -> None:
    with FakeSendGrid() as fake:
        pass
    assert isinstance(forgotten(fake, "ada@example.org"), Deferred)
    assert isinstance(forgotten(fake, "ada@example.org", api_key=""), Deferred)
