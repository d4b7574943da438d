"""May we still write to this address, and what does a refusal mean for the enrollment?

Suppression knows addresses only as keyed hashes, so it can outlive erasure.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from scheduler.domain.provider import Fault, Refused


def address_hash(salt: str, address_key: str) -> str:
    """The hash under which an address is suppressed: HMAC-SHA-256, hex.

    `address_key` is the normal form (`store.people.address_key`); `salt` is the installation's.
    """
    return hmac.digest(salt.encode(), address_key.encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a refusal does beyond ending its delivery."""

    #: The address gets nothing more, in any course.
    suppress: bool
    #: Every open enrollment of this address is stopped (reason `bounced`).
    stop: bool
    #: This enrollment is paused until a person looks at it.
    pause: bool


def after_refusal(refused: Refused) -> Consequence:
    """Only a bad address is held against the learner; all else is ours to mend."""
    bad_address = refused.fault is Fault.ADDRESS
    return Consequence(suppress=bad_address, stop=bad_address, pause=not bad_address)
