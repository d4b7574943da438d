"""`course doctor` as an operator runs it before going live, with a small world outside."""

from __future__ import annotations

import base64
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from course.cli.examining.finding import Result
from course.cli.examining.together import together
from tests.integration.cli.conftest import Answer, Project
from tests.integration.cli.fake_dns import FakeDns
from tests.integration.cli.fake_site import FakeSite
from tests.integration.providers.fake_sendgrid import KEY, FakeSendGrid
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.reference_smtp import (
    PASSWORD,
    USER,
    Authority,
    ReferenceServer,
    make_authority,
)

HOME = "five-days.school"
LONG_KEY = base64.b64encode(b"k" * 294).decode()
ZONE: dict[str, list[str]] = {
    f"{HOME} txt": ['"v=spf1 ip4:93.184.215.14 ~all"'],
    f"_dmarc.{HOME} txt": ['"v=DMARC1; p=none"'],
    f"{HOME} mx": ["10 mx.five-days.school."],
    f"mx.{HOME} a": ["93.184.215.14"],
    f"relay._domainkey.{HOME} txt": [f'"v=DKIM1; p={LONG_KEY[:200]}" "{LONG_KEY[200:]}"'],
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "authority").mkdir()
    return make_authority(tmp_path / "authority", timedelta(days=60))


@contextmanager
def outside(
    authority: Authority, zone: Mapping[str, Sequence[str]] = ZONE, faults: Mapping[str, str] = {}
) -> Iterator[tuple[FakeDns, FakeSite, dict[str, str]]]:
    """DNS and a site, and the settings of a course that lives there."""
    with FakeDns(zone, faults) as dns, FakeSite(tls=authority.server) as site:
        yield dns, site, {
            "BASE_URL": site.url,
            "SSL_CERT_FILE": str(authority.ca_file),
            "SECRET_KEY": "x" * 20,
            "EMAIL_FROM": f"Five Days <hello@{HOME}>",
            "POSTAL_ADDRESS": "Here 1",
        }  # fmt: skip


def levels(answer: Answer) -> dict[str, str]:
    return {row["check"]: row["level"] for row in answer.json["checks"]}


def found(answer: Answer, check: str) -> str:
    return next(row["found"] for row in answer.json["checks"] if row["check"] == check)


def test_a11_a_school_with_a_relay_is_ready(project: Project, authority: Authority) -> None:
    with outside(authority) as (dns, _, settings), \
            ReferenceServer(authority.server, auth=True) as relay:  # fmt: skip
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{relay.port}?starttls=required"
        answer = project.tried(
            "doctor", "--json", "--resolver", dns.address, "--selector", "relay",
            DELIVERY="smtp", SMTP_URL=url, SMTP_CA_FILE=str(authority.ca_file), **settings,
        )  # fmt: skip
        assert relay.kept == []
    told = {c: level for c, level in levels(answer).items() if level != "ok"}
    assert told == {"base URL": "warning"}  # the site of this test is on this machine
    assert answer.code == 0
    assert {"SPF", "DKIM", "DMARC", "alignment", "MX", "site", "one-click", "certificate",
            "clock", "provider"} <= set(levels(answer))  # fmt: skip
    assert "logged in" in found(answer, "provider")
    assert PASSWORD not in answer.out + answer.err


def test_a11_a_school_at_sendgrid_is_ready(project: Project, authority: Authority) -> None:
    keys = {f"s{n}._domainkey.{HOME} cname": ["k.sendgrid.net."] for n in (1, 2)}
    zone = {**ZONE, **keys, "k.sendgrid.net txt": ZONE[f"relay._domainkey.{HOME} txt"]}
    with outside(authority, zone) as (dns, _, settings), FakeSendGrid() as api:
        answer = project.tried(
            "doctor", "--json", "--resolver", dns.address, DELIVERY="sendgrid",
            SENDGRID_API_KEY=KEY, SENDGRID_API_URL=api.url, **settings,
        )  # fmt: skip
        assert api.sent == []
    assert {c for c, level in levels(answer).items() if level != "ok"} == {"base URL"}
    assert "needs no include" in found(answer, "SPF")
    assert KEY not in answer.out + answer.err


