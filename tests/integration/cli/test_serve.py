"""`course serve`: one process, honest about where it listens, gone within seconds of SIGTERM."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest


class Server:
    """A running `course serve`."""

    def __init__(self, project, *args: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "course", "serve", *args],
            cwd=project.folder,
            env=project.environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.greeting = ""
        while "Outbox" not in self.greeting and "Mail goes to" not in self.greeting:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            self.greeting += line
        found = re.search(r"Learner site +(\S+)", self.greeting)
        assert found
        self.url = found[1].rstrip("/")

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        request = Request(self.url + path, method=method, headers=headers)
        deadline = time.monotonic() + 10
        while True:
            try:
                with urlopen(request, timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except HTTPError as error:
                return error.code, error.read().decode()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@pytest.fixture
def serve(project) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*args: str, **env: str) -> Server:
        started.append(Server(project, "--port", "0", *args, **env))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.communicate()


def until(true: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_it_greets_with_the_address_it_listens_on(project, serve) -> None:
    server = serve()
    assert re.search(r"Admin, once +http://127.0.0.1:\d+/admin/enter\?token=", server.greeting)
    assert "nothing leaves this machine" in server.greeting
    assert server.get("/")[0] == 200
    assert server.get("/healthz")[0] == 200


def test_a_signup_is_answered_by_mail_at_once(project, serve) -> None:
    serve("--demo")
    project.run("learners", "enroll", "ana@example.org")
    until(project.mails, 40)  # another process wrote it: the next look at who is due finds it


def test_links_in_mails_lead_to_the_port_in_use(project, serve) -> None:
    server = serve("--no-worker")
    link = project.run("admin", "login-link").out
    assert link.startswith(f"{server.url}/admin/enter?token=")


def test_without_a_worker_nothing_is_sent(project, serve) -> None:
    project.run("learners", "enroll", "ana@example.org")
    server = serve("--no-worker", SCHEDULER_TICK_SECONDS="0.1")
    assert server.get("/")[0] == 200
    time.sleep(1.5)
    assert project.mails() == []
    assert server.get("/readyz")[0] == 503
    assert project.run("healthcheck", "--url", server.url, ok=False).code == 1


def test_a_demo_has_an_outbox_and_a_next_morning_that_survives_a_restart(project, serve) -> None:
    first = serve("--demo", SCHEDULER_TICK_SECONDS="0.2")
    project.run("learners", "enroll", "ana@example.org", "--consent", "yes", "--hour", "7")
    assert "/outbox" in first.greeting
    for _ in range(2):
        status, _page = first.get("/outbox/next-morning", "POST", Origin=first.url)
        assert status == 200  # after the redirect
    assert first.stop() == 0
    explained = project.run("explain", "ana@example.org", "--json").json["enrollments"][0]
    assert explained["lessons_sent"] == 2
    second = serve("--demo", SCHEDULER_TICK_SECONDS="0.2")
    time.sleep(1)
    again = project.run("explain", "ana@example.org", "--json").json["enrollments"][0]
    assert again["lessons_sent"] == 2
    # Two mornings on, the demo's clock did not fall back to today.
    assert again["now"] >= explained["now"]
    assert second.get("/outbox")[0] == 200


def test_a_demo_refuses_a_database_with_real_people(project, enroll) -> None:
    enroll("ana@example.org")
    answer = project.real("serve", "--demo", "--port", "0")
    assert answer.code == 1
    assert "DATABASE_URL=sqlite:///var/demo.db" in answer.err


def test_a_demos_database_is_never_used_for_real_mail(project, serve) -> None:
    serve("--demo").stop()
    answer = project.real(
        "work", "--once", DELIVERY="smtp", SMTP_URL="smtp://127.0.0.1:9", SECRET_KEY="x" * 20,
        EMAIL_FROM="school@school.example.net", POSTAL_ADDRESS="Here 1",
    )  # fmt: skip
    assert answer.code == 78
    assert "demo" in answer.err


def test_a_demo_keeps_mail_here_whatever_the_environment_says(project, serve) -> None:
    server = serve(
        "--demo", DELIVERY="smtp", SMTP_URL="smtp://127.0.0.1:9", SECRET_KEY="x" * 20,
        EMAIL_FROM="school@school.example.net", POSTAL_ADDRESS="Here 1",
        SCHEDULER_TICK_SECONDS="0.2",
    )  # fmt: skip
    project.run("learners", "enroll", "ana@example.org")
    until(project.mails)
    assert server.get("/outbox")[0] == 200


def test_a_taken_port_is_a_clear_error(project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = project.real("serve", "--port", str(taken.getsockname()[1]))
    assert answer.code == 1
    assert "--port" in answer.err
    assert "Traceback" not in answer.err


def test_sigterm_ends_it_within_seconds(project, serve) -> None:
    server = serve()
    assert server.get("/")[0] == 200
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in server.process.communicate()[1]


def test_two_servers_on_one_database_send_each_mail_once(project, serve) -> None:
    for _ in range(2):
        serve(SCHEDULER_TICK_SECONDS="0.05")
    project.run("learners", "enroll", *(f"p{n}@example.org" for n in range(30)))
    until(lambda: len(project.mails()) >= 30)
    time.sleep(1)
    assert len(project.mails()) == 30


def test_the_log_names_nobody(project, serve) -> None:
    server = serve(SCHEDULER_TICK_SECONDS="0.2", LOG_FORMAT="json")
    project.run("learners", "enroll", "ana@example.org")
    until(project.mails)
    server.stop()
    told = server.process.communicate()[1]
    assert "accepted" in told
    assert "ana@example.org" not in told


def test_healthcheck_of_nobody_says_so(project) -> None:
    answer = project.run("healthcheck", "--url", "http://127.0.0.1:9", ok=False)
    assert answer.code == 1
    assert "course serve" in answer.err
    assert project.run("healthcheck", "--url", "file:///etc/passwd", ok=False).code == 2


def test_healthcheck_of_a_working_server_is_exit_code_0(project, serve) -> None:
    server = serve(SCHEDULER_TICK_SECONDS="0.2")
    until(lambda: server.get("/readyz")[0] == 200)
    assert "is well" in project.run("healthcheck", "--url", server.url).out
