"""Writes and opens the signed links that every mail carries.

A link names one enrollment or one delivery and one purpose, and opens nothing else: each purpose
has its own salt. It refuses to look anything up: whoever opens a link gets the id back and must
ask the store what became of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from itsdangerous import BadSignature, Signer, TimestampSigner
from itsdangerous.encoding import base64_encode


class Purpose(StrEnum):
    """What a link may be used for. Each member carries its meaning in the line above it."""

    #: Agree to receive the course; names an enrollment.
    CONFIRM = "confirm"
    #: The learner's own page: lessons, checklist, progress; names an enrollment.
    LEARN = "learn"
    #: Change hour, days and name, pause, resume; names an enrollment.
    MANAGE = "manage"
    #: Withdraw from the course, and nothing more; names an enrollment.
    LEAVE = "leave"
    #: Read in the browser what was sent; names a delivery.
    READ = "read"
    #: "I did it"; names a delivery.
    DONE = "done"
    #: Move to the address this letter went to; names a delivery.
    ADDRESS = "address"
    #: The certificate, for whoever it is shown to; names an enrollment.
    CERTIFICATE = "certificate"
    #: One-time way into the admin pages; names a nonce.
    ADMIN = "admin"


#: How long a link works. A purpose that is not here never expires: mail is read years later, and
#: a leave link has to work for every mail ever sent.
LIFETIMES = {
    Purpose.CONFIRM: timedelta(days=7),
    Purpose.ADDRESS: timedelta(days=7),
    Purpose.ADMIN: timedelta(minutes=10),
}

#: Purposes whose subject is the number of an enrollment, written as it is.
OF_ENROLLMENT = frozenset(
    {Purpose.CONFIRM, Purpose.LEARN, Purpose.MANAGE, Purpose.LEAVE, Purpose.CERTIFICATE}
)

#: 128 bits: RFC 8058 asks for a link that is hard to forge, and 22 characters stay short.
#: As 128 is no multiple of 6 the last character is one of A, Q, g, w: a link in a text part
#: never ends with `-` or `_`, which some mail programs leave out of the link they draw.
SIGNATURE_BYTES = 16
#: Proof in a Message-ID: 80 bits. Id and proof are 42 letters and figures in base 32, as mail
#: servers may change the case: short enough for one header line with most domains.
MESSAGE_MAC_BYTES = 10
_MESSAGE_ID = re.compile(r"<([a-z2-7]{42})@[^<>@\s]{1,255}>", re.IGNORECASE)

_HEX_ID = re.compile(r"[0-9a-f]{32}\Z")
_URL_SAFE = re.compile(r"[A-Za-z0-9_~-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Opened:
    """A genuine link. `subject` is the enrollment id, the delivery id or the nonce, as text."""

    subject: str
    expired: bool


class Links:
    """Every address that goes into a mail, signed.

    `keys[0]` signs, all of them open: put a new key in front to rotate, drop the old one when its
    links may stop working. `now` gives aware UTC; without it the machine's clock is asked.
    `office_now` dates the way into the admin pages where that is another clock: in a demo the
    mail's days fly past, but the person who opens the link has only had ten minutes.
    """

    def __init__(
        self,
        base_url: str,
        keys: Sequence[str],
        now: Callable[[], datetime] | None = None,
        office_now: Callable[[], datetime] | None = None,
    ) -> None:
        if isinstance(keys, str) or not keys or not all(keys):
            raise ValueError("signing needs a list of keys: set SECRET_KEY to 32 random letters")
        self.base_url = base_url.rstrip("/")
        self._now = now
        self._office_now = office_now or self.now
        self._signers = {
            purpose: _signer(purpose, keys, office_now or now if purpose is Purpose.ADMIN else now)
            for purpose in Purpose
        }
        self._lasting = {
            purpose: (f"{self.base_url}/{purpose}/", _Mac(signer.derive_key()))
            for purpose, signer in self._signers.items()
            if purpose not in LIFETIMES
        }
        self._message_macs = [_Mac(_PurposeSigner([k], "message-id").derive_key()) for k in keys]
        self._bounce_keys = [_PurposeSigner([key], "bounce").derive_key() for key in keys]
        self._code_keys = [_PurposeSigner([key], "code").derive_key() for key in keys]

    def confirm(self, enrollment_id: int) -> str:
        """Works for 7 days."""
        return f"{self.base_url}/confirm/{self._dated(Purpose.CONFIRM, str(enrollment_id))}"

    def learn(self, enrollment_id: int) -> str:
        """The learner's own page. Never expires."""
        return self._link(Purpose.LEARN, str(enrollment_id))

    def manage(self, enrollment_id: int) -> str:
        """Hour, days, name, pause. Never expires."""
        return self._link(Purpose.MANAGE, str(enrollment_id))

    def leave(self, enrollment_id: int) -> str:
        """Also the one-click endpoint of RFC 8058. Never expires; authorises leaving only."""
        return self._link(Purpose.LEAVE, str(enrollment_id))

    def certificate(self, enrollment_id: int) -> str:
        """The public page. Never expires; opens nothing of the learner's own."""
        return self._link(Purpose.CERTIFICATE, str(enrollment_id))

    def read(self, delivery_id: str) -> str:
        """The mail as a web page. Never expires."""
        return self._link(Purpose.READ, _packed(delivery_id))

    def done(self, delivery_id: str) -> str:
        """The page with the "I did it" button. Never expires."""
        return self._link(Purpose.DONE, _packed(delivery_id))

    def address(self, delivery_id: str) -> str:
        """Have all mail come where this very letter went. Works for 7 days."""
        return f"{self.base_url}/address/{self._dated(Purpose.ADDRESS, _packed(delivery_id))}"

    def admin_enter(self, nonce: str) -> str:
        """Works for 10 minutes; whoever opens it must see to it that it works once."""
        return f"{self.base_url}/admin/enter?token={self._dated(Purpose.ADMIN, _packed(nonce))}"

    def open(self, purpose: Purpose | str, token: str) -> Opened | None:
        """What a token names, or None when it is forged, garbled or made for another purpose."""
        purpose = Purpose(purpose)
        signer, expired = self._signers[purpose], False
        try:
            if isinstance(signer, TimestampSigner):
                # Compared here and not by `max_age`, which calls a link from a machine whose
                # clock is a second ahead of ours expired.
                value, signed_at = signer.unsign(token, return_timestamp=True)
                now = self._office_now() if purpose is Purpose.ADMIN else self.now()
                expired = now - signed_at > LIFETIMES[purpose]
            else:
                value = signer.unsign(token)
            subject = value.decode("ascii")
        except (BadSignature, UnicodeError):
            return None
        found = subject if purpose in OF_ENROLLMENT else _unpacked(subject)
        return None if found is None else Opened(found, expired)

    def message_id(self, delivery_id: str, domain: str) -> str:
        """`<...@domain>`, the same at every call for one delivery, different for each delivery.

        It names the delivery, so that a mail that comes back tells by itself which one it was.
        """
        mac = self._message_macs[0](delivery_id.encode())
        if _HEX_ID.match(delivery_id) is None:
            return f"<{mac.hex()}@{domain}>"
        named = base64.b32encode(bytes.fromhex(delivery_id) + mac[:MESSAGE_MAC_BYTES])
        return f"<{named.decode('ascii').rstrip('=').lower()}@{domain}>"

    def open_message_id(self, message_id: str) -> str | None:
        """The delivery id in a Message-ID of ours, or None if we have not made it."""
        found = _MESSAGE_ID.fullmatch(message_id.strip())
        if found is None:
            return None
        named = base64.b32decode(f"{found[1].upper()}======")
        delivery_id, mac = named[:16].hex(), named[16:]
        ours = [
            hmac.compare_digest(mac, key(delivery_id.encode())[:MESSAGE_MAC_BYTES])
            for key in self._message_macs
        ]
        return delivery_id if any(ours) else None

    def bounce(self, delivery_id: str, mailbox: str) -> str:
        """`mailbox` with its `*` replaced by a token that names the delivery.

        Lower-case letters and figures only: some servers change the case of a local part.
        """
        if "*" not in mailbox:
            return mailbox
        return mailbox.replace("*", f"{delivery_id}-{_mac(self._bounce_keys[0], delivery_id)}", 1)

    def open_bounce(self, mailbox: str, address: str) -> str | None:
        """The delivery id in a bounce address made from `mailbox`, or None if it is not ours."""
        before, star, after = mailbox.partition("*")
        pattern = re.escape(before) + r"([0-9a-z]{1,64})-([0-9a-f]{20})" + re.escape(after)
        found = re.fullmatch(pattern, address.strip(), re.IGNORECASE)
        if not star or found is None:
            return None
        delivery_id, mac = found[1].lower(), found[2].lower()
        ours = [hmac.compare_digest(mac, _mac(key, delivery_id)) for key in self._bounce_keys]
        return delivery_id if any(ours) else None

    def code(self, delivery_id: str) -> str:
        """Six figures for a confirmation mail, for people who read it on another device.

        Kept nowhere: it is derived, and short. Whoever takes it must ask for more than the code,
        and must count the wrong ones.
        """
        return _code(self._code_keys[0], delivery_id)

    def is_code(self, delivery_id: str, typed: str) -> bool:
        """Are these the figures in that mail, signed by any of the keys?"""
        given = typed.encode()
        ours = [
            hmac.compare_digest(_code(key, delivery_id).encode(), given) for key in self._code_keys
        ]
        return any(ours)

    def now(self) -> datetime:
        """The instant that links are dated with; aware, UTC."""
        if self._now is not None:
            return self._now()
        return datetime.fromtimestamp(TimestampSigner("unused").get_timestamp(), UTC)

    def _dated(self, purpose: Purpose, subject: str) -> str:
        return self._signers[purpose].sign(subject).decode("ascii")

    def _link(self, purpose: Purpose, subject: str) -> str:
        # Five of these go into every mail: the same bytes as `Signer.sign` for a tenth of the CPU.
        start, mac = self._lasting[purpose]
        signature = base64.urlsafe_b64encode(mac(subject.encode("ascii"))).decode("ascii")
        return f"{start}{subject}.{signature.rstrip('=')}"


