"""`course bounces`: what comes back by mail finds its delivery, and a forgery finds none."""

from __future__ import annotations

import email
import re
from email.message import Message

import pytest

MORNING = "2026-11-02T07:00Z"


def mail_of(project, address: str) -> Message:
    mails = [email.message_from_bytes(file.read_bytes()) for file in project.mails()]
    return next(mail for mail in mails if address in mail["To"])


def bounce(
    message_id: str,
    *,
    to: str = "school@example.org",
    status: str = "5.1.1",
    said: str = "550 5.1.1 no such user",
    recipient: str = "ana@example.org",
    number: int = 1,
) -> str:
    return "\n".join(
        [
            "Return-Path: <>", "From: MAILER-DAEMON@mx.example.org", f"To: {to}",
            "Subject: Undelivered Mail Returned to Sender", f"Message-ID: <b{number}@mx>",
            "Date: Mon, 02 Nov 2026 08:00:00 +0000", "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "", "--b", "Content-Type: text/plain", "", "It could not be delivered.", "",
            "--b", "Content-Type: message/delivery-status", "",
            "Reporting-MTA: dns; mx.example.org", "",
            f"Final-Recipient: rfc822; {recipient}", "Action: failed", f"Status: {status}",
            f"Diagnostic-Code: smtp; {said}", "",
            "--b", "Content-Type: text/rfc822-headers", "", f"Message-ID: {message_id}", "",
            "--b--", "",
        ]
    )  # fmt: skip


@pytest.fixture
def sent(project, enroll):
    enroll("ana@example.org", "ben@example.org", timezone="UTC")
    project.run("work", "--once", "--as-of", "2099-03-02T07:00Z")
    return mail_of(project, "ana@example.org")


def state(project, address: str) -> str:
    return project.run("explain", address, "--json").json["enrollments"][0]["state"]


def test_b5_a_bounce_is_matched_by_our_message_id_and_ends_all_mail(project, sent) -> None:
    file = project.write("back.eml", bounce(sent["Message-ID"]))
    answer = project.run("bounces", str(file), "--json").json
    assert answer["counts"] == {"new": 1}
    assert answer["mails"][0]["fault"] == "address"
    assert answer["mails"][0]["email"] == "ana@example.org"
    assert state(project, "ana@example.org") == "stopped"
    assert state(project, "ben@example.org") == "active"
    told = project.run("explain", "ana@example.org").out
    assert "no such user" in told
    assert project.run("bounces", str(file), "--json").json["counts"] == {"known": 1}


def test_b5_a_forged_bounce_changes_nothing(project, sent) -> None:
    genuine = sent["Message-ID"]
    other = re.sub(r".{16}@", f"{'a' * 16}@", genuine)
    for n, forged in enumerate((other, "<x@y>", "")):
        file = project.write(f"forged{n}.eml", bounce(forged))
        assert project.run("bounces", str(file), "--json").json["counts"] == {"not ours": 1}
    assert state(project, "ana@example.org") == "active"


def test_b5_a_mailbox_that_sends_on_to_a_dead_one_is_not_dead_itself(project, sent) -> None:
    file = project.write("back.eml", bounce(sent["Message-ID"], recipient="x@elsewhere.example"))
    [told] = project.run("bounces", str(file), "--json").json["mails"]
    assert (told["outcome"], told["fault"]) == ("new", "mailbox")
    assert state(project, "ana@example.org") == "active"


def test_a6_the_token_in_the_bounce_address_is_enough(project, enroll) -> None:
    project.write("config.yaml", "lessons: lessons\nbounce_address: back+*@school.example.net\n")
    enroll("ana@example.org", timezone="UTC")
    project.run("work", "--once", "--as-of", "2099-03-02T07:00Z")
    from course import config, wiring
    from scheduler.store import ledger

    school = wiring.build(config.load(env={}), worker=False)
    with school.db.read() as tx:
        owed = ledger.deliveries_of(tx, 1)[0]
    to = school.links.bounce(owed.id, "back+*@school.example.net")
    school.close()
    forged = to.replace(to[-30:-25], "00000")
    file = project.write("forged.eml", bounce("", to=forged, recipient=""))
    assert project.run("bounces", str(file), "--json").json["counts"] == {"not ours": 1}
    file = project.write("back.eml", bounce("", to=to, number=2))
    assert project.run("bounces", str(file), "--json").json["counts"] == {"new": 1}
    assert state(project, "ana@example.org") == "stopped"


def test_stdin_an_mbox_and_a_maildir_are_read(project, sent) -> None:
    one = bounce(sent["Message-ID"], status="5.2.2", said="552 5.2.2 mailbox full")
    assert "new" in project.run("bounces", "-", text=f"From x Mon Nov  2\n{one}").out
    box = project.write(
        "box", f"From a Mon Nov  2\n{one}\nFrom b Mon Nov  2\nSubject: hello\n\nx\n"
    )
    counts = project.run("bounces", str(box), "--json").json["counts"]
    assert counts == {"known": 1, "left alone": 1}
    project.write("Maildir/new/1.host", bounce(sent["Message-ID"], number=3))
    project.write("Maildir/cur/0.host:2,S", "Subject: seen\n\nx\n")
    maildir = str(project.folder / "Maildir")
    looked = project.run("bounces", maildir, "--dry-run", "--json").json
    assert (looked["counts"], state(project, "ana@example.org")) == ({"new": 1}, "active")
    assert project.run("bounces", maildir, "--json").json["counts"] == {"new": 1}
    assert state(project, "ana@example.org") == "stopped"
    assert [f.name for f in (project.folder / "Maildir" / "cur").iterdir() if "1" in f.name] == [
        "1.host:2,S"
    ]
    assert project.run("bounces", maildir, "--json").json["counts"] == {}


def test_b6_a_complaint_ends_all_mail(project, sent) -> None:
    report = bounce(sent["Message-ID"]).replace("delivery-status", "feedback-report")
    report = report.replace("Reporting-MTA", "Feedback-Type: abuse\nUser-Agent: x\nX-Was")
    file = project.write("complaint.eml", report)
    [told] = project.run("bounces", str(file), "--json").json["mails"]
    assert (told["nature"], told["outcome"]) == ("complaint", "new")
    assert project.run("explain", "ana@example.org", "--json").json["suppressed"]


def test_what_is_not_there_is_said(project) -> None:
    answer = project.run("bounces", "nowhere.eml", ok=False)
    assert answer.code == 1
    assert "nowhere.eml" in answer.err
