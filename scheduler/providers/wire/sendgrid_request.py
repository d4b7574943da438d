"""Groups messages into SendGrid requests: one shared body, up to 1,000 learners each.

Pure. Bodies are plain dicts: the library's helpers reverse the order of learners, which its
errors then name by number, and take seconds for what takes milliseconds here. Refuses what the
API would refuse, message by message, because there one bad entry rejects a thousand. The
characters of the bodies, from which SendGrid guesses a charset, are the composer's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.utils import parseaddr
from typing import Any

from scheduler.domain.message import Message
from scheduler.domain.provider import Deferred, Fault, Refused

#: The custom argument that events bring back; prefixed, because events are one flat object.
DELIVERY_ARG = "mcd_delivery"

_MOST_BYTES = 10_000
_MOST_CATEGORIES = 10
_LONGEST_CATEGORY = 255
_ADDRESS = re.compile(r"[!-~]+@[!-~]+\.[!-~]+")
_NOT_IN_ADDRESS = frozenset('<>()[]\\,;:"')
#: The API's own list; it sets these itself.
_FORBIDDEN = frozenset(
    {
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    }
)
#: Everything that rewrites links, adds pixels or inserts an unsubscribe link of their own.
_NO_TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}


def misfit(message: Message) -> Refused | Deferred | None:
    """Why the API would reject this message, or None."""
    to, shared = message.to_addr, message.shared
    if not _is_address(to):
        return Refused("the recipient is not a plain ASCII address", Fault.ADDRESS)
    if shared is None or not (shared.subject and shared.text and shared.html):
        return Refused("the message has no subject, text or HTML", Fault.CONTENT)
    if not _is_address(shared.from_addr):
        return Deferred("the sender is not a plain address; check EMAIL_FROM", Fault.CONFIG)
    size = 0
    for name, value in message.substitutions.items():
        if not isinstance(value, str):
            return Refused(f"the substitution {name} is not text", Fault.CONTENT)
        size += len(name.encode()) + len(value.encode())
    if size > _MOST_BYTES:
        return Refused(
            f"the learner's own parts have {size} bytes, the API takes {_MOST_BYTES}",
            Fault.CONTENT,
        )
    for name, value in message.headers.items():
        if name.lower() in _FORBIDDEN:
            return Refused(f"the API forbids the header {name}", Fault.CONTENT)
        if not isinstance(value, str) or not value.isprintable():
            return Refused(f"the header {name} is not one line of text", Fault.CONTENT)
    return None


def grouped(messages: Iterable[Message], most: int) -> list[list[Message]]:
    """Lists of messages with one shared body, each address once, at most `most` in each.

    Keeps the order; a second message to an address goes into a later request.
    """
    open_groups: dict[int, list[tuple[list[Message], set[str]]]] = {}
    groups: list[list[Message]] = []
    for message in messages:
        address = message.to_addr.lower()
        same_body = open_groups.setdefault(id(message.shared), [])
        for group, addresses in same_body:
            if len(group) < most and address not in addresses:
                break
        else:
            group, addresses = [], set()
            same_body.append((group, addresses))
            groups.append(group)
        group.append(message)
        addresses.add(address)
        if len(group) == most:
            same_body.remove((group, addresses))
    return groups


def body_of(messages: Sequence[Message]) -> dict[str, Any]:
    """The request for one group; `personalizations` stand in the order of `messages`."""
    shared = messages[0].shared
    assert shared is not None
    body: dict[str, Any] = {
        "personalizations": [_personalization(message) for message in messages],
        "from": {"email": shared.from_addr, "name": shared.from_name},
        "subject": shared.subject,
        "content": [
            {"type": "text/plain", "value": shared.text},
            {"type": "text/html", "value": shared.html},
        ],
        "tracking_settings": _NO_TRACKING,
    }
    if not shared.from_name:
        del body["from"]["name"]
    name, address = parseaddr(shared.reply_to)
    if address:
        body["reply_to"] = {"email": address, "name": name} if name else {"email": address}
    categories = dict.fromkeys(c[:_LONGEST_CATEGORY] for c in shared.categories if c)
    if categories:
        body["categories"] = list(categories)[:_MOST_CATEGORIES]
    return body


def _personalization(message: Message) -> dict[str, Any]:
    headers = dict(message.headers)
    # Without one of its own the learners of a request were seen sharing one.
    headers["Message-ID"] = message.message_id
    # No name in `to`: the API rejects some characters in it, and the address is enough.
    return {
        "to": [{"email": message.to_addr}],
        "headers": headers,
        "substitutions": dict(message.substitutions),
        "custom_args": {DELIVERY_ARG: message.delivery_id},
    }


def _is_address(address: str) -> bool:
    return (
        address.count("@") == 1
        and _ADDRESS.fullmatch(address) is not None
        and _NOT_IN_ADDRESS.isdisjoint(address)
    )
