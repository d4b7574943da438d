"""Two verifiers of DKIM that others wrote: dkimpy, and Mail::DKIM in Perl. No network."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import dkim as dkimpy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from scheduler.providers.wire.dkim import Signer
from scheduler.providers.wire.dkim_keys import SigningKey, dns_record, record_name
from tests.perl import perl_environment, told

#: What one verifier says of one message: by algorithm, is the signature good?
Verdict = Mapping[str, bool]
GOOD = {"rsa-sha256": True, "ed25519-sha256": True}
BAD = {"rsa-sha256": False, "ed25519-sha256": False}

_SCRIPT = Path(__file__).with_name("mail_dkim.pl")


@cache
def signer(domain: str = "example.org") -> Signer:
    """With a key of each kind; the same in one run of the tests."""
    return Signer(
        domain,
        (
            SigningKey("mail2026", generate_private_key(65537, 2048)),
            SigningKey("mail2026e", Ed25519PrivateKey.generate()),
        ),
    )


def records(one: Signer) -> dict[str, str]:
    """The DNS as its owner should have set it up."""
    return {record_name(key.selector, one.domain): dns_record(key) for key in one.keys}


def verdicts(raws: Sequence[bytes], dns: Mapping[str, str]) -> list[list[Verdict]]:
    """For each message what each verifier says of it."""
    both = zip((by_dkimpy(raw, dns) for raw in raws), by_perl(raws, dns), strict=True)
    return [list(pair) for pair in both]


def by_dkimpy(raw: bytes, dns: Mapping[str, str]) -> Verdict:
    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return dns.get(name.decode().rstrip("."), "").encode()

    asked = dkimpy.DKIM(raw)
    found: dict[str, bool] = {}
    for number in range(sum(name.lower() == b"dkim-signature" for name, _ in asked.headers)):
        one = dkimpy.DKIM(raw)
        try:
            good = one.verify(idx=number, dnsfunc=look_up)
        except dkimpy.DKIMException:
            good = False
        found[one.signature_fields[b"a"].decode()] = good
    return found


def by_perl(raws: Sequence[bytes], dns: Mapping[str, str]) -> list[Verdict]:
    """A version that does not know ed25519 yet is not asked about it: as dkimpy would say."""
    environment = perl_environment("Mail::DKIM::Verifier")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listed = folder / "dns"
        listed.write_text("".join(f"{key}\t{value}\n" for key, value in dns.items()))
        first, *lines = told(environment, _SCRIPT, [listed], raws, folder)
    found: list[dict[str, bool]] = [{} for _ in raws]
    for line in lines:
        number, algorithm, result = line.split()
        found[int(number)][algorithm] = result == "pass"
    if first == "ed25519 unknown":
        for raw, verdict in zip(raws, found, strict=True):
            if "ed25519-sha256" in verdict:
                verdict["ed25519-sha256"] = by_dkimpy(raw, dns)["ed25519-sha256"]
    return list(found)
