"""`course doctor` asks the site as a mail provider's machine would, and says what spoils it."""

from __future__ import annotations

import datetime
import socket
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from course.cli.examining.finding import Result
from course.cli.examining.site import site_checks
from scheduler.clock import FixedClock, RealClock
from tests.integration.cli.conftest import Project
from tests.integration.cli.fake_site import FakeSite
from tests.integration.cli.test_serve import Server
from tests.integration.providers.reference_smtp import Authority, make_authority

LONG = datetime.timedelta(days=60)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """One that this machine trusts."""
    made = make_authority(tmp_path, LONG)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca_file))
    return made


def by_check(base_url: str) -> dict[str, Result]:
    return {result.check: result for result in site_checks(base_url)}


def test_u2_a_site_that_is_well(authority: Authority) -> None:
    with FakeSite(tls=authority.server) as site:
        found = by_check(site.url)
        (_, get, _, _), (_, post, headers, body) = site.requests
    assert {check: result.level for check, result in found.items()} == {
        "certificate": "ok", "site": "ok", "one-click": "ok", "clock": "ok",
    }  # fmt: skip
    assert "59 more days" in found["certificate"].found
    assert get == "/healthz"
    assert post.startswith("/leave/")
    assert body == b"List-Unsubscribe=One-Click"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Cookie" not in headers


def test_u2_the_course_itself_answers_as_it_should(project: Project) -> None:
    server = Server(project, "--port", "0")
    try:
        server.get("/healthz")  # it answers
        found = by_check(server.url)
        assert server.stop() == 0
    finally:
        server.process.kill()
        server.process.communicate()
    assert {check: result.level for check, result in found.items()} == {
        "site": "ok", "one-click": "ok", "clock": "ok",
    }  # fmt: skip


def test_a_certificate_that_ends_soon_is_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = make_authority(tmp_path, timedelta(days=13, hours=5))
    monkeypatch.setenv("SSL_CERT_FILE", str(soon.ca_file))
    with FakeSite(tls=soon.server) as site:
        found = by_check(site.url)
    assert found["certificate"].level == "warning"
    assert "13 more days" in found["certificate"].found
    assert found["one-click"].level == "ok"


def test_a_certificate_that_has_ended_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = make_authority(tmp_path, -timedelta(hours=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(ended.ca_file))
    with FakeSite(tls=ended.server) as site:
        found = by_check(site.url)
    assert list(found) == ["certificate"]
    assert found["certificate"].level == "problem"
    assert "expired" in found["certificate"].found


def test_a_certificate_for_another_name_or_of_an_unknown_authority_is_a_problem(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeSite(tls=authority.server) as site:
        other = by_check(site.url.replace("localhost", "127.0.0.1"))
        monkeypatch.delenv("SSL_CERT_FILE")
        unknown = by_check(site.url)
    assert other["certificate"].level == "problem"
    assert "127.0.0.1" in other["certificate"].found
    assert unknown["certificate"].level == "problem"


def test_https_that_is_none_is_a_problem() -> None:
    with FakeSite() as site:
        found = by_check(site.url.replace("http://", "https://"))
    assert found["certificate"].level == "problem"
    assert "does not speak TLS" in found["certificate"].found


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_u2_a_redirected_leave_link_is_a_problem_and_is_not_followed(status: int) -> None:
    with FakeSite(
        {"POST /leave": (status, b"Unsubscribed.\n")},
        headers={"Location": "https://elsewhere.school/x"},
    ) as site:
        found = by_check(site.url)
        assert len(site.requests) == 2
    assert found["one-click"].level == "problem"
    assert f"{status} (go to https://elsewhere.school/x)" in found["one-click"].found
    assert "no redirect" in found["one-click"].fix


@pytest.mark.parametrize("status", [401, 403, 405, 429])
def test_u4_a_leave_link_that_is_turned_away_is_a_problem(status: int) -> None:
    with FakeSite({"POST /leave": (status, b"no")}) as site:
        found = by_check(site.url)
    assert found["site"].level == "ok"
    assert found["one-click"].level == "problem"
    assert "firewall" in found["one-click"].fix


def test_u2_a_friendly_answer_of_something_else_is_not_believed() -> None:
    with FakeSite({"POST /leave": (200, b"<h1>Please prove that you are human</h1>")}) as site:
        assert by_check(site.url)["one-click"].level == "problem"


@pytest.mark.parametrize("body", [b"<h1>It works!</h1>", b"[]", b'"ok"', b"\xff", b"{}"])
def test_a_site_that_is_not_the_course_is_a_problem(body: bytes) -> None:
    with FakeSite({"GET /healthz": (200, body)}) as site:
        assert by_check(site.url)["site"].level == "problem"


def test_a_proxy_with_nothing_behind_it_says_what_to_start() -> None:
    with FakeSite({"GET /healthz": (502, b""), "POST /leave": (502, b"")}) as site:
        found = by_check(site.url)
    assert found["site"].level == "problem"
    assert "course serve" in found["site"].fix


def test_a_site_below_a_path_is_asked_there() -> None:
    with FakeSite({"GET /five/healthz": (200, b'{"status":"ok"}')}) as site:
        found = by_check(f"{site.url}/five")
        assert [path.split("/")[1] for _, path, _, _ in site.requests] == ["five", "five"]
    assert found["site"].level == "ok"
    assert found["one-click"].level == "problem"


def test_a_site_that_cannot_be_reached_is_a_warning() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = by_check(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert list(found) == ["site"]
    assert found["site"].level == "warning"
    assert "could not be reached from here" in found["site"].found


def test_an_answer_that_is_no_http_is_a_warning() -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(100)
                taken.sendall(b"220 mail.example ready\r\n")

        threading.Thread(target=answer, daemon=True).start()
        found = by_check(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert found["site"].level == "warning"


@pytest.mark.parametrize(
    ("hours", "level", "says"),
    [(0, "ok", "agrees"), (2, "warning", "2:00:00 behind"), (-2, "warning", "2:00:00 ahead of")],
)
def test_o26_a_clock_that_is_off_is_told(hours: int, level: str, says: str) -> None:
    now = RealClock().now()
    date = format_datetime(now + timedelta(hours=hours), usegmt=True)
    with FakeSite(date=date) as site:
        found = {r.check: r for r in site_checks(site.url, FixedClock(now.replace(microsecond=0)))}
    assert found["clock"].level == level
    assert says in found["clock"].found


@pytest.mark.parametrize("date", ["soon", "Mon, 99 Foo 2026", "0"])
def test_a_site_with_an_unreadable_date_tells_no_time(date: str) -> None:
    with FakeSite(date=date) as site:
        assert "clock" not in by_check(site.url)