def test_a_school_that_set_nothing_up_gets_each_record_to_add(
    project: Project, authority: Authority
) -> None:
    with outside(authority, {f"www.{HOME} a": ["1.1.1.1"]}) as (dns, _, settings), \
            FakeSendGrid(scopes=()) as api:  # fmt: skip
        answer = project.tried(
            "doctor", "--json", "--resolver", dns.address, DELIVERY="sendgrid",
            SENDGRID_API_KEY=KEY, SENDGRID_API_URL=api.url, **settings,
        )  # fmt: skip
    assert answer.code == 3
    problems = {c for c, level in levels(answer).items() if level == "problem"}
    assert problems == {"SPF", "DKIM", "DMARC", "alignment", "MX", "provider"}
    assert [row["record"] for row in answer.json["checks"] if row["record"]] == [
        f'{HOME} TXT "v=spf1 include:sendgrid.net ~all"',
        f'_dmarc.{HOME} TXT "v=DMARC1; p=none; rua=mailto:hello@{HOME}"',
    ]
    for row in answer.json["checks"]:
        assert row["fix"] or row["level"] == "ok", row


def test_a_signature_that_cannot_be_asked_about_is_not_called_missing(
    project: Project, authority: Authority
) -> None:
    faults = {f"s{n}._domainkey.{HOME}": "servfail" for n in (1, 2)}
    with (
        outside(authority, ZONE, faults) as (dns, _, settings),
        FakeSendGrid() as api,
    ):
        answer = project.tried(
            "doctor", "--json", "--resolver", dns.address, DELIVERY="sendgrid",
            SENDGRID_API_KEY=KEY, SENDGRID_API_URL=api.url, **settings,
        )  # fmt: skip
    assert levels(answer)["DKIM"] == "warning"
    assert levels(answer)["SPF"] == "warning"
    assert levels(answer)["DMARC"] == "ok"
    assert "alignment" not in levels(answer)


def test_when_nothing_can_be_asked_each_line_says_so_and_none_is_a_problem(
    project: Project,
) -> None:
    with FakeDns({}, {}) as gone, FakeSite() as down, FakeSendGrid() as away:
        pass
    answer = project.tried(
        "doctor", "--json", "--resolver", gone.address, DELIVERY="sendgrid",
        SENDGRID_API_KEY=KEY, SENDGRID_API_URL=away.url, SECRET_KEY="x" * 20,
        BASE_URL=down.url.replace("http:", "https:"), EMAIL_FROM=f"hello@{HOME}",
        POSTAL_ADDRESS="Here 1",
    )  # fmt: skip
    assert answer.code == 0, answer
    unasked = {row["check"] for row in answer.json["checks"] if "could not be" in row["found"]}
    assert unasked == {"SPF", "DKIM", "DMARC", "MX", "site", "provider"}
    assert "Traceback" not in answer.err


def test_offline_asks_nothing_and_says_what_it_left_out(
    project: Project, authority: Authority
) -> None:
    with outside(authority) as (dns, site, settings), FaultServer() as relay:
        answer = project.tried(
            "doctor", "--json", "--offline", "--resolver", dns.address, DELIVERY="smtp",
            SMTP_URL=relay.url, **settings,
        )  # fmt: skip
        assert (dns.asked, site.requests, relay.connections) == ([], [], 0)
    for what in ("SPF", "DKIM", "DMARC", "MX", "the site", "the provider"):
        assert what in found(answer, "network")
    assert "not tried" in found(answer, "provider")


def test_mail_that_stays_here_asks_no_dns(project: Project) -> None:
    with FakeDns(ZONE) as dns:
        answer = project.run("doctor", "--json", "--resolver", dns.address)
        assert dns.asked == []
    assert not {"SPF", "DKIM", "DMARC", "MX", "network", "site"} & set(levels(answer))