class _Mac:
    """`hmac.digest(key, value, "sha256")`, shortened, with the key taken in beforehand.

    RFC 2104: H(key ^ opad, H(key ^ ipad, value)). Starting over from the key costs two thirds.
    """

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, value: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return outer.digest()[:SIGNATURE_BYTES]


class _PurposeSigner(Signer):
    """itsdangerous with SHA-256 cut to 128 bits, keys derived once, one spelling a token."""

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        # itsdangerous signs with the last key of its list, we with the first.
        super().__init__(list(reversed(keys)), salt=purpose, digest_method="sha256")
        self._derived = [hmac.digest(key, self.salt, "sha256") for key in self.secret_keys]

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        if secret_key is None:
            return self._derived[-1]
        return self._derived[self.secret_keys.index(_bytes(secret_key))]

    def get_signature(self, value: str | bytes) -> bytes:
        return _signature(self._derived[-1], _bytes(value))

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        # Compared as written: decoding first would accept several spellings of the last letter.
        given, signed = _bytes(sig), _bytes(value)
        return any(hmac.compare_digest(given, _signature(key, signed)) for key in self._derived)


class _DatedSigner(_PurposeSigner, TimestampSigner):
    """The same, with the second of signing inside."""

    now: Callable[[], datetime] | None = None

    def get_timestamp(self) -> int:
        return int(self.now().timestamp()) if self.now else super().get_timestamp()


