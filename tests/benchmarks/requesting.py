"""G5: a lesson by SendGrid, up to 1,000 learners in a request, against one request each."""

from __future__ import annotations

import math
import tempfile
from multiprocessing.connection import Connection

from tests.benchmarks import sink
from tests.benchmarks.measuring import middle
from tests.benchmarks.processes import apart, beside
from tests.benchmarks.school import founded
from tests.benchmarks.table import Row
from tests.benchmarks.worker import checked, send_due
from tests.integration.providers.fake_sendgrid import KEY, FakeSendGrid

_ROUNDS = 3
#: With one request each; the rate does not depend on how many there are.
_FEW = 100


def serve(control: Connection) -> None:
    """The local SendGrid; answers each question with how many requests it has had."""
    with FakeSendGrid() as fake:
        control.send(fake.url)
        while True:
            try:
                control.recv()
            except EOFError:
                return
            control.send(len(fake.requests))
            fake.sent.clear()


def rows(full: bool) -> list[Row]:
    due = 20_000 if full else 4_000
    many, single, smtp, requests = [], [], [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        beside(serve) as (url, ask),
        beside(sink.serve) as (address, _),
    ):
        large = founded(f"sqlite:///{folder}/large.db", size=due, due=due)
        other = founded(f"sqlite:///{folder}/other.db", size=due, due=due)
        small = founded(f"sqlite:///{folder}/small.db", size=_FEW, due=_FEW)
        api = {"api_key": KEY, "api_url": url}
        for day in range(_ROUNDS):
            before = ask()
            many.append(checked(apart(send_due, large, "sendgrid", api, day), due))
            requests.append(ask() - before)
            one_each = {**api, "most": 1}
            single.append(checked(apart(send_due, small, "sendgrid", one_each, day), _FEW))
            server = {"url": f"smtp://{address}"}
            smtp.append(checked(apart(send_due, other, "smtp", server, day), due))
    most = math.ceil(25 * due / 20_000)
    cpu, by_smtp = (middle(c.cpu / due for c in costs) for costs in (many, smtp))
    rate, slow = middle(due / c.seconds for c in many), middle(_FEW / c.seconds for c in single)
    return [
        Row(
            "G5",
            f"SendGrid, {due:,} due of one lesson",
            f"{max(requests)} requests",
            wanted=f"<= {most}",
            met=max(requests) <= most,
        ),
        Row(
            "G5",
            "the same",
            f"{cpu * 1e6:.0f} µs CPU a learner",
            f"by SMTP {by_smtp * 1e6:.0f} µs",
            f"{cpu / by_smtp:.2f}",
            "<= 0.50",
            cpu <= by_smtp / 2,
        ),
        Row(
            "G5",
            "the same",
            f"{rate:,.0f} learners/s",
            f"one request each {slow:,.0f}",
            f"{rate / slow:.0f}",
            ">= 50",
            rate >= 50 * slow,
        ),
    ]
