"""Mail that came back: what is it, whom does it speak of, and whose fault is it?"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.domain.provider import Fault
from scheduler.returns import Failure, Nature, Returned, read

OURS = "<4f1c@course.example>"
VERP = "bounces+7k2p@course.example"
#: A collection of real returned mails, when it lies beside the repository.
COLLECTION = Path(__file__).resolve().parents[3] / "shared" / "data" / "bounces"


def mail(body: str, **headers: str) -> bytes:
    """A mail as it arrives at our return address; a header of value "-" is left out."""
    given = {
        "Return_Path": "<>",
        "Delivered_To": VERP,
        "From": "Mail Delivery System <MAILER-DAEMON@mx.example.net>",
        "To": VERP,
        "Subject": "Undelivered Mail Returned to Sender",
        "Date": "Fri, 20 Nov 2026 08:00:05 +0100",
        "Message_ID": "<report-1@mx.example.net>",
        **headers,
    }
    lines = [f"{k.replace('_', '-')}: {v}" for k, v in given.items() if v != "-"]
    return ("\n".join([*lines, "", body])).replace("\n", "\r\n").encode()


def report(*groups: str, words: str = "This is the mail system.", kind: str = "delivery-status"):
    """A standard delivery status notification with these recipients."""
    status = "\n\n".join(["Reporting-MTA: dns; mx.example.net", *groups])
    body = f"""--b
Content-Type: text/plain; charset=utf-8

{words}

--b
Content-Type: message/{kind}

{status}

--b
Content-Type: message/rfc822

From: course@course.example
To: kim@example.org
Subject: Lesson 2
Message-ID: {OURS}

The lesson.
--b--
"""
    return mail(body, Content_Type='multipart/report; report-type=delivery-status; boundary="b"')


def group(
    action="failed", status="5.1.1", said="smtp; 550 5.1.1 User unknown", to="kim@example.org"
):
    return (
        f"Final-Recipient: rfc822; {to}\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: {said}"
    )


def only(returned: Returned) -> Failure:
    (failure,) = returned.failures
    return failure


# Standard reports


@pytest.mark.parametrize("kind", ["delivery-status", "global-delivery-status"])
def test_b5_a_standard_report_is_read_field_by_field(kind):
    returned = read(report(group(), kind=kind))
    assert returned == Returned(
        nature=Nature.BOUNCE,
        failures=(Failure("kim@example.org", Fault.ADDRESS, "5.1.1", "550 5.1.1 User unknown"),),
        sent_to=(VERP,),
        message_ids=(OURS,),
        id="<report-1@mx.example.net>",
        at=datetime(2026, 11, 20, 7, 0, 5, tzinfo=UTC),
    )


def test_b5_each_recipient_has_its_own_fault():
    full = group(status="5.2.2", said="smtp; 552 5.2.2 Mailbox full", to="lee@example.org")
    returned = read(report(group(), full))
    assert [(f.recipient, f.fault) for f in returned.failures] == [
        ("kim@example.org", Fault.ADDRESS),
        ("lee@example.org", Fault.MAILBOX),
    ]


def test_b5_a_delay_is_no_bounce():
    returned = read(report(group("delayed", "4.4.1", "smtp; connection timed out")))
    assert returned.nature is Nature.DELAY
    assert only(returned).fault is Fault.MAILBOX


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_b5_a_report_of_success_is_no_failure(action):
    returned = read(report(group(action, "2.0.0", "smtp; 250 ok")))
    assert (returned.nature, returned.failures) == (Nature.OTHER, ())


def test_b5_of_a_mixed_report_only_the_failures_are_told():
    late = group("delayed", "4.4.1", "smtp; busy", to="lee@example.org")
    fine = group("delivered", "2.0.0", "smtp; 250 ok", to="max@example.org")
    returned = read(report(late, group(), fine))
    assert returned.nature is Nature.BOUNCE
    assert only(returned).recipient == "kim@example.org"


def test_the_refusing_servers_code_outweighs_the_reporters():
    general = group(status="5.0.0", said="smtp; 550 5.1.1 gone")
    other = group(status="5.1.1", said="smtp; 554 5.7.1 rejected as spam")
    assert only(read(report(general))).fault is Fault.ADDRESS
    assert only(read(report(other))).fault is Fault.POLICY


def test_where_the_fields_say_nothing_the_words_are_read():
    silent = "Final-Recipient: rfc822; kim@example.org\nAction: failed\nStatus: 5.0.0"
    words = "<kim@example.org>: host mx.example.org said: 550 No such user"
    failure = only(read(report(silent, words=words)))
    assert failure.fault is Fault.ADDRESS
    assert "No such user" in failure.words


def test_the_address_we_wrote_to_is_named_before_the_one_it_was_forwarded_to():
    both = "Original-Recipient: rfc822;kim@example.org\n" + group(to="kim@forwarded.example")
    assert only(read(report(both))).recipient == "kim@example.org"


def test_a_field_may_go_on_in_the_next_line():
    folded = group(said="smtp; 550\n 5.1.1 <kim@example.org>:\n\tUser unknown")
    assert only(read(report(folded))).words == "550 5.1.1 <kim@example.org>: User unknown"


def test_status_fields_in_base64_are_read():
    fields = base64.b64encode(f"Reporting-MTA: dns; mx\n\n{group()}\n".encode()).decode()
    body = (
        "--b\nContent-Type: message/global-delivery-status\n"
        f"Content-Transfer-Encoding: base64\n\n{fields}\n--b--\n"
    )
    returned = read(mail(body, Content_Type='multipart/report; boundary="b"'))
    assert only(returned).fault is Fault.ADDRESS


def test_status_fields_in_a_plain_text_are_read():
    body = f"It failed.\n\nTechnical report:\n\nReporting-MTA: dns; mx.example.net\n{group()}\n"
    failure = only(read(mail(body)))
    assert (failure.recipient, failure.status) == ("kim@example.org", "5.1.1")


def test_a_report_whose_boundary_is_lost_is_still_read():
    body = f"nothing fits\n\n{group()}\n\nMessage-ID: {OURS}\n"
    returned = read(mail(body, Content_Type='multipart/report; boundary="other"'))
    assert only(returned).fault is Fault.ADDRESS
    assert returned.message_ids == (OURS,)


def test_a_report_that_lost_its_details_is_still_a_bounce():
    body = f"""--b
