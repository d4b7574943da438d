"""Sends through a mail server, over connections that are kept from batch to batch.

What became of a message follows from how far it came, never from which exception was raised:
before its last byte left it waits, after that silence is uncertainty. Refuses plain text to
any host but this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from scheduler.domain.message import Message
from scheduler.domain.probed import Probed
from scheduler.domain.provider import Deferred, Fault, Outcome, Provider, Uncertain
from scheduler.providers.wire import smtp_probe
from scheduler.providers.wire.kept import Kept
from scheduler.providers.wire.reach import Lost, left, tls_context
from scheduler.providers.wire.smtp_session import Letter, Session
from scheduler.providers.wire.smtp_url import Server, read_server

if TYPE_CHECKING:
    from scheduler.providers.wire.dkim import Signer

#: This many troubles in a row mean that the next message would fare no better.
_TROUBLES = 2
_TOLD_TO_STOP = Deferred("told to stop before its turn", Fault.TRANSPORT)


def connect(settings: Mapping[str, Any]) -> Provider:
    """Settings: `url`, and optionally `ca_file`, `helo`, `connect_timeout`, `timeout`,
    `deadline`, `idle` (seconds), `pool`, `window`; `dkim` (`SELECTOR:FILE` for each key) with
    `dkim_domain`, the domain in `From`. Raises `ProviderMisconfigured`.
    """
    server = read_server(settings)
    if not settings.get("dkim"):
        return Smtp(server)
    # Only who signs pays for loading the cryptography.
    from scheduler.providers.wire.dkim import read_signer

    return Smtp(server, read_signer(settings))


def probe(settings: Mapping[str, Any]) -> Probed | Deferred:
    """Connect, secure, log in and say goodbye; see `scheduler.providers.probe`."""
    return smtp_probe.probe(read_server(settings))


class Smtp:
    """Any number of threads may send at once; each uses a connection of its own."""

    name = "smtp"
    form: Literal["raw", "parts"] = "raw"

    def __init__(self, server: Server, signer: Signer | None = None) -> None:
        self.window = server.window
        self._server = server
        self._signer = signer
        self._context = None if server.tls == "off" else tls_context(server.ca_file, "smtp")
        self._kept: Kept[Session] = Kept(server.pool, server.idle)
        self._broken_off = False

    def break_off(self) -> None:
        """See `Provider.break_off`; the message in hand still gets its answer."""
        self._broken_off = True

    def close(self) -> None:
        """Say goodbye on all idle connections."""
        self._kept.clear()

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        """See `Provider.send`; ends within `deadline` seconds."""
        until = time.monotonic() + self._server.deadline
        waiting: list[Message] = []
        for message in messages:
            # Here and only here: whatever becomes of a connection, nothing is signed twice.
            signed = self._signed(message)
            if isinstance(signed, Message):
                waiting.append(signed)
            else:
                yield message.delivery_id, signed
        kept = self._take(until)
        troubles = 0
        while waiting:
            if self._broken_off:
                yield from _all(waiting, _TOLD_TO_STOP, tried=True)
                break
            if left(until) < self._server.reserve:
                out_of_time = Deferred("no time left in this batch", Fault.TRANSPORT)
                yield from _all(waiting, out_of_time, tried=True)
                break
            may_be_stale = kept is not None
            try:
                session, kept = kept or Session(self._server, self._context, until), None
            except Lost as error:
                yield from _all(waiting, error.outcome, tried=True)
                break
            whole = False
            try:
                letters: list[Letter] = []
                for message in waiting:
                    prepared = session.prepare(message)
                    if isinstance(prepared, Letter):
                        letters.append(prepared)
                    else:
                        yield message.delivery_id, prepared
                waiting = [letter.message for letter in letters]
                for outcome in session.hand_over(letters):
                    may_be_stale = True
                    message = waiting.pop(0)
                    yield message.delivery_id, outcome
                    troubles = troubles + 1 if _is_trouble(outcome) else 0
                    if troubles >= _TROUBLES:
                        yield from _all(waiting, outcome)
                        waiting = []
                        break
                    if self._broken_off:
                        # The server may be waiting for the next body: it never gets one.
                        break
                else:
                    whole = True
            except Lost as error:
                # A connection that had worked before may just have ended: once more on a
                # fresh one. All kept ones are as old, so they go.
                self._kept.clear()
                if not (may_be_stale and isinstance(error.outcome, Deferred)):
                    message = waiting.pop(0)
                    yield message.delivery_id, error.outcome
                    troubles += 1
                    if troubles >= _TROUBLES:
                        yield from _all(waiting, error.outcome)
                        break
            finally:
                self._give_back(session, whole)

    def _signed(self, message: Message) -> Message | Deferred:
        """Nothing may change in the message after this."""
        if self._signer is None or not message.raw:
            return message
        from scheduler.providers.wire.dkim import CannotSign

        try:
            return replace(message, raw=self._signer.signed(message.raw))
        except CannotSign as error:
            return Deferred(str(error), Fault.CONFIG)

    def _take(self, until: float) -> Session | None:
        while (session := self._kept.take()) is not None:
            if session.is_usable:
                session.begin(until)
                return session
            session.hang_up()
        return None

    def _give_back(self, session: Session, whole: bool) -> None:
        if whole and session.is_usable:
            self._kept.give(session)
        else:
            session.hang_up()


def _is_trouble(outcome: Outcome) -> bool:
    """Not this message's doing, so probably the next one's fate too?"""
    if isinstance(outcome, Deferred):
        return outcome.fault in (Fault.TRANSPORT, Fault.CONFIG)
    return isinstance(outcome, Uncertain)


def _all(
    messages: Sequence[Message], cause: Outcome, *, tried: bool = False
) -> Iterator[tuple[str, Outcome]]:
    """These were never handed over: they wait, for the same cause."""
    fault = cause.fault if isinstance(cause, Deferred) else Fault.TRANSPORT
    detail = cause.detail if tried else f"not tried after: {cause.detail}"
    for message in messages:
        yield message.delivery_id, Deferred(detail, fault)