def test_the_records_of_a_freemail_domain_are_not_the_operators_to_mend(
    project: Project, authority: Authority
) -> None:
    with outside(authority) as (dns, _, settings), FaultServer() as relay:
        answer = project.tried(
            "doctor", "--json", "--resolver", dns.address, DELIVERY="smtp", SMTP_URL=relay.url,
            **{**settings, "EMAIL_FROM": "someone@gmail.com"},
        )  # fmt: skip
        assert dns.asked == []
    assert levels(answer)["sender"] == "problem"
    assert levels(answer)["provider"] == "ok"


def test_a_resolver_that_is_none_is_a_wrong_option(project: Project, authority: Authority) -> None:
    with outside(authority) as (_, _, settings), FaultServer() as relay:
        answer = project.tried(
            "doctor", "--resolver", "127.0.0.1:x", DELIVERY="smtp", SMTP_URL=relay.url, **settings
        )
    assert answer.code == 2
    assert "--resolver" in answer.err


def test_bounces_of_another_domain_are_asked_about_there(
    project: Project, authority: Authority
) -> None:
    zone = {**ZONE, "bounces.school txt": ['"v=spf1 mx ~all"'], "bounces.school mx": ["0 ."]}
    with outside(authority, zone) as (dns, _, settings), FaultServer() as relay:
        answer = project.tried(
            "doctor", "--json", "--resolver", dns.address, DELIVERY="smtp", SMTP_URL=relay.url,
            BOUNCE_ADDRESS="back@bounces.school", **settings,
        )  # fmt: skip
    lines = [(row["check"], row["level"], row["found"]) for row in answer.json["checks"]]
    assert any(c == "SPF" and f.startswith("bounces.school") for c, _, f in lines)
    assert any(c == "MX" and level == "problem" and "bounces are lost" in f
               for c, level, f in lines)  # fmt: skip
    assert levels(answer)["alignment"] == "warning"


def in_a_terminal(project: Project, columns: int, *args: str, **env: str) -> str:
    """What a person sees in a terminal so wide, without colours."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "course", *args],
            cwd=project.folder, stdout=theirs, stderr=subprocess.DEVNULL,
            env={**project.environment(**env), "COLUMNS": str(columns), "LANG": "C.UTF-8"},
        )  # fmt: skip
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end was closed
                break
            if not piece:
                break
            seen += piece
        process.wait(60)
    finally:
        os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", seen.decode().replace("\r\n", "\n"))


def test_a_record_stands_alone_on_its_line_and_words_fit_the_terminal(
    project: Project, authority: Authority
) -> None:
    with outside(authority, {f"www.{HOME} a": ["1.1.1.1"]}) as (dns, _, settings), \
            FakeSendGrid() as api:  # fmt: skip
        text = in_a_terminal(
            project, 80, "doctor", "--resolver", dns.address, DELIVERY="sendgrid",
            SENDGRID_API_KEY=KEY, SENDGRID_API_URL=api.url, **settings,
        )  # fmt: skip
    lines = text.splitlines()
    assert f'{HOME} TXT "v=spf1 include:sendgrid.net ~all"' in lines
    record = f'_dmarc.{HOME} TXT "v=DMARC1; p=none; rua=mailto:hello@{HOME}"'
    assert record in lines
    long = [line for line in lines if len(line) > 80 and line != record]
    # Nothing but a single word that cannot be broken, such as a path.
    assert [line for line in long if len(line.split()[-1]) < 50] == []


def test_a_question_that_hangs_is_left_behind_with_what_it_had_found() -> None:
    import threading

    forever = threading.Event()

    def slow() -> Iterator[Result]:
        yield Result("site", "ok", "the first half")
        forever.wait(30)

    results = together([("site", slow), ("MX", lambda: [Result("MX", "ok", "quick")])], 0.2)
    forever.set()
    assert [(r.check, r.level) for r in results] == [
        ("site", "ok"), ("site", "warning"), ("MX", "ok"),
    ]  # fmt: skip
    assert "could not be asked" in results[1].found


def test_a_fault_of_the_program_is_not_hidden_as_a_finding() -> None:
    def broken() -> Iterator[Result]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        together([("site", broken)], 5)