Content-Type: text/plain

I'm sorry that your message could not
be delivered to one or more recipients.

  --- Delivery report unavailable ---

--b
Content-Type: message/delivery-status

--b
Content-Type: text/rfc822-headers

To: kim@example.org
Message-ID: {OURS}
--b--
"""
    returned = read(mail(body, Content_Type='multipart/report; boundary="b"'))
    assert returned.nature is Nature.BOUNCE
    assert returned.message_ids == (OURS,)
    failure = only(returned)
    assert (failure.recipient, failure.fault) == ("kim@example.org", Fault.MAILBOX)


# Reports in words

QMAIL = f"""Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<kim@example.org>:
192.0.2.4 does not like recipient.
Remote host said: 550 5.1.1 no mailbox of that name
Giving up on 192.0.2.4.

<lee@example.org>:
Remote host said: 552 5.2.2 over quota

--- Below this line is a copy of the message.

Return-Path: <{VERP}>
Message-ID: {OURS}
To: kim@example.org
"""
EXIM = f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  kim@example.org
    SMTP error from remote mail server after RCPT TO:<kim@example.org>:
    host mx.example.org [192.0.2.4]: 550 Unknown user

------ This is a copy of the message, including all the headers. ------

Message-Id: {OURS}
"""
EXCHANGE = """Your message

  To:      kim@example.org
  Subject: Lesson 2
  Sent:    Fri, 20 Nov 2026 07:00:00 +0100

did not reach the following recipient(s):

kim@example.org on Fri, 20 Nov 2026 07:00:01 +0100
    The recipient name is not recognized
"""
SENDMAIL = """   ----- The following addresses had permanent fatal errors -----
<kim@example.org>

   ----- Transcript of session follows -----
... while talking to mx.example.org.:
>>> RCPT To:<kim@example.org>
<<< 550 <kim@example.org>... User unknown
550 <kim@example.org>... User unknown

   ----- Unsent message follows -----
Message-Id: <4f1c@course.example>
"""
DOMINO = """Your message

  Subject: Lesson 2

was not delivered to:

  kim@example.org

because:

  User Kim Doe (kim@example.org) not listed in Domino Directory
"""
OFFICE = """Delivery has failed to these recipients or groups:

kim@example.org<mailto:kim@example.org>
The address you entered couldn't be found.

Diagnostic information for administrators:

kim@example.org
Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found'

Original message headers:

Message-ID: <4f1c@course.example>
"""
OPENSMTPD = """    An error has occurred while attempting to deliver a message for
    the following list of recipients:

kim@example.org: 550 5.1.1 nobody here

    Below is a copy of the original message:

Message-ID: <4f1c@course.example>
"""
NOTES = """------- Failure Reasons  --------

User not listed in public Name & Address Book
kim@example.org

------- Returned Message --------

Message-ID: <4f1c@course.example>
"""
GATEWAY = """Sent <<< RCPT TO:<kim@example.org>
Received >>> 550 5.1.1 <kim@example.org>... user unknown
"""
JAPANESE = """このメールは送信できませんでした。
以下のメールアドレスへの送信に失敗しました。

kim@example.org

-------server message
550 kim@example.org... No such user
-------original message
Message-ID: <4f1c@course.example>
"""


