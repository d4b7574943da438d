"""Whose fault is a failed delivery?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.provider import Fault
from scheduler.rules.bounces import most_precise, of_sendgrid, replied, replied_code, whose


def of(reply: str) -> Fault | None:
    """Whose fault an SMTP reply is, read as a server sent it."""
    return whose(status=replied_code(reply), reply=replied(reply), words=reply)


def sendgrid(type="bounce", classification="", status="", words=""):  # noqa: A002
    return of_sendgrid(type=type, classification=classification, status=status, words=words)


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"])
def test_b1_an_address_that_is_none_is_the_address(code):
    assert whose(status=code) is Fault.ADDRESS
    assert sendgrid(status=code, words=f"550 {code} no") is Fault.ADDRESS


@pytest.mark.parametrize(
    "code",
    ["4.2.2", "4.1.1", "4.4.7", "4.0.0", "5.2.2", "5.4.4", "5.4.1", "5.4.310", "5.3.0", "5.3.2"],
)
def test_b1_what_may_pass_is_the_mailbox(code):
    assert whose(status=code) is Fault.MAILBOX


@pytest.mark.parametrize(
    "code", ["5.7.1", "5.7.0", "5.7.9", "5.7.133", "5.7.606", "4.7.0", "4.7.1"]
)
def test_b1_dislike_is_policy(code):
    assert whose(status=code) is Fault.POLICY


@pytest.mark.parametrize(
    "code", ["5.7.25", "5.7.26", "5.7.27", "5.7.28", "5.7.29", "5.7.515", "5.1.8"]
)
def test_b1_our_dns_and_authentication_is_our_configuration(code):
    assert whose(status=code) is Fault.CONFIG


@pytest.mark.parametrize("code", ["5.3.4", "5.2.3", "5.6.0", "5.6.1"])
def test_b1_too_large_or_malformed_is_the_lesson(code):
    assert whose(status=code) is Fault.CONTENT


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("550 no such user here", Fault.ADDRESS),
        ("550 <kim@example.org>: User unknown", Fault.ADDRESS),
        ("551 not our user", Fault.ADDRESS),
        ("554 delivery error: This user doesn't have an example.org account", Fault.ADDRESS),
        ("550 Host unknown", Fault.ADDRESS),
        ("552 mailbox full", Fault.MAILBOX),
        ("552 message size exceeds fixed limit", Fault.CONTENT),
        ("452 try later", Fault.MAILBOX),
        ("421 4.7.0 unusual rate of mail", Fault.POLICY),
        ("554 blocked, see our list", Fault.POLICY),
        ("550 Denied by policy", Fault.POLICY),
    ],
)
def test_b1_without_a_code_the_digits_and_the_words_decide(reply, fault):
    assert of(reply) is fault


@pytest.mark.parametrize("words", ["", "550", "550 Rejected", "554 sorry", "hello"])
def test_b1_what_says_nothing_is_left_to_the_caller(words):
    assert of(words) is None


def test_b2_the_enhanced_code_is_read_before_the_words():
    assert of("550 5.7.1 User unknown") is Fault.POLICY
    assert of("550 5.4.1 Recipient address rejected: user unknown") is Fault.MAILBOX
    assert of("550 5.3.4 no such user") is Fault.CONTENT


def test_b2_the_digits_are_read_before_the_words():
    assert of("450 user unknown") is Fault.MAILBOX
    assert of("552 user unknown") is Fault.MAILBOX


@pytest.mark.parametrize(
    "words",
    [
        "550 5.7.1 blocked: user is over quota",
        "550 5.1.1 mailbox full",
        "554 5.0.0 rejected by policy, quota exceeded",
        "550 The recipient's inbox is out of storage space",
        "552 5.2.2 account is full",
    ],
)
def test_b2_over_quota_is_full_whatever_else_called_it_blocked(words):
    assert of(words) is Fault.MAILBOX
    assert sendgrid(type="blocked", classification="Reputation", words=words) is Fault.MAILBOX


@pytest.mark.parametrize("general", ["5.0.0", "5.5.0", "5.1.0", "5.2.0", "5.0.0 (permanent)"])
@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("550 5.1.1 <kim@example.org>... gone", Fault.ADDRESS),
        ("550-'5.2.2 <kim@example.org>... no room'", Fault.MAILBOX),
        ("said: 554 5.7.1 no", Fault.POLICY),
        ("550 unknown user kim@example.org", Fault.ADDRESS),
        ("550 message rejected as spam", Fault.POLICY),
    ],
)
def test_a_general_code_steps_back_for_what_the_words_know(general, words, fault):
    assert whose(status=general, reply=replied(words), words=words) is fault


def test_a_later_that_stands_beside_a_final_no_is_a_no():
    assert whose(status="4.0.0", reply=554, words="554 blocked for spam") is Fault.POLICY
    assert whose(status="4.4.7", reply=554, words="554 expired") is Fault.MAILBOX


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        # A code that condemns the address, beside words that speak of something else.
        ("550 5.2.1 The user you try to contact receives mail at a rate that…", Fault.MAILBOX),
        ("550 5.1.1 temporarily disabled, try again", Fault.MAILBOX),
        ("550 5.1.1 rejected: blocked by our spam filter", Fault.POLICY),
        ("553 5.1.3 http://www.spamhaus.org/query/bl?ip=192.0.2.9", Fault.POLICY),
        ("550 5.1.2 Domain of sender address does not exist", Fault.POLICY),
        # No code, and a phrase that is not about the learner.
        ("550 Sender address rejected: User unknown", Fault.POLICY),
        ("450 Name service error for example.org: Host not found, try again", Fault.MAILBOX),
        ("550 The account may not exist, or might be unknown user", None),
        ("553 office.example.org does not exist", None),
    ],
)
def test_nobody_is_suppressed_on_a_doubt(words, fault):
    assert of(words) is fault


@pytest.mark.parametrize(
    "words",
    [
        "host spamfilter.example.org said: 550 5.1.1 user unknown",
        "550 5.1.1 user unknown, see https://relay.example.org/blocked?policy",
        "550 unknown user <block.list@policy.example>",
    ],
)
def test_the_name_of_a_host_is_no_opinion(words):
    assert of(words) is Fault.ADDRESS


@pytest.mark.parametrize("text", ["Exim 4.94.2", "10.5.1.1", "5.1.1.9", "v5.1.1", "2.1.5", ""])
def test_a_version_or_an_ip_address_is_no_code(text):
    assert most_precise("", text) == ""


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("550 no", 550),
        ("said: 421-busy", 421),
        ("ERROR_CODE :553, x", 553),
        ("after 432000 seconds", 0),
        ("10.0.0.550", 0),
        ("", 0),
    ],
)
def test_the_digits_of_a_reply_are_found_where_replies_begin(text, digits):
    assert replied(text) == digits


# SendGrid


@pytest.mark.parametrize("reason", ["Bounced Address", "Invalid", "invalid address"])
def test_b1_a_drop_for_an_address_it_knows_as_bad_is_the_address(reason):
    assert sendgrid(type="", words=reason) is Fault.ADDRESS


@pytest.mark.parametrize("reason", ["Spam Reporting Address", "Unsubscribed Address"])
def test_b1_a_drop_for_a_person_who_wants_no_more_is_no_failure(reason):
    assert sendgrid(type="", words=reason) is None


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("Recipient List over Package Quota", Fault.CONFIG),
        ("Invalid SMTPAPI header", Fault.CONFIG),
        ("Spam Content (if Spam Checker app is enabled)", Fault.CONTENT),
    ],
)
def test_a_drop_for_our_account_or_content_is_ours(reason, fault):
    assert sendgrid(type="", words=reason) is fault


@pytest.mark.parametrize(
    ("classification", "fault"),
    [
        ("Invalid Address", Fault.ADDRESS),
        ("Mailbox Unavailable", Fault.MAILBOX),
        ("Technical Failure", Fault.MAILBOX),
        ("Reputation", Fault.POLICY),
        ("Content", Fault.POLICY),
        ("Frequency or Volume Too High", Fault.POLICY),
        ("Unclassified", Fault.MAILBOX),
        ("", Fault.MAILBOX),
    ],
)
def test_b1_without_a_code_sendgrids_own_word_decides(classification, fault):
    assert sendgrid(classification=classification, words="550 no") is fault


def test_b1_blocked_is_policy_and_never_suppresses():
    assert sendgrid(type="blocked", words="554 no") is Fault.POLICY
    assert sendgrid(type="blocked", status="5.1.1", words="550 5.1.1 no") is Fault.POLICY


def test_b2_sendgrids_word_does_not_overrule_a_code_that_excuses_the_address():
    assert sendgrid(classification="Invalid Address", status="5.7.1") is Fault.POLICY
    assert sendgrid(classification="Invalid Address", status="5.2.2") is Fault.MAILBOX
    assert sendgrid(classification="Invalid Address", status="4.4.1") is Fault.MAILBOX
    assert sendgrid(classification="Invalid Address", words="550 mailbox full") is Fault.MAILBOX
    assert sendgrid(classification="Invalid Address", status="5.4.1") is Fault.ADDRESS
    assert sendgrid(classification="Reputation", status="5.1.1") is Fault.ADDRESS


def test_a_deferral_of_sendgrid_is_never_the_address():
    assert sendgrid(type="", words="450 4.1.1 user unknown, try later") is Fault.MAILBOX


@given(st.text(max_size=40), st.integers(-5, 1000), st.text(max_size=600))
def test_no_words_can_raise(status, reply, words):
    assert whose(status=status, reply=reply, words=words) in (*Fault, None)
    assert sendgrid(status, words, status, words) in (*Fault, None)
