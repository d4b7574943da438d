"""The driver inside one process: APScheduler ticks, a signup wakes it, a watchdog watches it.

APScheduler holds two interval jobs in memory and nothing else: no lesson is ever parked
in it. It sleeps by the wall clock and stalls when that steps back, so a thread on the
monotonic clock starts it anew when a tick is overdue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from scheduler.clock import Clock
from scheduler.dispatch import Dispatcher
from scheduler.errors import SchedulerError
from scheduler.upkeep import Upkeep

log = structlog.get_logger(__name__)

#: Slow housekeeping runs once in this many seconds.
UPKEEP_SECONDS = 300
#: A driver without a finished tick for this many tick lengths is started anew.
STALLED_TICKS = 4


class Embedded:
    """Ticks the dispatcher and the upkeep in this process until stopped."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        upkeep: Upkeep,
        clock: Clock,
        *,
        tick_seconds: float = 20.0,
        after_tick: Callable[[datetime], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """`alive` is called at the start and once a tick, also while a long pass goes on."""
        self._dispatcher = dispatcher
        self._upkeep = upkeep
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._after_tick = after_tick
        self._alive = alive
        #: One pass at a time, whoever asked for it.
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._scheduler: BackgroundScheduler | None = None
        self._watchdog: threading.Thread | None = None
        self._waker: threading.Thread | None = None
        self._beat = clock.monotonic()
        #: When the last pass ended (UTC); None before the first.
        self.last_tick_at: datetime | None = None

    def start(self) -> None:
        """Begin ticking; returns at once. The first pass starts immediately."""
        self._beat = self._clock.monotonic()
        self._start_scheduler()
        self._waker = threading.Thread(target=self._answer_wakes, name="waker", daemon=True)
        self._waker.start()
        self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._watchdog.start()
        self.wake()

    def wake(self) -> None:
        """Look now: something has just become due. Safe from any thread, returns at once."""
        self._wanted.set()

    def stop(self, timeout: float = 30.0) -> bool:
        """End after the window in hand; True if it ended within `timeout` seconds.

        Outcomes that a failing database has not taken yet get as long again. Safe to call twice.
        """
        self._stopping.set()
        self._wanted.set()
        self._dispatcher.stop()
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        ended = self._turn.acquire(timeout=timeout)
        if ended:
            try:
                ended = self._dispatcher.finish(timeout)
            finally:
                self._turn.release()
        for thread in (self._waker, self._watchdog):
            if thread is not None:
                thread.join(timeout=1.0)
        return ended

    def _start_scheduler(self) -> None:
        scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(2)},
            # One late run stands for all missed ones; the database knows what is due.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        scheduler.add_job(self.wake, "interval", seconds=self._tick_seconds, id="tick")
        scheduler.add_job(
            self._keep_up, "interval", seconds=UPKEEP_SECONDS, id="upkeep", next_run_time=None
        )
        scheduler.start()
        scheduler.modify_job("upkeep", next_run_time=scheduler.get_job("tick").next_run_time)
        self._scheduler = scheduler

    def _answer_wakes(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()
            if not self._stopping.is_set():
                self._pass(self._send_due)

    def _keep_up(self) -> None:
        self._pass(self._upkeep.run)

    def _send_due(self) -> None:
        counts = self._dispatcher.run_due().as_dict()
        if any(counts.values()):
            log.info("pass", **{name: n for name, n in counts.items() if n})
        self.last_tick_at = self._clock.now()
        self._after_tick(self.last_tick_at)

    def _pass(self, work: Callable[[], object]) -> None:
        """One turn of work; no fault in it may end the thread that will take the next."""
        with self._turn:
            if self._stopping.is_set():
                return
            try:
                work()
            except SchedulerError as error:
                log.warning("pass_failed", error=str(error))
            except Exception:
                log.exception("pass_failed")
            self._beat = self._clock.monotonic()

    def _watch(self) -> None:
        """Start APScheduler anew when its ticks have stopped coming."""
        limit = self._tick_seconds * STALLED_TICKS
        self._say_alive()
        while not self._stopping.wait(self._tick_seconds):
            self._say_alive()
            if self._turn.locked() or self._clock.monotonic() - self._beat <= limit:
                continue
            log.warning("driver_stalled", seconds=round(self._clock.monotonic() - self._beat))
            stalled, self._scheduler = self._scheduler, None
            if stalled is not None:
                stalled.shutdown(wait=False)
            self._beat = self._clock.monotonic()
            self._start_scheduler()
            self.wake()

    def _say_alive(self) -> None:
        """Nothing depends on it, so no fault in it may end the watchdog."""
        try:
            self._alive()
        except SchedulerError as error:
            log.debug("presence_failed", error=str(error))
        except Exception:
            log.exception("presence_failed")