@pytest.mark.parametrize(
    "body",
    [EXIM, EXCHANGE, SENDMAIL, DOMINO, OFFICE, OPENSMTPD, NOTES, GATEWAY, JAPANESE],
    ids=["exim", "exchange", "sendmail", "domino", "office", "opensmtpd", "notes", "gateway", "ja"],
)
@pytest.mark.parametrize("sender", ["MAILER-DAEMON@mx.example.net", "postmaster@example.net"])
def test_a_report_in_words_names_who_and_why(body, sender):
    returned = read(mail(body, From=sender, Return_Path="-", Subject="Undeliverable: Lesson 2"))
    assert returned.nature is Nature.BOUNCE
    failure = only(returned)
    assert (failure.recipient, failure.fault) == ("kim@example.org", Fault.ADDRESS)
    assert set(returned.message_ids) <= {OURS}
    assert bool(returned.message_ids) == (OURS[1:-1] in body)


def test_several_recipients_in_words_keep_their_own_reasons():
    returned = read(mail(QMAIL, Subject="failure notice"))
    assert [(f.recipient, f.fault, f.status) for f in returned.failures] == [
        ("kim@example.org", Fault.ADDRESS, "5.1.1"),
        ("lee@example.org", Fault.MAILBOX, "5.2.2"),
    ]
    assert returned.message_ids == (OURS,)


def test_the_header_exim_adds_is_enough_to_name_the_recipient():
    body = "A message could not be delivered. Its details were lost.\n"
    returned = read(mail(body, From="mail@mx.example.net", X_Failed_Recipients="kim@example.org"))
    assert returned.nature is Nature.BOUNCE
    assert only(returned) == Failure("kim@example.org", Fault.MAILBOX, "", only(returned).words)


def test_an_automatic_mark_does_not_hide_a_bounce():
    returned = read(mail(EXIM, Auto_Submitted="auto-replied", Precedence="auto_reply"))
    assert returned.nature is Nature.BOUNCE


def test_a_report_in_markup_only_is_read():
    body = "<style>p{}</style><p>Your message could not be delivered to</p><p>kim@example.org</p>"
    body += "<pre>550 5.1.1 no such user &lt;here&gt;</pre>"
    failure = only(read(mail(body, Content_Type="text/html")))
    assert (failure.recipient, failure.status) == ("kim@example.org", "5.1.1")


