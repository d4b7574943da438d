"""G8: signup forms sent to a real `course serve` on SQLite, against a route that only says hello.

Both are asked by the same client over the same number of kept connections, in turns. Each signup
is on disk before it is answered; none may be lost and none doubled, or there is no figure.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from starlette.responses import PlainTextResponse, Response

from scheduler.store import Database
from tests.benchmarks.measuring import ROUNDS, middle
from tests.benchmarks.processes import beside
from tests.benchmarks.table import Row

_CHECKOUT = Path(__file__).resolve().parents[2]
#: Connections kept open at once; each has one request on its way.
_CONNECTIONS = 200
#: Every fifth form is sent twice, as impatient people do.
_TWICE = 5


@dataclass(frozen=True, slots=True)
class _Run:
    """What some requests came to; seconds."""

    per_second: float
    p99: float


def rows(full: bool) -> list[Row]:
    posts = 10_000 if full else 3_000
    share = posts // ROUNDS
    with tempfile.TemporaryDirectory() as folder, beside(_hello) as (address, _):
        bare_host, bare_port = address.split(":")
        with _school(Path(folder)) as port:
            action, fields = _form(port)
            hello, signups, people = [], [], 0
            for part in range(ROUNDS):
                # Somebody new, and for every fifth a second form of the same person.
                new = share * _TWICE // (_TWICE + 1)
                names = [f"p{people + n}" for n in range(new)]
                names += names[: share - new]
                people += new
                forms = [
                    _post(action, {**fields, "email": f"{name}@example.com"}) for name in names
                ]
                greetings = [_post("/hello", {**fields, "email": "p@example.com"})] * len(forms)
                hello.append(asyncio.run(_sent(bare_host, int(bare_port), greetings, b"200", part)))
                signups.append(asyncio.run(_sent("127.0.0.1", port, forms, b"303", part)))
        _counted(Path(folder, "var", "course.db"), people)
    ratio = middle(s.per_second / h.per_second for s, h in zip(signups, hello, strict=True))
    slower = middle(s.p99 / h.p99 for s, h in zip(signups, hello, strict=True))
    rate, bare = middle(s.per_second for s in signups), middle(h.per_second for h in hello)
    p99, bare_p99 = middle(s.p99 for s in signups), middle(h.p99 for h in hello)
    return [
        Row(
            "G8",
            f"signup forms with commit, {posts:,} over {_CONNECTIONS} connections",
            f"{rate:,.0f} a second",
            f"bare route {bare:,.0f}",
            f"{ratio:.2f}",
            ">= 0.40",
            ratio >= 0.4,
        ),
        Row(
            "G8",
            "the same, the slowest of 100",
            f"{p99 * 1e3:,.0f} ms",
            f"bare route {bare_p99 * 1e3:,.0f} ms",
            f"{slower:.1f}",
            "<= 10",
            slower <= 10,
        ),
    ]


def _hello(control: Connection) -> None:
    """The bare route in a program of its own, until the pipe ends."""
    app = FastAPI()

    @app.post("/hello")
    def hello() -> Response:
        return PlainTextResponse("hello")

    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, proxy_headers=False, server_header=False
        )
    )
    listening = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    control.send(f"127.0.0.1:{listening.getsockname()[1]}")
    try:
        control.recv()
    except EOFError:
        server.should_exit = True


@contextmanager
def _school(home: Path) -> Iterator[int]:
    """A real `course serve` that has its files there; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (home / "config.yaml").write_text(
        f"lessons: {_CHECKOUT / 'lessons'}\n"
        f"templates: {_CHECKOUT / 'templates'}\n"
        # All forms come from one network, and at once.
        "signup: {per_ip_per_hour: 100000, min_fill_seconds: 0}\n"
        "log: {level: ERROR}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "course", "--config", str(home / "config.yaml")]
    server = subprocess.Popen(
        [*command, "serve", "--no-worker", "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(_CHECKOUT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(40)


def _form(port: int) -> tuple[str, dict[str, str]]:
    """Where the form of the course page goes, and what a browser would send untouched."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        page = answer.read().decode()
    action = re.search(r'method="post" action="([^"]+)"', page)
    stamp = re.search(r'name="stamp" value="([^"]+)"', page)
    if action is None or stamp is None:
        raise RuntimeError("the course page has no form")
    return action[1], {
        "first_name": "Zoë",
        "lantern": "",
        "stamp": html.unescape(stamp[1]),
        "hour": "07:30",
        "days": "daily",
        "timezone": "Europe/Berlin",
    }


def _post(path: str, fields: dict[str, str]) -> bytes:
    body = urlencode(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _sent(host: str, port: int, requests: Sequence[bytes], status: bytes, part: int) -> _Run:
    """Send them all over kept connections; each must be answered with that status."""
    left, took = list(reversed(requests)), []

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while left:
            request = left.pop()
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            took.append(time.perf_counter() - began)
            if head[9:12] != status:
                raise RuntimeError(f"part {part}: answered with {head[:60]!r}")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(_CONNECTIONS)))
    seconds = time.perf_counter() - began
    return _Run(len(took) / seconds, sorted(took)[len(took) * 99 // 100])


def _counted(file: Path, people: int) -> None:
    """One learner, one run and one mail to confirm for each person, or this was no measurement."""
    db = Database(f"sqlite:///{file}")
    with db.read() as tx:
        found = [
            tx.execute(text(f"SELECT count(*) FROM {what}")).scalar_one()
            for what in (
                "learners",
                "enrollments WHERE state = 'pending'",
                "deliveries WHERE key = '@confirm' AND state = 'due'",
                "deliveries",
            )
        ]
    db.close()
    if found != [people] * 4:
        raise RuntimeError(f"signups were lost or doubled: {found} instead of {people} each")
