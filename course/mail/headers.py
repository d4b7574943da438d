"""Says which headers a mail carries: the list headers, the feedback id, the language.

Values that are the same for all learners of one version are encoded here once. It refuses
header values that a reader could take for more than one line: `course.mail.mime` cleans them all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from course.errors import ConfigError
from course.mail.document import Document
from course.mail.mime import clean, mailbox_header, token_header

#: RFC 8058: this and nothing else.
ONE_CLICK = "List-Unsubscribe=One-Click"
#: RFC 5321 4.5.3.1: letters before the @; and how many `Links.bounce` puts in place of the `*`.
_MAX_LOCAL, _BOUNCE_TOKEN = 64, 53
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\Z"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mails come from."""

    #: ASCII, at the course's own authenticated domain.
    from_addr: str
    from_name: str
    #: Reaches a person; empty = `from_addr`.
    reply_to: str
    organisation: str
    postal_address: str
    #: Envelope sender. A `*` in it is replaced per delivery, so that a bounce tells which mail
    #: it answers: `bounces+*@example.org`. None = `from_addr`.
    bounce_addr: str | None = None
    #: Page that says what is kept about people; empty = no link in the foot.
    privacy_url: str = ""

    @property
    def domain(self) -> str:
        """Where message ids and list ids live."""
        return self.from_addr.rpartition("@")[2].lower()

    def check(self) -> None:
        """Raises ConfigError when an address cannot stand in a header."""
        wrong = [
            f"{name} is {address!r}, which is no mail address: write it like course@example.org"
            for name, address in (("EMAIL_FROM", self.from_addr), ("reply_to", self.reply_to))
            if (address or name == "EMAIL_FROM") and not is_address(address)
        ]
        if self.bounce_addr:
            filled = self.bounce_addr.replace("*", "x" * _BOUNCE_TOKEN, 1)
            too_long = len(filled.rpartition("@")[0]) - _MAX_LOCAL
            if not is_address(filled):
                wrong.append(
                    f"bounce_address is {self.bounce_addr!r}, which is no mail address: write it "
                    "like bounces+*@example.org"
                )
            elif too_long > 0:
                wrong.append(
                    f"bounce_address is {self.bounce_addr!r}: with what stands in for the * its "
                    f"part before the @ is longer than servers take; make it {too_long} shorter"
                )
        if wrong:
            raise ConfigError(wrong)


def is_address(address: str) -> bool:
    """Can `address` stand in a header and in an SMTP command as it is? ASCII, no quoting."""
    return len(address) <= 254 and _ADDRESS.match(address) is not None


def is_listed(document: Document) -> bool:
    """Is it course mail, with a way to leave? Letters that answer an action are not (RFC 3834)."""
    return document["kind"] in ("lesson", "letter", "nudge")


def fixed_headers(document: Document, sender: Sender) -> dict[str, str]:
    """The headers all learners of a version share, apart from who writes."""
    if not is_listed(document):
        return {
            "Auto-Submitted": "auto-generated",
            "Content-Language": _language(document),
        }
    return {
        "List-Id": list_id(document, sender),
        "List-Unsubscribe-Post": ONE_CLICK,
        "Feedback-ID": feedback_id(document, sender),
        "Content-Language": _language(document),
    }


def encoded(headers: dict[str, str]) -> bytes:
    """Token headers as bytes."""
    return b"".join(token_header(name, value) for name, value in headers.items())


def origin_headers(sender: Sender) -> tuple[bytes, bytes]:
    """`From` and `Reply-To`, encoded."""
    return (
        mailbox_header("From", sender.from_name, sender.from_addr),
        mailbox_header("Reply-To", "", sender.reply_to or sender.from_addr),
    )


def list_id(document: Document, sender: Sender) -> str:
    """RFC 2919: the part in brackets stays the same as long as the course's folder does."""
    identifier = f"<{_slug(document['course']['key'])}.{sender.domain}>"
    title = clean(document["course"]["title"])
    # Encoded words would hide the identifier from filters: such a title is left out.
    if not title.isascii() or "=?" in title or len(title) > 60:
        return identifier
    if re.fullmatch(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+", title):
        return f"{title} {identifier}"
    return '"' + title.replace("\\", "").replace('"', "'") + f'" {identifier}'


def feedback_id(document: Document, sender: Sender) -> str:
    """`lesson:course:type:sender`, as Gmail reads it: nothing personal, nothing twice."""
    kind = str(document["kind"])
    seen: list[str] = []
    for value in (document["lesson"]["key"], document["course"]["key"], kind):
        field = _slug(value)
        seen.append(field if field not in seen else f"{field}-{len(seen)}")
    who = re.sub(r"[^a-z0-9]", "", sender.domain)[:15]
    return ":".join([*seen, who if len(who) >= 5 else f"{who}mails"[:15]])


def _slug(value: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", value.lower()).strip("-") or "course"


def _language(document: Document) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "", document["language"]) or "en"