@pytest.mark.parametrize(
    "body",
    [
        "THIS IS A WARNING MESSAGE ONLY.\n\nDelivery to kim@example.org has been delayed.\n",
        (
            "A message has not yet been delivered to:\n\n  kim@example.org\n\n"
            "Delivery attempts will continue. Eventually the software will give up.\n"
        ),
    ],
)
def test_a_delay_in_words_is_a_delay(body):
    returned = read(mail(body, Subject="Delivery Status Notification"))
    assert returned.nature is Nature.DELAY
    assert only(returned).recipient == "kim@example.org"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("550 sender rejected: domain does not exist", Fault.POLICY),
        ("unrouteable address", Fault.MAILBOX),
        ("retry timeout exceeded", Fault.MAILBOX),
        ("Host not found, try again", Fault.MAILBOX),
        ("554 blocked using a list of spammers", Fault.POLICY),
        ("552 message size exceeds the limit", Fault.CONTENT),
        ("550 5.7.26 unauthenticated", Fault.CONFIG),
        ("something odd", Fault.MAILBOX),
    ],
)
def test_nobody_is_called_gone_unless_the_words_say_so(said, fault):
    body = f"Delivery to the following address failed:\n\n  kim@example.org\n    {said}\n"
    assert only(read(mail(body))).fault is fault


# Complaints


def feedback(kind: str) -> bytes:
    body = f"""--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Loop/1.0
Version: 1
Original-Rcpt-To: kim@example.org

--b
Content-Type: message/rfc822

Message-ID: {OURS}
To: kim@example.org

--b--
"""
    kind = 'multipart/report; report-type=feedback-report; boundary="b"'
    return mail(body, Return_Path="<loop@example.net>", From="loop@example.net", Content_Type=kind)


@pytest.mark.parametrize("kind", ["abuse", "fraud", "opt-out", "auth-failure"])
def test_b6_a_feedback_report_is_a_complaint_and_says_of_what(kind):
    returned = read(feedback(kind))
    assert (returned.nature, returned.feedback) == (Nature.COMPLAINT, kind)
    assert returned.failures == ()
    assert returned.message_ids == (OURS,)


def test_b6_not_spam_is_no_complaint():
    assert read(feedback("not-spam")).nature is Nature.OTHER


def test_the_form_of_a_big_provider_is_a_complaint():
    body = "--b\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: kim@example.org\n"
    body += f"Message-ID: {OURS}\n\n--b--\n"
    kind = 'multipart/mixed; boundary="b"'
    returned = read(mail(body, Subject="complaint about message from 192.0.2.1", Content_Type=kind))
    assert (returned.nature, returned.message_ids) == (Nature.COMPLAINT, (OURS,))


def test_the_unsubscribe_button_of_a_mail_program_is_a_wish_to_leave():
    raw = mail(
        "", From="kim@example.org", X_Apple_Unsubscribe="true", Auto_Submitted="auto-replied"
    )
    assert (read(raw).nature, read(raw).feedback) == (Nature.COMPLAINT, "opt-out")


# Answers of machines, and everything else


