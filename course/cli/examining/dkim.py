"""Is the key published that mails are signed with (DKIM, RFC 6376)?

Compares what DNS has with what signs, whatever the quoting, splitting and spaces. Refuses to call
a key good that nobody named: without a selector there is nothing to ask.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence

from course.cli.examining.finding import Result, txt
from course.cli.examining.names import Names, NotAsked
from scheduler.providers.wire.dkim_keys import record_name

#: SendGrid's own, unless the operator chose others there.
SENDGRID_SELECTORS = ("s1", "s2")

#: An RSA key of 2048 bits as it is published has 294 bytes, one of 1024 bits 162.
_SHORTER_THAN_2048 = 270
_CHARACTER_STRINGS = re.compile(r'"\s*"')


def dkim_checks(
    domain: str, selectors: Sequence[tuple[str, str | None]], names: Names
) -> Iterator[Result]:
    """One result for each (selector, expected TXT record or None when only DNS knows it)."""
    for selector, expected in selectors:
        where = record_name(selector, domain)
        try:
            texts = names.texts(where)
            alias = "" if texts else names.alias(where)
        except NotAsked as error:
            yield Result(
                "DKIM", "warning", f"{where} could not be asked: {error}",
                f"look yourself: dig +short TXT {where}; or ask another server with --resolver",
            )  # fmt: skip
            continue
        yield _key(where, texts, alias, expected)


def unknown(domain: str) -> Result:
    """The relay must sign, and nobody told us with which selector."""
    return Result(
        "DKIM", "warning", "not looked at: the relay must sign, with a selector it chooses",
        "send yourself a lesson (course send LESSON --to YOU) and look at Authentication-Results"
        f" in its source for dkim=pass header.d={domain}; the s= of DKIM-Signature is the"
        " selector: course doctor --selector NAME",
    )  # fmt: skip


def sendgrid_checks(
    domain: str, selectors: Sequence[str], names: Names
) -> tuple[str | None, list[Result]]:
    """(the domain authenticated at SendGrid, "" for none, None when not known; the results).

    Looks at the sender's domain and then at those above it: a signature of either is aligned.
    """
    given = [(selector, None) for selector in selectors]
    for candidate in names.upward(domain):
        places = [record_name(selector, candidate) for selector in selectors]
        try:
            known = any(names.texts(where) or names.alias(where) for where in places)
        except NotAsked:
            return None, list(dkim_checks(candidate, given, names))
        if known:
            results = list(dkim_checks(candidate, given, names))
            works = any(result.level != "problem" for result in results)
            return candidate if works else "", results
    return "", [
        Result(
            "DKIM",
            "problem",
            f"no key at {' and '.join(record_name(selector, domain) for selector in selectors)}",
            "authenticate the domain at SendGrid (Settings, Sender Authentication) and publish"
            " the CNAME records it shows; other selectors: --selector NAME",
        )
    ]


def tags_of(record: str) -> dict[str, str]:
    """The tags of a key record, read as leniently as a person copies it."""
    pairs = (part.partition("=") for part in _unquoted(record).split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, mark, value in pairs if mark}


def _unquoted(record: str) -> str:
    return _CHARACTER_STRINGS.sub("", record.strip()).strip().strip('"')


def _key(where: str, texts: Sequence[str], alias: str, expected: str | None) -> Result:
    record = txt(where, _unquoted(expected)) if expected else ""
    if not texts:
        if alias:
            return Result(
                "DKIM", "problem", f"{where} leads to {alias}, and there is no key",
                "correct the CNAME record, or finish the set-up at your provider",
            )  # fmt: skip
        return Result(
            "DKIM", "problem", f"no key at {where}",
            "add it:" if expected else "publish the record your provider shows you", record,
        )  # fmt: skip
    keys = [tags for tags in map(tags_of, texts) if "p" in tags]
    if len(keys) != 1:
        count = f"{len(keys)} keys" if keys else "no key, only other text,"
        return Result(
            "DKIM", "problem", f"{count} at {where}", "leave exactly one TXT record there"
            + (":" if expected else ", the one your provider shows you"), record,
        )  # fmt: skip
    return _published(where, keys[0], expected, record)


def _published(where: str, key: Mapping[str, str], expected: str | None, record: str) -> Result:
    wanted = tags_of(expected) if expected else {}
    kind = key.get("k", "rsa").lower()
    if not key["p"]:
        return Result(
            "DKIM", "problem", f"the key at {where} is withdrawn (its p= is empty)",
            "publish the key that signs" + (":" if expected else ""), record,
        )  # fmt: skip
    if wanted and (key["p"], kind) != (wanted.get("p"), wanted.get("k", "rsa").lower()):
        return Result(
            "DKIM", "problem", f"the key at {where} is another than the one that signs",
            "put this in its place:", record,
        )  # fmt: skip
    try:
        size = len(base64.b64decode(key["p"], validate=True))
    except (binascii.Error, ValueError):
        return Result(
            "DKIM", "problem", f"the key at {where} is damaged (its p= is no base64)",
            "copy it again, whole" + (":" if expected else ""), record,
        )  # fmt: skip
    if kind == "rsa" and size < _SHORTER_THAN_2048:
        return Result(
            "DKIM", "warning", f"the key at {where} is shorter than 2048 bits",
            "make a longer one, under a new selector",
        )  # fmt: skip
    if "y" in key.get("t", "").lower().split(":"):
        return Result(
            "DKIM", "warning", f"the key at {where} says that it is only a test (t=y)",
            "take t=y out of the record",
        )  # fmt: skip
    same = ", the one that signs" if wanted else ""
    return Result("DKIM", "ok", f"{where}: one {kind} key{same}")
