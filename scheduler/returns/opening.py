"""Takes a mail apart into headers and texts, whatever state it is in.

Refuses to spend long on hostile mail: only its beginning is read, of limited depth, with headers
of limited length. What the standard library cannot take apart is read as one plain text.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import Compat32
from typing import Any

#: A report says what it has to say long before this.
_MOST_BYTES = 1_000_000
_LONGEST_TEXT = 100_000
_LONGEST_HEADER = 10_000
_MOST_PARTS = 500
#: Each level of nesting is held against every line.
_MOST_BOUNDARIES = 20

_BOUNDARY = re.compile(rb"boundary\s{0,5}[*=]", re.IGNORECASE)
_STATUS = ("message/delivery-status", "message/global-delivery-status")
_RETURNED = (
    "message/rfc822",
    "message/global",
    "message/partial",
    "message/global-headers",
    "text/rfc822-headers",
)
#: Character sets that are one; others are left alone, some are slow by design.
_CHARSETS = re.compile(
    r"us-ascii|ascii|utf|iso|latin|windows|cp|koi8|gb|big5|euc|shift|ks|mac|tis", re.IGNORECASE
)
_NEW_LINE = re.compile(
    r"/?(br|p|div|tr|li|h[1-6]|table|pre|hr|blockquote|ul|ol|dt|dd)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A mail taken apart. Texts have lines ending in `\\n`, decoded as well as they could be."""

    #: (name in lower case, value on one line), in order.
    headers: tuple[tuple[str, str], ...]
    kind: str
    #: The `report-type` of a multipart/report, in lower case.
    report: str
    #: What was written to be read, in order; not what is inside a returned mail.
    texts: tuple[str, ...]
    #: The delivery-status parts, as text.
    status: tuple[str, ...]
    #: The feedback-report parts, as text.
    feedback: tuple[str, ...]
    #: Header blocks of returned mails.
    returned: tuple[str, ...]

    def header(self, name: str) -> str:
        """The first header of that name, or ""."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, *names: str) -> list[str]:
        """The values of all headers of these names, outermost first."""
        return [value for key, value in self.headers if key in names]

    def has(self, name: str) -> bool:
        """Is there a header of that name, were it empty?"""
        return any(key == name for key, _ in self.headers)


def open_mail(raw: bytes) -> Opened:
    """Take a mail apart. Never raises."""
    raw = raw[:_MOST_BYTES]
    if len(_BOUNDARY.findall(raw)) <= _MOST_BOUNDARIES:
        # The library has its own ideas of what can go wrong in a mail, and new ones each year.
        try:
            return _sorted(BytesParser(policy=_policy()).parsebytes(raw))
        except Exception:  # noqa: S110
            pass
    return _flat(raw)


class _TooManyParts(Exception):
    pass


class _Short(Compat32):
    """Headers are cut before anything looks into them: some of those looks are quadratic."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_LONGEST_HEADER]


def _policy() -> Any:
    made = 0

    def message(policy: Any = None) -> Message:
        nonlocal made
        made += 1
        if made > _MOST_PARTS:
            raise _TooManyParts
        return Message(policy=policy)

    return _Short(message_factory=message)


def _flat(raw: bytes) -> Opened:
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    text = head[:_LONGEST_TEXT].decode("utf-8", "replace")
    try:
        headers = _headers(HeaderParser(policy=_Short()).parsestr(text))
    except Exception:
        headers = ()
    return Opened(headers, "text/plain", "", (_clean(body.decode("utf-8", "replace")),), (), (), ())


def _sorted(mail: Message) -> Opened:
    plain: list[str] = []
    marked_up: list[str] = []
    status: list[str] = []
    feedback: list[str] = []
    returned: list[str] = []
    for part in _outer_parts(mail):
        kind = part.get_content_type()
        if kind in _STATUS:
            status.append(_block(part))
        elif kind == "message/feedback-report":
            feedback.append(_block(part))
        elif kind in _RETURNED and part is not mail:
            returned.append(_block(part))
        elif part is not mail and part["message-id"]:
            # A copy that a gateway put into the report without saying what it is.
            returned.append("\n".join(f"{name}: {value}" for name, value in _headers(part)))
        elif kind == "text/html":
            marked_up.append(_without_tags(_text(part)))
        elif part.get_content_maintype() in ("text", "multipart", "message"):
            plain.append(_text(part))
    wanted = [text for text in plain if text.strip()]
    return Opened(
        headers=_headers(mail),
        kind=mail.get_content_type(),
        report=str(mail.get_param("report-type") or "").lower(),
        texts=tuple(wanted or marked_up),
        status=tuple(status),
        feedback=tuple(feedback),
        returned=tuple(returned),
    )


def _outer_parts(mail: Message) -> Iterator[Message]:
    waiting = [mail]
    while waiting:
        part = waiting.pop()
        payload = part.get_payload()
        if isinstance(payload, list) and part.get_content_maintype() == "multipart":
            waiting += reversed([inner for inner in payload if isinstance(inner, Message)])
        else:
            yield part


def _headers(mail: Message) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), _header(str(value))) for name, value in mail.raw_items())


def _header(value: str) -> str:
    value = " ".join(_clean(value).split())
    if "=?" not in value:
        return value
    try:
        return " ".join(_clean(str(make_header(decode_header(value)))).split())
    except (ValueError, LookupError):
        return value


def _block(part: Message) -> str:
    """A part that the parser may have taken for a mail, as the text it was."""
    if part.get_content_maintype() != "message":
        return _text(part)
    lines: list[str] = []
    for inner in part.get_payload() if part.is_multipart() else [part]:
        if not isinstance(inner, Message):
            continue
        if inner is not part:
            lines += [f"{name}: {value}" for name, value in inner.raw_items()]
        payload = inner.get_payload()
        lines += ["", payload[:_LONGEST_TEXT] if isinstance(payload, str) else "", ""]
    text = "\n".join(lines)
    if str(part.get("content-transfer-encoding", "")).strip().lower() in (
        "base64",
        "quoted-printable",
    ):
        shell = Message()
        shell["Content-Transfer-Encoding"] = part["content-transfer-encoding"]
        shell.set_payload(text.strip())
        text = _text(shell)
    return _clean(text)


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    payload = payload[: 2 * _LONGEST_TEXT]
    name = str(part.get_param("charset") or "utf-8")
    try:
        if _CHARSETS.match(codecs.lookup(name).name):
            return _clean(payload.decode(name, "replace"))
    except (LookupError, ValueError):
        pass
    return _clean(payload.decode("utf-8", "replace"))


def _clean(text: str) -> str:
    text = text[: 2 * _LONGEST_TEXT].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")[:_LONGEST_TEXT]


def _without_tags(text: str) -> str:
    """Markup as text, in one pass: no pattern that a page of `<` could hold up."""
    first, *rest = text.split("<")
    kept = [first]
    for piece in rest:
        tag, closed, words = piece.partition(">")
        kept.append("\n" if _NEW_LINE.match(tag) else " ")
        if closed and not tag[:6].lower().startswith(("style", "script")):
            kept.append(words)
    return html.unescape("".join(kept)).replace("\xa0", " ")
