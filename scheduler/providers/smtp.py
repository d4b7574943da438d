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
from scheduler.domain.provider import Deferred, Fault, Outcome, Provider
from scheduler.providers.wire import smtp_probe
from scheduler.providers.wire.reach import tls_context
from scheduler.providers.wire.smtp_crew import Crew
from scheduler.providers.wire.smtp_url import Server, read_server

if TYPE_CHECKING:
    from scheduler.providers.wire.dkim import Signer


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
        context = None if server.tls == "off" else tls_context(server.ca_file, "smtp")
        self._crew = Crew(server, context)

    def break_off(self) -> None:
        """See `Provider.break_off`; the message in hand still gets its answer."""
        self._crew.break_off()

    def close(self) -> None:
        """Say goodbye on all idle connections."""
        self._crew.close()

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        """See `Provider.send`; ends within `deadline` seconds."""
        until = time.monotonic() + self._server.deadline
        ready: list[Message] = []
        for message in messages:
            # Here and only here: whatever becomes of a connection, nothing is signed twice.
            signed = self._signed(message)
            if isinstance(signed, Message):
                ready.append(signed)
            else:
                yield message.delivery_id, signed
        yield from self._crew.work(ready, until)

    def _signed(self, message: Message) -> Message | Deferred:
        """Nothing may change in the message after this."""
        if self._signer is None or not message.raw:
            return message
        from scheduler.providers.wire.dkim import CannotSign

        try:
            return replace(message, raw=self._signer.signed(message.raw))
        except CannotSign as error:
            return Deferred(str(error), Fault.CONFIG)