@pytest.mark.parametrize(
    "mark",
    [
        {"Auto_Submitted": "auto-replied (vacation)"},
        {"Auto_Submitted": "auto-generated", "In_Reply_To": OURS},
        {"X_Auto_Response_Suppress": "All"},
        {"X_Autoreply": "yes"},
        {"Precedence": "auto_reply"},
        {"Subject": "Automatic reply: Lesson 2"},
        {"Subject": "=?utf-8?q?R=C3=A9ponse_automatique_=3A_cours?="},
        {"Subject": "Out of Office: back on Monday"},
        {"Subject": "Abwesenheitsnotiz: Lektion 2"},
    ],
)
@pytest.mark.parametrize("path", ["<>", "<kim@example.org>"])
def test_an_answer_of_a_machine_is_no_failure(mark, path):
    headers = {"Return_Path": path, "From": "Kim <kim@example.org>", "Subject": "Lesson 2", **mark}
    returned = read(mail("I am away until Monday; write to lee@example.org.\n", **headers))
    assert (returned.nature, returned.failures) == (Nature.AUTO_REPLY, ())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"From": "Kim <kim@example.org>", "Subject": "Re: Lesson 2"}, "Thank you!"),
        (
            {"From": "Kim <kim@example.org>", "Subject": "Undelivered lesson?"},
            "Lesson 3 was not delivered to\nkim@example.org. Is that an error 550?",
        ),
        (
            {"From": "News <news@shop.example>", "Subject": "Your undelivered parcel"},
            "Your parcel could not be delivered. Pay here.\nkim@example.org",
        ),
        (
            {"From": "Postmaster <postmaster@school.example>", "Subject": "Re: Undelivered mail"},
            "Hello, delivery failed yesterday, sorry.\n\nlee@school.example",
        ),
        (
            {"From": "Mail System <x@spam.example>", "Subject": "5 undelivered mails"},
            f"Five messages could not be delivered to\n{VERP}\nClick here.",
        ),
        (
            {
                "From": "postmaster@list.example",
                "Subject": "Delivery report",
                "List_Id": "<ops.list.example>",
            },
            "This week 12 mails failed.\nlee@example.org: unknown user",
        ),
        ({"From": "-", "Subject": "-", "To": "-"}, ""),
    ],
)
def test_a_person_a_newsletter_and_an_advertisement_are_no_bounce(headers, body):
    path = headers.get("From", "x@spam.example").split("<")[-1].strip(">")
    returned = read(mail(body, Return_Path="-" if path == "-" else f"<{path}>", **headers))
    assert (returned.nature, returned.failures) == (Nature.OTHER, ())


def test_a_report_of_success_in_words_is_no_failure():
    body = "Your message was successfully delivered to the following recipients:\n\nkim@example.org"
    assert read(mail(body, Subject="Delivery Status Notification")).nature is Nature.OTHER


def test_a_bounce_that_somebody_forwards_is_no_bounce():
    inner = report(group()).decode().replace("\r\n", "\n")
    look = "--o\nContent-Type: text/plain\n\nLook.\n--o\nContent-Type: message/rfc822\n\n"
    body = f"{look}{inner}\n--o--"
    headers = {"From": "kim@example.org", "Return_Path": "<kim@example.org>", "Subject": "Fwd: ?"}
    returned = read(mail(body, Content_Type='multipart/mixed; boundary="o"', **headers))
    assert returned.nature is Nature.OTHER


# What identifies it


def test_every_address_it_was_sent_to_is_told():
    raw = mail(
        EXIM,
        Delivered_To="a@course.example",
        X_Original_To="b@course.example",
        Envelope_To="<c@course.example>",
        X_Envelope_To="d@course.example",
        To="Bounces <e@course.example>, f@course.example",
        Received="from mx by us\n for <g@course.example>; Fri, 20 Nov 2026 07:00:00 +0000",
    )
    assert {one[0] for one in read(raw).sent_to} == set("abcdefg")


@pytest.mark.parametrize(
    "copy",
    [
        f"--b\nContent-Type: message/rfc822\n\nMessage-ID: {OURS}\n\n--b--",
        f"--b\nContent-Type: text/rfc822-headers\n\nTo: a@b.example\nMessage-ID: {OURS}\n\n--b--",
        f"--b\nContent-Type: text/plain\n\nOriginal message:\n\nMessage-Id:\n {OURS}\n\n--b--",
        f"--b\nContent-Type: text/plain\n\n> Message-ID: {OURS}\n\n--b--",
        f"--b\nReceived: from us\nMessage-ID: {OURS}\n\nThe lesson.\n--b--",
        f"--b\nContent-Type: message/delivery-status\n\nX-Original-Message-ID: {OURS}\n\n--b--",
        f"--b\nContent-Type: text/plain\n\nMessage-ID: {OURS[1:-1]}\n\n--b--",
    ],
)
def test_our_message_id_is_found_wherever_it_is_quoted(copy):
    assert read(mail(copy, Content_Type='multipart/mixed; boundary="b"')).message_ids == (OURS,)


