"""Reads the keys that sign mail, and says what their DNS records must hold.

Refuses keys that receivers do not accept or that need a password, each time with the cure, and
never lets a key into an error, a log or a `repr`.
"""

from __future__ import annotations

import logging
import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from scheduler.errors import ProviderMisconfigured
from scheduler.providers.wire.reach import why

Kind = Literal["rsa", "ed25519"]

#: Receivers take no less (their own floor is 1024) and need not take more (RFC 8301).
_FEWEST_BITS, _MOST_BITS = 2048, 4096
_SELECTOR = re.compile(
    r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE
)
_SHAPE = "smtp.dkim must be SELECTOR:FILE, or two of them parted by a comma"
_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the selector under which its public half stands in the DNS."""

    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def kind(self) -> Kind:
        """The word for it in the DNS record."""
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    @property
    def algorithm(self) -> str:
        """The word for it in the signature."""
        return f"{self.kind}-sha256"

    def sign(self, data: bytes) -> bytes:
        """The same data always has the same signature."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, _PADDING, _SHA256)
        return self.private.sign(sha256(data).digest())  # the digest: RFC 8463, 3


def dns_record(key: SigningKey) -> str:
    """What the TXT record at `record_name` must hold."""
    public = key.private.public_key()
    if isinstance(key.private, RSAPrivateKey):
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    else:
        encoding, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return f"v=DKIM1; k={key.kind}; p={b64encode(public.public_bytes(encoding, form)).decode()}"


def record_name(selector: str, domain: str) -> str:
    """Where in the DNS a receiver looks for the key."""
    return f"{selector}._domainkey.{domain}"


def read_keys(entries: Sequence[str]) -> tuple[SigningKey, ...]:
    """The keys named by `SELECTOR:FILE`, the RSA key first. Raises `ProviderMisconfigured`."""
    keys = [_read(entry) for entry in entries]
    keys.sort(key=lambda key: key.kind != "rsa")
    kinds = [key.kind for key in keys]
    if len(set(kinds)) < len(kinds):
        raise ProviderMisconfigured(
            f"smtp.dkim names two {kinds[-1]} keys; keep the one whose DNS record is published"
            " (a second key may only be of the other kind)"
        )
    if kinds == ["ed25519"]:
        raise ProviderMisconfigured(
            "smtp.dkim names an ed25519 key alone, which many receivers cannot check yet;"
            " add an RSA key before it: course dkim new SELECTOR FILE"
        )
    if len({key.selector.lower() for key in keys}) < len(keys):
        raise ProviderMisconfigured(
            "smtp.dkim names two keys under one selector; give each its own, as in the DNS"
        )
    return tuple(keys)


def is_selector(text: str) -> bool:
    """May this stand before `._domainkey`?"""
    return len(text) <= 63 and _SELECTOR.fullmatch(text) is not None


def write_new_key(file: Path, selector: str, kind: Kind) -> SigningKey:
    """A fresh key in a new file that only its owner can read. Raises `OSError`."""
    private: RSAPrivateKey | Ed25519PrivateKey = (
        generate_private_key(65537, _FEWEST_BITS) if kind == "rsa" else Ed25519PrivateKey.generate()
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(pem)
    except OSError:
        file.unlink()
        raise
    return SigningKey(selector, private)


def entries_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The setting `dkim` of a provider: a list, or text parted by commas."""
    given = settings.get("dkim") or ()
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _read(entry: str) -> SigningKey:
    selector, colon, name = entry.partition(":")
    if not colon or not name or not is_selector(selector):
        # The entry is not repeated: somebody may have given the key itself.
        raise ProviderMisconfigured(
            f"{_SHAPE}, such as mail2026:dkim.pem; a selector is made of letters, digits, - and ."
        )
    file = Path(name)
    what = f"smtp.dkim: the key file {file}"
    try:
        with file.open("rb") as opened:
            readable_by_all = os.fstat(opened.fileno()).st_mode & 0o004
            pem = opened.read()
    except OSError as error:
        raise ProviderMisconfigured(
            f"{what} cannot be read ({why(error)}); correct the path, or the file's owner and"
            " rights, or make a key: course dkim new SELECTOR FILE"
        ) from None
    if readable_by_all:
        log.warning(
            "anybody on this machine can read the DKIM key %s; do: chmod 600 %s", file, file
        )
    return SigningKey(selector, _checked(_parsed(pem, what), what))


def _parsed(pem: bytes, what: str) -> object:
    # Never chained: what the parser says may quote what it read.
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ProviderMisconfigured(
            f"{what} needs a password, which a program that starts by itself cannot type;"
            " write it without: openssl pkey -in FILE -out NEWFILE"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ProviderMisconfigured(
            f"{what} holds no private key in PEM (-----BEGIN PRIVATE KEY-----);"
            " name the private key, not the DNS record or the public key"
        ) from None


def _checked(private: object, what: str) -> RSAPrivateKey | Ed25519PrivateKey:
    if isinstance(private, Ed25519PrivateKey):
        return private
    if not isinstance(private, RSAPrivateKey):
        raise ProviderMisconfigured(
            f"{what} is neither an RSA nor an ed25519 key; make one: course dkim new SELECTOR FILE"
        )
    if not _FEWEST_BITS <= private.key_size <= _MOST_BITS:
        raise ProviderMisconfigured(
            f"{what} has {private.key_size} bits; receivers want {_FEWEST_BITS} to {_MOST_BITS}:"
            " make a new one with course dkim new SELECTOR FILE, and publish its record"
        )
    return private
