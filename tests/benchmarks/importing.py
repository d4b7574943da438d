"""G7: `course import` of a CSV, against a bare bulk insert of the same rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from scheduler.store import Database
from scheduler.store.tables import consents, enrollments, learners
from tests.benchmarks.measuring import Cost, measured, middle
from tests.benchmarks.processes import apart
from tests.benchmarks.table import Row
from tests.mailroom import plant

_MIB = 1 << 20
_ROUNDS = 3
_CHUNK = 1000
_NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "")


def rows(full: bool) -> list[Row]:
    size = 1_000_000 if full else 30_000
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        plant(home)
        (home / "config.yaml").write_text("lessons: lessons\n", encoding="utf-8")
        small, large = _roster(home, size // 10), _roster(home, size)
        least = apart(import_csv, home, small, "small").peak
        for turn in range(1 if full else _ROUNDS):
            ours.append(apart(import_csv, home, large, f"import-{turn}"))
            bare.append(apart(insert_bare, home / f"bare-{turn}.db", size))
    rate, fastest = middle(size / c.seconds for c in ours), middle(size / c.seconds for c in bare)
    most = max(c.peak for c in ours)
    return [
        Row(
            "G7",
            f"import {size:,} CSV rows",
            f"{rate:,.0f} rows/s",
            f"bare insert {fastest:,.0f}",
            f"{rate / fastest:.2f}",
            ">= 0.30",
            rate >= 0.3 * fastest,
        ),
        Row(
            "G7",
            "its peak memory",
            f"{most / _MIB:.0f} MiB",
            f"{size // 10:,} rows: {least / _MIB:.0f} MiB",
            f"{most / least:.2f}",
            "flat (<= 1.1)",
            most <= 1.1 * least,
        ),
    ]


def import_csv(home: Path, file: Path, name: str) -> Cost:
    """What the command itself costs, without starting Python."""
    os.chdir(home)
    os.environ["DATABASE_URL"] = f"sqlite:///{home / name}.db"
    from course.cli.main import cli

    words = ["import", str(file), "--course", "garden", "--consent", "asked in person"]
    Database(os.environ["DATABASE_URL"]).upgrade()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return measured(lambda: cli(words, "course", standalone_mode=False))


def insert_bare(file: Path, size: int) -> Cost:
    """The rows an import leaves behind, by SQLAlchemy Core, a thousand learners a transaction."""
    db = Database(f"sqlite:///{file}")
    db.upgrade()

    def fill() -> None:
        for start in range(1, size + 1, _CHUNK):
            numbers = range(start, min(start + _CHUNK, size + 1))
            with db.write() as tx:
                tx.execute(insert(learners), [_learner(n) for n in numbers])
                tx.execute(insert(enrollments), [_enrollment(n) for n in numbers])
                tx.execute(insert(consents), [_consent(n) for n in numbers])

    cost = measured(fill)
    db.close()
    return cost


def _roster(home: Path, size: int) -> Path:
    def lines() -> Iterator[str]:
        yield "email,first_name,timezone,hour\n"
        for n in range(1, size + 1):
            yield f"learner{n}@example.com,Ada {n % 500},{_ZONES[n % 4]},{6 + n % 4:02}:00\n"

    file = home / f"{size}.csv"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(lines())
    return file


def _learner(n: int) -> dict[str, Any]:
    address = f"learner{n}@example.com"
    return {
        "id": n, "address": address, "address_key": address, "first_name": f"Ada {n % 500}",
        "timezone": _ZONES[n % 4], "language": "en", "created_at": _NOW,
    }  # fmt: skip


def _enrollment(n: int) -> dict[str, Any]:
    return {
        "learner_id": n, "course": "garden", "round": 1, "state": "active",
        "timezone": _ZONES[n % 4], "hour": f"{6 + n % 4:02}:00", "weekdays": "1111111",
        "every_days": 1, "created_at": _NOW, "confirmed_at": _NOW, "next_due_at": _NOW,
        "tzdata_version": "2026a", "updated_at": _NOW,
    }  # fmt: skip


def _consent(n: int) -> dict[str, Any]:
    return {
        "learner_id": n, "enrollment_id": n, "action": "import", "text": "asked in person",
        "source": "course import", "at": _NOW,
    }  # fmt: skip
