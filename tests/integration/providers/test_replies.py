"""A table of answers seen in the wild, and what each means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.provider import Deferred, Fault, Refused, Uncertain
from scheduler.providers.wire.replies import GREYLIST_WAIT, Phase, verdict

BEFORE = [Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH, Phase.MAIL]
AFTER = [Phase.RCPT, Phase.DATA, Phase.ANSWER]


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("550 5.1.1 user unknown", Fault.ADDRESS),
        ("550 5.1.2 bad domain", Fault.ADDRESS),
        ("501 5.1.3 bad syntax", Fault.ADDRESS),
        ("550 5.1.6 moved", Fault.ADDRESS),
        ("556 5.1.10 null MX", Fault.ADDRESS),
        ("550 5.2.1 mailbox disabled", Fault.ADDRESS),
        ("550 5.2.2 over quota, blocked", Fault.MAILBOX),
        ("550 5.3.0 other", Fault.MAILBOX),
        ("550 5.4.4 no route", Fault.MAILBOX),
        ("552 5.2.3 longer than allowed", Fault.CONTENT),
        ("552 5.3.4 too big", Fault.CONTENT),
        ("554 5.6.1 media not supported", Fault.CONTENT),
        ("554 5.7.1 spam", Fault.POLICY),
        ("550 5.7.1 not authorized by the list owner", Fault.POLICY),
        ("550 5.7.133 sender not authenticated for group", Fault.POLICY),
        ("554 blocked using a list", Fault.POLICY),
    ],
)
@pytest.mark.parametrize("phase", AFTER)
def test_a_no_to_the_recipient_or_the_message_is_for_good(
    reply: str, fault: Fault, phase: Phase
) -> None:
    code, text = reply.split(" ", 1)
    assert verdict(phase, int(code), text) == Refused(f"{phase}: {reply}", fault)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("550 no such user", Fault.ADDRESS),
        ("551 user not local", Fault.ADDRESS),
        ("553 mailbox name not allowed", Fault.ADDRESS),
        ("550 5.0.0 mailbox unavailable", Fault.ADDRESS),
        ("550 5.5.0 mailbox unavailable", Fault.ADDRESS),
        ("552 mailbox full", Fault.MAILBOX),
        ("552 message size exceeds fixed limit", Fault.CONTENT),
        ("550 rejected for policy reasons", Fault.POLICY),
        ("554 sorry", Fault.MAILBOX),
    ],
)
def test_without_a_code_of_its_own_the_words_decide(reply: str, fault: Fault) -> None:
    code, text = reply.split(" ", 1)
    outcome = verdict(Phase.RCPT, int(code), text)
    assert isinstance(outcome, Refused)
    assert outcome.fault is fault


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.7.25 no PTR",
        "550 5.7.26 unauthenticated",
        "550 5.7.29 ARC",
        "550 5.7.515 does not meet the required authentication level",
        "550 5.1.8 bad sender",
        "554 5.7.1 Relay access denied",
        "530 5.7.0 Authentication required",
        "550 relaying denied",
    ],
)
@pytest.mark.parametrize("phase", AFTER)
def test_what_is_ours_to_mend_waits_and_costs_no_learner(reply: str, phase: Phase) -> None:
    code, text = reply.split(" ", 1)
    outcome = verdict(phase, int(code), text)
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.CONFIG


@pytest.mark.parametrize("phase", BEFORE)
@pytest.mark.parametrize("code", [500, 530, 535, 550, 554, 599])
def test_a_no_before_any_recipient_is_never_a_learners_fault(phase: Phase, code: int) -> None:
    outcome = verdict(phase, code, "5.1.1 whatever it says")
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.CONFIG


@pytest.mark.parametrize("text", ["5.3.4 too big", ""])
def test_too_large_is_the_messages_fault_even_at_mail(text: str) -> None:
    outcome = verdict(Phase.MAIL, 552, text)
    assert isinstance(outcome, Refused)
    assert outcome.fault is Fault.CONTENT


@pytest.mark.parametrize(
    ("phase", "reply", "fault"),
    [
        (Phase.GREETING, "421 busy", Fault.TRANSPORT),
        (Phase.AUTH, "454 4.7.0 try later", Fault.TRANSPORT),
        (Phase.MAIL, "452 4.3.1 no space", Fault.TRANSPORT),
        (Phase.RCPT, "421 4.3.2 closing", Fault.TRANSPORT),
        (Phase.RCPT, "450 4.2.1 busy", Fault.MAILBOX),
        (Phase.RCPT, "452 4.2.2 full", Fault.MAILBOX),
        (Phase.ANSWER, "451 4.7.650 reputation", Fault.POLICY),
        (Phase.ANSWER, "421 4.7.0 unusual rate", Fault.POLICY),
    ],
)
def test_a_not_now_waits(phase: Phase, reply: str, fault: Fault) -> None:
    code, text = reply.split(" ", 1)
    assert verdict(phase, int(code), text) == Deferred(f"{phase}: {reply}", fault)


@pytest.mark.parametrize("text", ["4.7.1 Greylisted", "graylisting in action", "4.2.0 Grey-listed"])
def test_greylisting_waits_for_minutes(text: str) -> None:
    outcome = verdict(Phase.RCPT, 451, text)
    assert outcome == Deferred(f"RCPT TO: 451 {text}", Fault.MAILBOX, GREYLIST_WAIT)


@given(
    st.sampled_from(list(Phase)),
    st.integers(-1, 999).filter(lambda code: not 400 <= code < 600),
    st.binary(max_size=600),
)
def test_nonsense_is_uncertainty_only_after_a_message(phase: Phase, code: int, text: bytes) -> None:
    outcome = verdict(phase, code, text)
    assert isinstance(outcome, Uncertain) == (phase is Phase.ANSWER)
    assert outcome.detail.isprintable()


@given(st.sampled_from(list(Phase)), st.integers(400, 599), st.text(max_size=600))
def test_no_answer_can_break_a_log_line(phase: Phase, code: int, text: str) -> None:
    outcome = verdict(phase, code, text)
    assert outcome.detail.isprintable()
    assert len(outcome.detail) < 450
    assert isinstance(outcome, Deferred) or code >= 500
