"""For machines that watch: is the process alive, is it ready, and how is it going?

`/healthz` asks nothing of the database. `/metrics` is read from the database at each scrape and
shown only to this machine or to the bearer of `METRICS_TOKEN`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from course.web.desk import LOOK, AtDesk, Desk
from scheduler.errors import SchedulerError
from scheduler.store import people, reports

router = APIRouter(include_in_schema=False)


@router.api_route("/healthz", methods=LOOK)
def alive() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.api_route("/readyz", methods=LOOK)
def ready(desk: AtDesk) -> Response:
    """200 when mail would go out; 503 with the reason when it would not."""
    checks = {"database": "ok", "migrations": "ok", "worker": "ok"}
    try:
        with desk.school.db.read() as tx:
            stored = people.get_meta(tx, "last_tick_at")
        if not desk.school.db.is_current():
            checks["migrations"] = "not current: run `course db upgrade`"
        checks["worker"] = _worker(desk, stored)
    except SchedulerError as problem:
        checks["database"] = f"not reachable: {type(problem).__name__}"
        checks["migrations"] = checks["worker"] = "unknown"
    fine = all(value == "ok" for value in checks.values())
    status = "ready" if fine else "not ready"
    return JSONResponse({"status": status, "checks": checks}, status_code=200 if fine else 503)


@router.api_route("/metrics", methods=LOOK)
def metrics(desk: AtDesk, request: Request) -> Response:
    """Prometheus text."""
    if not _may_see(desk, request):
        raise HTTPException(404)
    registry = CollectorRegistry()
    registry.register(_FromDatabase(desk))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _worker(desk: Desk, stored: str | None) -> str:
    if desk.school.demo:
        return "ok"  # its clock leaps; the age of a tick says nothing
    last = latest_tick(desk, stored)
    if last is None:
        return "no worker has run yet: start `course work` or `course serve`"
    age = desk.school.clock.now() - last
    if age > max(timedelta(seconds=60), 2 * _tick(desk)):
        return f"last looked {int(age.total_seconds())} s ago: is `course work` still running?"
    return "ok"


def latest_tick(desk: Desk, stored: str | None) -> datetime | None:
    """When any worker last looked at who is due; this process's own word comes first."""
    own = desk.school.last_tick_at
    if own is not None:
        return own
    return datetime.fromisoformat(stored) if stored else None


def _tick(desk: Desk) -> timedelta:
    return timedelta(seconds=desk.school.settings.scheduler.tick_seconds)


def _may_see(desk: Desk, request: Request) -> bool:
    token = desk.school.settings.metrics_token
    if token:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), token.encode()):
            return True
    return desk.visitors.is_local(request)


class _FromDatabase:
    """One scrape: counted now, kept nowhere, so that every process tells the same story."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        now = self._desk.school.clock.now()
        start = now.replace(hour=0, minute=0, second=0, microsecond=0)
        with self._desk.school.db.read() as tx:
            view = reports.overview(tx, now, start, start + timedelta(days=1))
            tick = latest_tick(self._desk, people.get_meta(tx, "last_tick_at"))
        yield _by_state("course_learners", "Enrollments in each state.", view.learners)
        yield _by_state("course_deliveries_today", "Deliveries of this UTC day.", view.today)
        yield GaugeMetricFamily("course_due", "Deliveries that may leave now.", view.due_now)
        yield GaugeMetricFamily(
            "course_oldest_due_seconds", "Age of the oldest of them.", view.oldest_due_seconds
        )
        yield _by_state("course_failures", "Deliveries a person should look at.", view.failures)
        if tick is not None:
            yield GaugeMetricFamily(
                "course_scheduler_last_tick_timestamp_seconds",
                "When a worker last looked at who is due.",
                tick.timestamp(),
            )


def _by_state(name: str, text: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state, count in sorted(counts.items()):
        family.add_metric([state], count)
    return family
