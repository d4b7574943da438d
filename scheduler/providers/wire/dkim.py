"""Signs a finished message with DKIM (RFC 6376, 8301, 8463), the last thing before it leaves.

Names each header that people or mail programs act on once more than it is there, so that a
second one added on the way spoils the signature. Refuses to vouch for another domain than that
in `From`, and to sign only the beginning of a body (`l=`). Leaves out when it was signed (`t=`,
which is optional): a retry is the same bytes, as the rest of the message is.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from scheduler.errors import ProviderMisconfigured
from scheduler.providers.wire import given
from scheduler.providers.wire.dkim_keys import SigningKey, entries_of, read_keys

#: Signed when present, in this order.
COVERED = (
    "From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Feedback-ID", "Auto-Submitted",
)  # fmt: skip
#: Signed once more than present: none may be added. The others a relay may rightly add.
SEALED = frozenset({
    "From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To",
    "Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post",
})  # fmt: skip

_LONGEST_LINE = 76
_NEXT_FIELD = re.compile(rb"\r\n(?![ \t])")
_WHITE = re.compile(rb"[ \t]+")


_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class CannotSign(Exception):
    """This message is not ours to vouch for; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one domain, with one key or with two of different kinds."""

    domain: str
    keys: tuple[SigningKey, ...]

    def signed(self, raw: bytes) -> bytes:
        """The same bytes after one signature per key. Raises `CannotSign`."""
        head, _, body = raw.partition(b"\r\n\r\n")
        fields = fields_of(head)
        self._must_be_from_us(fields)
        names = [name for name in COVERED for _ in range(_times(name, fields))]
        headers = covered(fields, names)
        body_hash = b64encode(sha256(relaxed_body(body)).digest()).decode()
        signatures = [self._signature(key, names, headers, body_hash) for key in self.keys]
        return b"".join([*signatures, raw])

    def _must_be_from_us(self, fields: Mapping[str, Sequence[bytes]]) -> None:
        found = fields.get("from", ())
        origins = [field.rstrip(b" >").rpartition(b"@")[2].lower() for field in found]
        if origins != [self.domain.encode()]:
            raise CannotSign(
                f"not signed: DKIM signs for {self.domain}, and the message is not from there;"
                " check EMAIL_FROM and smtp.dkim"
            )

    def _signature(
        self, key: SigningKey, names: Sequence[str], headers: bytes, body_hash: str
    ) -> bytes:
        opening = _folded(
            [
                *("DKIM-Signature:", " v=1;", f" a={key.algorithm};", " c=relaxed/relaxed;"),
                *(f" d={self.domain};", f" s={key.selector};"),
                *(f" h={names[0]}", *(f":{name}" for name in names[1:-1]), f":{names[-1]};"),
                f" bh={body_hash};",
            ]
        )
        field = f"{opening}\r\n b=".encode()
        signature = b64encode(key.sign(headers + relaxed_header(field))).decode()
        return field + _broken(signature, _LONGEST_LINE - len(" b=")).encode() + b"\r\n"


def read_signer(settings: Mapping[str, Any]) -> Signer:
    """From the provider's settings `dkim` and `dkim_domain`. Raises `ProviderMisconfigured`."""
    domain = given.text(settings, "dkim_domain").lower()
    if not _DOMAIN.fullmatch(domain):
        raise ProviderMisconfigured(
            "smtp.dkim signs for the domain of the sender, and there is none;"
            " set EMAIL_FROM to an address at a domain of your own"
        )
    return Signer(domain, read_keys(entries_of(settings)))


def covered(fields: Mapping[str, Sequence[bytes]], names: Sequence[str]) -> bytes:
    """The named fields as they are signed: of several with one name the lowest comes first."""
    left = {name: list(found) for name, found in fields.items()}
    several = (left.get(name.lower()) for name in names)
    return b"".join(found.pop() + b"\r\n" for found in several if found)


def relaxed_header(field: bytes) -> bytes:
    """RFC 6376, 3.4.2, without the line end."""
    name, _, value = field.partition(b":")
    unfolded = _WHITE.sub(b" ", value.replace(b"\r\n", b""))
    return name.rstrip(b" \t").lower() + b":" + unfolded.strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376, 3.4.4: runs of white space shrink to one space, and vanish at line ends."""
    text = body.replace(b"\t", b" ")
    # Halving runs is several times quicker than a pattern, and just as right.
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    text = text.replace(b" \r\n", b"\r\n")
    end = len(text)
    while text.endswith(b"\r\n", 0, end):
        end -= 2
    # An empty body is nothing at all; any other ends with one line end.
    return text[:end] + b"\r\n" if end else b""


def fields_of(head: bytes) -> dict[str, list[bytes]]:
    """The relaxed fields of a header by lower-case name, from top to bottom."""
    found: dict[str, list[bytes]] = {}
    for field in _NEXT_FIELD.split(head):
        relaxed = relaxed_header(field)
        name, colon, _ = relaxed.partition(b":")
        if colon:
            found.setdefault(name.decode("ascii", "replace"), []).append(relaxed)
    return found


def _times(name: str, fields: Mapping[str, Sequence[bytes]]) -> int:
    return len(fields.get(name.lower(), ())) + (name in SEALED)


def _folded(words: Sequence[str]) -> str:
    """The words on as few lines as go; a break stands only where white space may."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) <= _LONGEST_LINE:
            lines[-1] += word
        else:
            lines.append(" " + word.lstrip(" "))
    return "\r\n".join(lines)


def _broken(text: str, first: int) -> str:
    """A long value in lines; the first has less room, the others begin with a space."""
    room = _LONGEST_LINE - 1
    rest = [text[at : at + room] for at in range(first, len(text), room)]
    return "\r\n ".join([text[:first], *rest])
