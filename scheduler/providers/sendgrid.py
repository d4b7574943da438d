"""Sends through SendGrid's v3 API: up to 1,000 learners of one lesson in a request.

Uses the `sendgrid` package, whose transport has no timeout, connects anew for each call,
follows redirects with the key attached and logs it when debugging: that layer is replaced by
`wire.https`. Refuses to track: opens, clicks and inserted unsubscribe links are off in every
request. There is no idempotency key, so silence after a request is uncertainty.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from scheduler.clock import Clock, RealClock
from scheduler.domain.message import Message
from scheduler.domain.probed import Probed
from scheduler.domain.provider import Deferred, Fault, Listener, Outcome, Refused
from scheduler.errors import ProviderMisconfigured
from scheduler.providers.wire import given, sendgrid_answer, sendgrid_scopes
from scheduler.providers.wire.https import Channel, Host, Reply
from scheduler.providers.wire.kept import Kept
from scheduler.providers.wire.narrowing import Answer, Narrowing
from scheduler.providers.wire.reach import Lost, is_loopback, left, tls_context
from scheduler.providers.wire.sendgrid_request import body_of, grouped, misfit

_DEFAULT_URL = "https://api.sendgrid.com"
_MOST = 1000
_KEPT = 4
#: Shorter than the idle limits of the load balancers in front of such an API.
_IDLE_S = 30.0


def connect(settings: Mapping[str, Any]) -> SendGrid:
    """Settings: `api_key`, and optionally `api_url`, `ca_file`, `connect_timeout`, `timeout`,
    `deadline` (seconds), `most` (learners in a request). Raises `ProviderMisconfigured`.
    """
    key = given.text(settings, "api_key")
    if not key:
        raise ProviderMisconfigured("sendgrid.api_key is empty; set SENDGRID_API_KEY")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ProviderMisconfigured(
            "sendgrid.api_key has spaces or odd characters; copy SENDGRID_API_KEY again"
        )
    return SendGrid(
        key,
        _host(settings),
        ca_file=given.text(settings, "ca_file"),
        deadline=given.number(settings, "sendgrid", "deadline", 50, below=60),
        most=int(max(1, given.number(settings, "sendgrid", "most", _MOST, below=_MOST + 1))),
    )


def listen(settings: Mapping[str, Any]) -> Listener | None:
    """Settings: `webhook_key`; without it nobody is believed. Raises `ProviderMisconfigured`."""
    key = given.text(settings, "webhook_key")
    if not key:
        return None
    # Only who listens pays for loading the cryptography.
    from scheduler.providers.wire.sendgrid_events import Ear, public_key

    return Ear(public_key(key))


def probe(settings: Mapping[str, Any]) -> Probed | Deferred:
    """Ask what the key may do; see `scheduler.providers.probe`."""
    return connect(settings).probe()


def forget(settings: Mapping[str, Any], people: Mapping[str, datetime]) -> Deferred | None:
    """Have SendGrid erase all it keeps of these; see `scheduler.providers.forget`."""
    return connect(settings).forget(list(people))


def _host(settings: Mapping[str, Any]) -> Host:
    cure = f"set SENDGRID_API_URL to {_DEFAULT_URL} or https://api.eu.sendgrid.com"
    try:
        parts = urlsplit(given.text(settings, "api_url") or _DEFAULT_URL)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ProviderMisconfigured(f"sendgrid.api_url cannot be read; {cure}") from None
    if not host or parts.scheme not in ("http", "https"):
        raise ProviderMisconfigured(f"sendgrid.api_url is no https:// address; {cure}")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ProviderMisconfigured(f"sendgrid.api_url holds more than a host; {cure}")
    secure = parts.scheme == "https"
    if not secure and not is_loopback(host):
        raise ProviderMisconfigured(f"sendgrid.api_url would send the key in plain text; {cure}")
    return Host(
        name=host,
        port=port or (443 if secure else 80),
        secure=secure,
        connect_timeout=given.number(settings, "sendgrid", "connect_timeout", 10, below=60),
        timeout=given.number(settings, "sendgrid", "timeout", 30, below=60),
    )


class SendGrid:
    """Any number of threads may send at once; each uses a client of its own."""

    name = "sendgrid"
    form: Literal["raw", "parts"] = "parts"

    def __init__(
        self,
        api_key: str,
        host: Host,
        *,
        ca_file: str = "",
        deadline: float = 50.0,
        most: int = _MOST,
        clock: Clock | None = None,
    ) -> None:
        #: One request: what a crash leaves uncertain.
        self.window = most
        self._key = api_key
        self._host = host
        self._context = tls_context(ca_file, "sendgrid")
        self._deadline = deadline
        self._clock = clock or RealClock()
        self._kept: Kept[_Client] = Kept(_KEPT, _IDLE_S)
        self._broken_off = False

    def break_off(self) -> None:
        """See `Provider.break_off`; a request under way still gets its answer."""
        self._broken_off = True

    def close(self) -> None:
        """Hang up all idle connections."""
        self._kept.clear()

    def probe(self) -> Probed | Deferred:
        """Would it take our mail? Sends nothing; ends within `deadline` seconds."""
        channel = Channel(self._host, self._context)
        channel.begin(time.monotonic() + self._deadline)
        return sendgrid_scopes.ask(channel, self._host.name, self._key, self._clock.now())

    def forget(self, addresses: Sequence[str]) -> Deferred | None:
        """Begin an erase job for these, at most 5,000; None once SendGrid has taken it."""
        client = _Client(self._key, Channel(self._host, self._context))
        client.channel.begin(time.monotonic() + self._deadline)
        try:
            status, body = client.erase(addresses)
        except Lost as error:
            return Deferred(error.outcome.detail, Fault.TRANSPORT)
        finally:
            client.close()
        return sendgrid_answer.still_kept(status, body.replace(self._key.encode(), b"***"))

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        """See `Provider.send`; ends within `deadline` seconds."""
        until = time.monotonic() + self._deadline
        fit = []
        for message in messages:
            wrong = misfit(message)
            if wrong is None:
                fit.append(message)
            else:
                yield message.delivery_id, wrong
        if not fit:
            return
        client = self._kept.take() or _Client(self._key, Channel(self._host, self._context))
        client.channel.begin(until)

        def post(part: Sequence[Message]) -> Answer:
            return self._request(client, part, until)

        try:
            yield from Narrowing(post).run(grouped(fit, self.window))
        finally:
            self._kept.give(client)

    def _request(self, client: _Client, part: Sequence[Message], until: float) -> Answer:
        if self._broken_off:
            return Answer(Deferred("told to stop before its turn", Fault.TRANSPORT))
        if left(until) < min(self._host.timeout, self._deadline / 5):
            # Too late to wait for the answer: better not sent than uncertain.
            return Answer(Deferred("no time left in this batch", Fault.TRANSPORT))
        try:
            status, headers, body = client.send(body_of(part))
        except Lost as error:
            return Answer(error.outcome)
        body = body.replace(self._key.encode(), b"***")
        outcome = sendgrid_answer.outcome(status, headers, body, self._clock.now())
        if isinstance(outcome, Refused):
            complaints = sendgrid_answer.complaints(body) if status == 400 else ()
            return Answer(outcome, complaints, counts=status == 400)
        return Answer(outcome)


class _Client:
    """The library's client over our channel."""

    def __init__(self, key: str, channel: Channel) -> None:
        # Imported on the first send: it takes a quarter of a second.
        import python_http_client.client as library
        import sendgrid

        _keep_quiet(library.__name__)

        class OverOurChannel(library.Client):  # type: ignore[misc]
            """The library makes a new client for each part of the path: make ours."""

            def _build_client(self, name: str | None = None) -> OverOurChannel:
                return OverOurChannel(
                    host=self.host,
                    version=self._version,
                    # A copy: the library writes into what it is given.
                    request_headers=dict(self.request_headers),
                    url_path=[*self._url_path, name] if name else self._url_path,
                )

            def _make_request(self, _opener: Any, request: Any, **_limits: Any) -> Reply:
                return channel.post(request.selector, dict(request.header_items()), request.data)

        api = sendgrid.SendGridAPIClient(api_key=key)
        api.client = OverOurChannel(
            host="https://sendgrid.invalid",  # only the path of it is used
            request_headers=api._default_headers,
            version=3,
        )
        self.channel = channel
        self._api = api

    def send(self, body: dict[str, Any]) -> tuple[int, Mapping[str, Any], bytes]:
        """(status, headers, body) of one mail/send; raises `Lost`."""
        response = self._api.send(body)
        return response.status_code, response.headers, response.body

    def erase(self, addresses: Sequence[str]) -> tuple[int, bytes]:
        """(status, body) of one recipients/erasejob; raises `Lost`."""
        body = {"email_addresses": list(addresses)}
        response = self._api.client.recipients.erasejob.post(request_body=body)
        return response.status_code, response.body

    def close(self) -> None:
        self.channel.close()


def _keep_quiet(name: str) -> None:
    """At DEBUG the library logs the key and every recipient, whatever level we are set to."""
    logger = logging.getLogger(name)
    if not any(isinstance(f, _NoDebug) for f in logger.filters):
        logger.addFilter(_NoDebug())


class _NoDebug(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING
