"""Reads one setting's value from text or YAML. Refuses with what is allowed, never with a guess."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

#: Turns a raw value into the setting's value, or raises ValueError saying what is allowed.
Reader = Callable[[Any], Any]

_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9-]{1,63})+", re.IGNORECASE
)
_SIGNING_KEY = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?:[^\x00-\x1f\x7f]+", re.IGNORECASE)
_SIGNING_KEYS = "SELECTOR:FILE, such as mail2026:dkim.pem; two of them are parted by a comma"
_HIDDEN = re.compile(r"(://[^/@:]*:)[^@]*@")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A sender: display name (may be empty) and ASCII-domain address."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


def text(raw: Any) -> str:
    """One line of text, outer white space removed."""
    if isinstance(raw, (dict, list)):
        raise ValueError("one line of text")
    value = str(raw).strip()
    if any(ord(letter) < 32 for letter in value):
        raise ValueError("one line of text without control characters")
    return value


def lines(raw: Any) -> str:
    """Text that may run over several lines, as a postal address does."""
    if isinstance(raw, (dict, list)):
        raise ValueError("text")
    return "\n".join(line.strip() for line in str(raw).strip().splitlines())


def flag(raw: Any) -> bool:
    """A yes or a no."""
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise ValueError("yes or no (also 1/0, true/false, on/off)")


def whole(low: int, high: int) -> Reader:
    """A whole number in a range, both ends included."""

    def read(raw: Any) -> int:
        if not isinstance(raw, bool) and re.fullmatch(r"[+-]?\d+", str(raw).strip()):
            value = int(str(raw))
            if low <= value <= high:
                return value
        raise ValueError(f"a whole number from {low} to {high}")

    return read


def number(low: float, high: float) -> Reader:
    """A number in a range, both ends included."""

    def read(raw: Any) -> float:
        try:
            value = float(str(raw)) if not isinstance(raw, bool) else float("nan")
        except ValueError:
            value = float("nan")
        if low <= value <= high:
            return value
        raise ValueError(f"a number from {low:g} to {high:g}")

    return read


def choice(*allowed: str) -> Reader:
    """One of a few words, whatever their case."""

    def read(raw: Any) -> str:
        for word in allowed:
            if str(raw).strip().lower() == word.lower():
                return word
        raise ValueError("one of " + ", ".join(allowed))

    return read


def web_address(raw: Any) -> str:
    """An http or https address without query; the trailing slash is removed."""
    value = str(raw).strip()
    parts = urlsplit(value)
    try:
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or parts.username or re.search(r"\s", value):
        raise ValueError("a web address such as https://course.example.org, without ? or #")
    return value.rstrip("/")


def database_address(raw: Any) -> str:
    """A SQLite or PostgreSQL address; `postgres://` is accepted too."""
    value = str(raw).strip()
    if re.match(r"sqlite:///.+", value):
        return value
    if re.match(r"postgres(ql)?(\+psycopg)?://", value):
        return value
    raise ValueError("sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")


def smtp_address(raw: Any) -> str:
    """`smtp://` (STARTTLS) or `smtps://` (TLS from the start), with a host."""
    value = str(raw).strip()
    parts = urlsplit(value)
    try:
        sound = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("smtp://USER:PASSWORD@HOST:PORT or smtps://USER:PASSWORD@HOST:PORT")
    return value


def mailbox(raw: Any) -> Mailbox:
    """`course@example.org` or `My Course <course@example.org>`."""
    value = text(raw)
    name, address = parseaddr(value)
    local, _, domain = address.rpartition("@")
    if not local or not _DOMAIN.fullmatch(domain) or re.search(r"\s", address):
        raise ValueError("an address such as course@example.org or My Course <course@example.org>")
    return Mailbox(name, f"{local}@{domain.lower()}")


def words(raw: Any) -> tuple[str, ...]:
    """A list, or its members parted by commas, spaces or line ends."""
    if isinstance(raw, dict):
        raise ValueError("a list, or words parted by commas")
    parts: Sequence[Any] = raw if isinstance(raw, list) else re.split(r"[\s,]+", str(raw))
    return tuple(str(part).strip() for part in parts if str(part).strip())


def secrets(raw: Any) -> tuple[str, ...]:
    """One or more signing keys of at least 16 characters; the first signs, all verify."""
    keys = words(raw)
    if any(len(key) < 16 for key in keys):
        raise ValueError("keys of at least 16 characters, parted by commas, the newest first")
    return keys


def signing_keys(raw: Any) -> tuple[str, ...]:
    """`SELECTOR:FILE` for each key, parted by commas; a file's name may hold spaces."""
    if isinstance(raw, dict):
        raise ValueError(_SIGNING_KEYS)
    parts: Sequence[Any] = raw if isinstance(raw, list) else str(raw).split(",")
    found = tuple(str(part).strip() for part in parts if str(part).strip())
    if not all(_SIGNING_KEY.fullmatch(part) for part in found):
        raise ValueError(_SIGNING_KEYS)
    return found


def networks(raw: Any) -> tuple[str, ...]:
    """Addresses or networks of reverse proxies."""
    found = words(raw)
    for member in found:
        try:
            ipaddress.ip_network(member, strict=False)
        except ValueError:
            raise ValueError("IP addresses or networks, such as 127.0.0.1,10.0.0.0/8") from None
    return found


def hosts(raw: Any) -> tuple[str, ...]:
    """Names of web hosts, in lower case."""
    found = tuple(member.lower() for member in words(raw))
    if not all(_DOMAIN.fullmatch(member) for member in found):
        raise ValueError("host names, such as www.example.org,example.com, without https://")
    return found


def without_password(address: str) -> str:
    """The same address with its password replaced by stars."""
    return _HIDDEN.sub(r"\1***@", address)


def is_loopback(host: str) -> bool:
    """Does this host name or address stay on this machine?"""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
