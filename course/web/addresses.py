"""Reads an address as people type it, and guesses at a slip of the finger.

Refuses what mail cannot reach (quoted local parts, comments, literals), never a typo:
`suggestion` only asks. Does no network look-up.
"""

from __future__ import annotations

import difflib
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from course.web.speaking import gettext, speaking

#: Mailbox providers many people use; a near miss of one of these is probably a slip.
_COMMON = (
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com",
    "yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "yahoo.co.in", "ymail.com",
    "icloud.com", "me.com", "aol.com", "proton.me", "protonmail.com", "gmx.de", "gmx.net",
    "gmx.com", "web.de", "t-online.de", "orange.fr", "hotmail.co.uk", "hotmail.fr",
    "zoho.com", "fastmail.com", "hey.com", "qq.com", "163.com",
)  # fmt: skip

#: Real domains that merely look like one of the above.
_REAL = frozenset({"mail.com", "email.com", "gmx.at", "gmx.ch", "mail.de", "mail.ru", "live.de"})

#: Two names of one mailbox, and providers that ignore dots before the @.
_SAME = {"googlemail.com": "gmail.com", "protonmail.com": "proton.me", "pm.me": "proton.me"}
_DOTLESS = frozenset({"gmail.com", "proton.me"})

_WEBMAIL = (
    (("gmail.", "googlemail."), "Gmail", "https://mail.google.com/"),
    (("outlook.", "hotmail.", "live.", "msn."), "Outlook", "https://outlook.live.com/mail/"),
    (("yahoo.", "ymail."), "Yahoo Mail", "https://mail.yahoo.com/"),
)


class BadAddress(ValueError):
    """This is not an address mail can reach; the message says how to fix it."""


def read_address(typed: str) -> str:
    """The address mail goes to: local part as typed, domain lower-cased and in A-label form.

    Raises `BadAddress`.
    """
    typed = typed.strip().removeprefix("mailto:").strip("<>")
    if not typed:
        raise BadAddress(gettext("Enter your email address, like name@example.com."))
    if "@" not in typed:
        raise BadAddress(gettext("An email address has an @ in it, like name@example.com."))
    try:
        # `.test` never exists on the internet, so accepting it harms nobody and helps trials.
        found = validate_email(typed, check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        if speaking().is_english:
            wrong = f"{_sentence(str(problem))} Write it like name@example.com."
        else:  # the library explains in English only
            wrong = gettext("This cannot be an email address. Write it like name@example.com.")
        raise BadAddress(wrong) from None
    if found.ascii_email is None:
        raise BadAddress(
            gettext(
                "We cannot write to letters with accents before the @ yet. Use another address."
            )
        )
    # The library counts only the whole address unless it is strict; servers count both
    # (RFC 5321 4.5.3.1.1).
    if len(found.ascii_local_part or "") > 64:
        raise BadAddress(
            "The part before the @ is longer than 64 letters, which mail cannot reach."
            " Use another address."
        )
    if len(found.ascii_email) > 254:
        raise BadAddress(gettext("This address is longer than 254 characters. Use a shorter one."))
    return found.ascii_email


def suggestion(address: str) -> str | None:
    """The address with the domain that was probably meant (`gmial.com`: `gmail.com`), or None."""
    local, _, domain = address.rpartition("@")
    near = _near(domain)
    return f"{local}@{near}" if near else None


@lru_cache(maxsize=5_000)
def _near(domain: str) -> str | None:
    if domain in _COMMON or domain in _REAL:
        return None
    near = difflib.get_close_matches(domain, _COMMON, n=1, cutoff=0.82)
    return near[0] if near else None


def mailbox(address: str) -> str:
    """One name for every spelling of a mailbox, for counting: no +tag, lower case.

    And no dots, where the provider ignores them; elsewhere `a.b` and `ab` are two people.
    """
    local, _, domain = address.casefold().rpartition("@")
    local = local.split("+", 1)[0]
    domain = _SAME.get(domain, domain)
    return f"{local.replace('.', '') if domain in _DOTLESS else local}@{domain}"


def webmail(address: str) -> tuple[str, str] | None:
    """Name and address of the web mail for that domain, if it is a well-known one."""
    domain = address.rpartition("@")[2].casefold()
    for starts, name, url in _WEBMAIL:
        if domain.startswith(starts):
            return name, url
    return None


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith(".") else f"{text}."
