"""Small signed, dated values for cookies and hidden form fields.

Refuses to hide anything: a sealed value can be read by whoever holds it, only not
changed. What must not be read is sealed as a `mark`, which carries no value at all.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from itsdangerous import BadData, Serializer, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode

from scheduler.clock import Clock


@dataclass(frozen=True, slots=True)
class Opened:
    """A sealed value that proved good, and how long ago it was sealed."""

    value: Any
    age: timedelta


class _Serializer(URLSafeTimedSerializer):
    """The same, without the try at compressing that a few words never profit from."""

    def dump_payload(self, obj: Any) -> bytes:
        return base64_encode(Serializer.dump_payload(self, obj))


class Sealer:
    """Seals and opens with a list of keys: the first seals, all open."""

    def __init__(self, keys: Sequence[str], clock: Clock) -> None:
        if not keys:
            raise ValueError("Sealer needs at least one key: set SECRET_KEY")
        # itsdangerous signs with the last key of a list.
        self._keys = list(reversed(keys))
        self._clock = clock

        class _Signer(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(clock.now().timestamp())

        self._signer = _Signer
        #: By purpose: there are few, and making one takes longer than using it.
        self._serializers: dict[str, _Serializer] = {}

    def seal(self, purpose: str, value: Any) -> str:
        """URL-safe text; a value sealed for one purpose does not open for another."""
        return str(self._serializer(purpose).dumps(value))

    def open(self, purpose: str, sealed: str, *, within: timedelta) -> Opened | None:
        """The value, or None when it is forged, garbled or older than `within`."""
        try:
            value, sealed_at = self._serializer(purpose).loads(
                sealed, max_age=int(within.total_seconds()), return_timestamp=True
            )
        except BadData:
            return None
        return Opened(value, self._clock.now() - sealed_at)

    def mark(self, purpose: str, value: object) -> str:
        """Text that only matches `value`, and tells nothing about it."""
        return self._digest(self._keys[-1], purpose, value)

    def marks(self, purpose: str, value: object, text: str) -> bool:
        """Was `text` made by `mark` for this value, by any of the keys?"""
        return any(
            hmac.compare_digest(self._digest(key, purpose, value), text) for key in self._keys
        )

    def _digest(self, key: str, purpose: str, value: object) -> str:
        text = f"web-mark\0{purpose}\0{value}".encode()
        return hmac.digest(key.encode(), text, "sha256").hex()[:32]

    def _serializer(self, purpose: str) -> _Serializer:
        made = self._serializers.get(purpose)
        if made is None:
            made = _Serializer(self._keys, salt=f"web-{purpose}", signer=self._signer)
            self._serializers[purpose] = made
        return made
