"""Reads SendGrid's event webhook: first whether it is genuine, then what it reports.

Pure. The signature is checked over the raw bytes before anything is parsed (a trailing line end
counts). SendGrid offers what was not taken again for a day, twice as often as it must and in any
order, so a day of age is no fault and the same event always gets the same id. Ignores kinds of
events and fields it does not know: there will be new ones.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from scheduler.domain.events import EventKind, ProviderEvent
from scheduler.domain.provider import Fault
from scheduler.errors import NotGenuine, ProviderMisconfigured
from scheduler.providers.wire.replies import one_line
from scheduler.providers.wire.sendgrid_request import DELIVERY_ARG
from scheduler.rules import bounces

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

#: Offered again for a day; a little more for slow clocks.
OLDEST = timedelta(hours=25)
#: Our own clock may be behind.
AHEAD = timedelta(minutes=10)

_SIMPLE = {
    "processed": EventKind.TAKEN,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    "bounce": EventKind.BOUNCED,
    "dropped": EventKind.BOUNCED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.LEFT,
    "group_unsubscribe": EventKind.LEFT,
}
_BLAMED = (EventKind.BOUNCED, EventKind.DEFERRED)
_LONGEST_ID = 140


class Ear:
    """Believes only what SendGrid signed."""

    def __init__(self, key: EllipticCurvePublicKey) -> None:
        self._key = key

    def hear(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[ProviderEvent]:
        """See `Listener.hear`."""
        verify(
            self._key,
            signature=headers.get(SIGNATURE, ""),
            timestamp=headers.get(TIMESTAMP, ""),
            body=body,
            now=now,
        )
        return read(body, now)


def public_key(text: str) -> EllipticCurvePublicKey:
    """The verification key as SendGrid's page shows it. Raises `ProviderMisconfigured`."""
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ProviderMisconfigured(
            "sendgrid.webhook_key is not a verification key; copy SENDGRID_WEBHOOK_KEY from"
            " SendGrid's page Settings, Mail Settings, Signed Event Webhook"
        )
    return key


def verify(
    key: EllipticCurvePublicKey, *, signature: str, timestamp: str, body: bytes, now: datetime
) -> None:
    """Raises `NotGenuine` unless SendGrid signed these very bytes within the last day."""
    try:
        signed = base64.b64decode(signature, validate=True)
        key.verify(signed, timestamp.encode("ascii") + body, ECDSA(SHA256()))
        signed_at = datetime.fromtimestamp(int(timestamp), UTC)
    except (InvalidSignature, ValueError, OverflowError, OSError):
        raise NotGenuine("the signature does not fit the report") from None
    if not -AHEAD <= now - signed_at <= OLDEST:
        raise NotGenuine("the report was signed at another time; look at this machine's clock")


def read(body: bytes, now: datetime) -> list[ProviderEvent]:
    """The events about mails of ours. Raises `NotGenuine` where the body is no list of events."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise NotGenuine("the report is no JSON") from None
    if not isinstance(given, list):
        raise NotGenuine("the report is no list of events")
    return list(_events(given, now))


def _events(given: list[Any], now: datetime) -> Iterator[ProviderEvent]:
    for one in given:
        if not isinstance(one, dict):
            continue
        delivery_id = one.get(DELIVERY_ARG)
        kind = _SIMPLE.get(_text(one, "event"))
        # A test mail carries no delivery of ours, and neither do other uses of the account.
        if kind is None or not isinstance(delivery_id, str) or not delivery_id:
            continue
        words = one_line(_text(one, "response") or _text(one, "reason"))
        fault: Fault | None = None
        if kind in _BLAMED:
            fault = bounces.of_sendgrid(
                type=_text(one, "type"),
                classification=_text(one, "bounce_classification"),
                status=_text(one, "status"),
                words=_text(one, "reason") or _text(one, "response"),
            )
            if fault is None:
                # Never tried, because the person had told SendGrid so.
                spam = "spam" in words.lower()
                kind = EventKind.COMPLAINED if spam else EventKind.LEFT
        yield ProviderEvent(
            id=f"sendgrid:{_id(one)}",
            kind=kind,
            delivery_id=delivery_id[:64],
            at=_instant(one.get("timestamp"), now),
            fault=fault,
            detail=words,
        )


def _id(event: dict[str, Any]) -> str:
    given = _text(event, "sg_event_id")
    if given and len(given) <= _LONGEST_ID and given.isprintable():
        return given
    canonical = json.dumps(event, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "replace")).hexdigest()


def _instant(seconds: Any, now: datetime) -> datetime:
    """Never later than now: a report about the future would count tomorrow as well."""
    try:
        return min(datetime.fromtimestamp(float(seconds), UTC), now)
    except (TypeError, ValueError, OverflowError, OSError):
        return now


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""