def test_its_own_message_id_is_never_among_those_it_speaks_of():
    own = "<report-1@mx.example.net>"
    returned = read(mail(f"Message-ID: {own}\nMessage-ID: {OURS}\n", In_Reply_To=own))
    assert (returned.id, returned.message_ids) == (own, (OURS,))


@pytest.mark.parametrize("given", ["-", "", "no brackets", "<two words>", "<\x07bell@x>"])
def test_without_a_usable_id_the_bytes_are_the_id(given):
    raw = mail("x", Message_ID=given)
    assert read(raw).id == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("date", ["-", "yesterday", "Fri, 99 Nov 2026 99:99:99 +0000"])
def test_a_date_that_is_none_is_none(date):
    assert read(mail("x", Date=date)).at is None


# It never raises

PIECES = [
    b"From: MAILER-DAEMON@x.example\r\n",
    b"Subject: =?utf-8?b?4pyT?= =?x?q?a?= Undelivered\r\n",
    b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n',
    b"Content-Type: multipart/mixed; boundary=\r\n",
    b"Content-Type: message/delivery-status\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: message/feedback-report\r\n",
    b"Content-Type: text/html; charset=utf-7\r\n",
    b"Content-Type: text/plain; charset=idna\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n",
    b"Date: Fri, 31 Dec 9999 23:59:59 -2359\r\n",
    b"Message-ID: <\xff@x>\r\n",
    b"Received: for <a@b.example>;\r\n",
    b"Final-Recipient: rfc822; \xe4@b.example\r\n",
    b"Action: failed\r\nStatus: 5.1.1\r\n",
    b"Diagnostic-Code: smtp; 550-5.1.1 \x00\xf0\x9f\r\n",
    b"550 5.1.1 <a@b.example> unknown user\r\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"\r\n",
    b"begin 644 x\r\n",
    b"=\r\n",
    b"<",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=30), max_size=25).map(b"".join))
def test_no_mail_can_raise(raw):
    returned = read(raw)
    assert all(f.words.isprintable() and f.recipient.isprintable() for f in returned.failures)
    assert returned.at is None or returned.at.utcoffset().total_seconds() == 0
    assert all(one[0] == "<" and one[-1] == ">" for one in returned.message_ids)
    assert bool(returned.failures) == (returned.nature in (Nature.BOUNCE, Nature.DELAY))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 5000,
        bytes(range(256)) * 100,
        b"\n" * 3_000_000,
        b"To: " + b"a@b.example, " * 300_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 80_000 + b"\n\n",
        b'Content-Type: text/plain; "' + b';"' * 400_000 + b"\n\n",
        b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\n" * 150_000,
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n' * 20_000,
        b"Content-Type: message/rfc822\n\n" * 30_000,
        b"Content-Type: text/html\n\n" + b"<" * 1_000_000,
    ],
    ids=lambda raw: f"{raw[:24]!r} {len(raw)}",
)
def test_empty_huge_and_hostile_mail_is_something_else(raw):
    assert read(raw).nature is Nature.OTHER


def test_only_the_beginning_of_a_huge_bounce_is_needed():
    raw = report(group()) + b"x" * 5_000_000
    assert only(read(raw)).fault is Fault.ADDRESS


# A collection of real ones


def test_b7_real_returned_mail_is_recognised():
    """Reads the collection beside the repository; where there is none, there is nothing to read."""
    natures = {path.name: read(path.read_bytes()).nature for path in COLLECTION.glob("*.eml")}
    print(Counter(natures.values()))
    wrong = {
        name: nature
        for name, nature in natures.items()
        if (name.startswith("arf-") and nature is not Nature.COMPLAINT)
        or (name.startswith("rfc3834-") and nature is not Nature.AUTO_REPLY)
        or (name.startswith("is-not-") and nature in (Nature.BOUNCE, Nature.DELAY))
    }
    assert wrong == {}
    failures = [n for name, n in natures.items() if name.startswith(("lhost", "rhost", "rfc3464"))]
    found = sum(nature in (Nature.BOUNCE, Nature.DELAY) for nature in failures)
    assert found >= 0.95 * len(failures)
