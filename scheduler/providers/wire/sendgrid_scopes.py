"""Asks SendGrid what a key may do; that it may send mail is what matters.

Every key may ask this. Refuses to take a friendly answer for a good one: without the list it is
not SendGrid that answered.
"""

from __future__ import annotations

import json
from datetime import datetime

from scheduler.domain.probed import Probed
from scheduler.domain.provider import Deferred, Fault
from scheduler.providers.wire import sendgrid_answer
from scheduler.providers.wire.https import Channel
from scheduler.providers.wire.reach import Lost

_NEEDED = "mail.send"
_CANNOT_ERASE = (
    f"whoever is erased here stays known there: {sendgrid_answer.MAY_ERASE} is not among its "
    "rights; give it, or ask SendGrid's support to open it for your account"
)


def ask(channel: Channel, host: str, key: str, now: datetime) -> Probed | Deferred:
    """`now` is aware UTC. The key is in no answer, whatever the server echoes."""
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
    try:
        reply = channel.get("/v3/scopes", headers)
    except Lost as error:
        return Deferred(error.outcome.detail, _fault(error.outcome))
    finally:
        channel.close()
    body = reply.body.replace(key.encode(), b"***")
    if reply.status != 200:
        outcome = sendgrid_answer.outcome(reply.status, dict(reply.headers), body, now)
        return Deferred(getattr(outcome, "detail", ""), _fault(outcome))
    try:
        scopes = json.loads(body)["scopes"]
    except (ValueError, TypeError, KeyError, RecursionError):
        scopes = None
    if not isinstance(scopes, list):
        return Deferred(
            f"{host} answers, but not as SendGrid does. Check SENDGRID_API_URL", Fault.CONFIG
        )
    if _NEEDED not in scopes:
        return Deferred(
            f"the key works at {host} and may not send mail: {_NEEDED} is not among its rights",
            Fault.CONFIG,
        )
    lacking = "" if sendgrid_answer.MAY_ERASE in scopes else _CANNOT_ERASE
    return Probed(f"the key works at {host} and may send mail", lacking)


def _fault(outcome: object) -> Fault:
    """A question that got no answer is asked again; nothing was at stake."""
    return outcome.fault if isinstance(outcome, Deferred) else Fault.TRANSPORT
