"""G2: from due to settled through SMTP, against senders that do nothing but send.

Into a sink that answers at once, and beside it into one that takes its time, as most servers do.
"""

from __future__ import annotations

import tempfile

from tests.benchmarks import sink, slow_sink
from tests.benchmarks.measuring import ROUNDS, Cost, middle
from tests.benchmarks.processes import apart, beside
from tests.benchmarks.school import founded
from tests.benchmarks.table import Row
from tests.benchmarks.worker import checked, send_due
from tests.benchmarks.yardsticks import a_ready_message, by_smtp_source, by_smtplib, smtp_source


def rows(full: bool) -> list[Row]:
    due, rounds = (20_000, ROUNDS) if full else (6_000, 3)
    message, program = a_ready_message(), smtp_source()
    ours, plain, source, busy = [], [], [], []
    with tempfile.TemporaryDirectory() as folder, beside(sink.serve) as (address, ask):
        school = founded(f"sqlite:///{folder}/school.db", size=due, due=due)
        url = {"url": f"smtp://{address}"}
        for day in range(rounds):
            before = ask()[1]
            ours.append(checked(apart(send_due, school, "smtp", url, day), due))
            busy.append((ask()[1] - before) / ours[-1].seconds)
            plain.append(apart(by_smtplib, address, due, message))
            if program:
                source.append(by_smtp_source(program, address, due, len(message)))
        taken = ask()[0]
    assert taken == rounds * due * (3 if program else 2), f"the sink took {taken}"
    found = [
        *_beside("smtp-source", due, ours, source, (5.0, 0.30)),
        *_beside("smtplib.sendmail", due, ours, plain, None),
    ]
    share = Row("", "the sink's own CPU while our worker sends", f"{middle(busy):.0%} of a core")
    return [*found, share, _slow_server(1_500 if full else 500, message)]


def _slow_server(due: int, message: bytes) -> Row:
    """The same into a server that thinks each message over, beside smtplib, which waits for it."""
    with tempfile.TemporaryDirectory() as folder, beside(slow_sink.serve) as (address, ask):
        school = founded(f"sqlite:///{folder}/school.db", size=due, due=due)
        ours = checked(apart(send_due, school, "smtp", {"url": f"smtp://{address}"}, 0), due)
        theirs = apart(by_smtplib, address, due, message)
        taken = ask()
    assert taken == 2 * due, f"the slow sink took {taken}"
    think = f"{slow_sink.SECONDS_A_MESSAGE * 1e3:.0f} ms a message"
    return Row(
        "",
        f"into a server that takes {think}, {due:,} due",
        f"{due / ours.seconds:,.0f} msg/s",
        f"smtplib.sendmail {due / theirs.seconds:,.0f}",
        f"{theirs.seconds / ours.seconds:.2f}",
    )


def _beside(
    name: str, due: int, ours: list[Cost], theirs: list[Cost], goal: tuple[float, float] | None
) -> list[Row]:
    cpu, rate = _per_message(ours, due)
    what = f"due to settled by SMTP, {due:,} due, SQLite"
    if not theirs:
        absent = "smtp-source: absent"
        return [
            Row("G2", what, f"{cpu * 1e6:.0f} µs CPU", absent, "", "<= 5"),
            Row("G2", "the same", f"{rate:,.0f} msg/s", absent, "", ">= 0.30"),
        ]
    their_cpu, their_rate = _per_message(theirs, due)
    costs, keeps = cpu / their_cpu, rate / their_rate
    return [
        Row(
            "G2" if goal else "",
            what if goal else "the same, beside a loop over one ready message",
            f"{cpu * 1e6:.0f} µs CPU",
            f"{name} {their_cpu * 1e6:.0f} µs",
            f"{costs:.2f}",
            f"<= {goal[0]:g}" if goal else "",
            costs <= goal[0] if goal else None,
        ),
        Row(
            "G2" if goal else "",
            "the same",
            f"{rate:,.0f} msg/s",
            f"{name} {their_rate:,.0f}",
            f"{keeps:.2f}",
            f">= {goal[1]:.2f}" if goal else "",
            keeps >= goal[1] if goal else None,
        ),
    ]


def _per_message(costs: list[Cost], due: int) -> tuple[float, float]:
    """CPU seconds a message, and messages a second; each the median of its rounds."""
    return middle(c.cpu / due for c in costs), middle(due / c.seconds for c in costs)