def _signer(purpose: Purpose, keys: Sequence[str], now: Callable[[], datetime] | None) -> Signer:
    if purpose not in LIFETIMES:
        return _PurposeSigner(keys, purpose)
    dated = _DatedSigner(keys, purpose)
    dated.now = now
    return dated


def _signature(key: bytes, value: bytes) -> bytes:
    return base64_encode(hmac.digest(key, value, "sha256")[:SIGNATURE_BYTES])


def _mac(key: bytes, delivery_id: str) -> str:
    return hmac.digest(key, delivery_id.encode(), "sha256")[:10].hex()


def _code(key: bytes, delivery_id: str) -> str:
    # 64 bits before the remainder: no code is noticeably likelier than another.
    number = int.from_bytes(hmac.digest(key, delivery_id.encode(), "sha256")[:8], "big")
    return f"{number % 1_000_000:06}"


def _packed(subject: str) -> str:
    """A delivery id (32 hex figures) in 22 letters; another id as it is, behind a `~`."""
    if _HEX_ID.match(subject):
        return base64.urlsafe_b64encode(bytes.fromhex(subject)).decode("ascii").rstrip("=")
    if not _URL_SAFE.match(subject):
        raise ValueError(f"{subject!r} cannot stand in a link: use letters, figures, - and _ only")
    return f"~{subject}"


def _unpacked(value: str) -> str | None:
    if value.startswith("~"):
        return value[1:]
    try:
        return base64.urlsafe_b64decode(value + "==").hex()
    except (binascii.Error, ValueError):
        return None


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
