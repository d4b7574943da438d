"""Writes headers and quoted-printable as bytes that need no repair on the way.

The standard library's generator is not used: it turns a long List-Unsubscribe into encoded words,
which receivers then ignore (python/cpython#85725), loses spaces between encoded words (#92081)
and costs milliseconds a mail. It refuses nothing: `clean` makes every value harmless instead.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from functools import lru_cache

#: RFC 2045 6.7: an encoded line has at most 76 characters, the soft break's `=` included.
LINE = 76
SOFT_BREAK = "=\r\n"
#: RFC 5322 2.1.1: what a header line should not exceed when it can be folded.
HEADER_LINE = 78
MAX_SUBJECT = 150

# What `str.splitlines` breaks at, the other control characters (Gmail clips a mail with C1 in
# it), and the marks that turn the direction of the text after them.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")
_ANSWER = re.compile(r"\A(?:(?:re|fwd?|aw|wg)\s*:\s*)+", re.IGNORECASE)
# Neither text nor a sign: UTF-8 has no halves of a pair, HTML and XML no U+FFFE and U+FFFF.
_NO_LETTERS = re.compile("[\ud800-\udfff\ufffe\uffff]")
_PLAIN = re.compile(r"[\x20-\x3c\x3e-\x7e]+\Z")
_NEEDS_QP = re.compile(rb"[^\x20-\x3c\x3e-\x7e\t]")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ATOM_WORDS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*\Z")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clean(value: str) -> str:
    """One line of text: control characters and line separators become single spaces."""
    value = _NO_LETTERS.sub("\ufffd", value)
    return " ".join(_CONTROLS.sub(" ", value).split())


def subject_line(value: str) -> str:
    """What may stand in a subject: one line of 1 to 150 characters that poses as no answer."""
    value = _ANSWER.sub("", clean(value))
    if len(value) > MAX_SUBJECT:
        value = value[: MAX_SUBJECT - 1].rstrip() + "…"
    return value or "…"


def text_header(name: str, value: str) -> bytes:
    """A header of free text, folded, with its line end; reads back as `clean(value)`."""
    value = clean(value)
    if _is_plain(value):
        folded = _fold(f"{name}:", value.split(" "), HEADER_LINE)
        if folded is not None:
            return folded
    words = _encoded_words(value, first=LINE - len(name) - 2)
    return f"{name}: {_joined(words)}\r\n".encode("ascii")


def mailbox_header(name: str, display: str, address: str) -> bytes:
    """`From`, `To`, `Reply-To`: one ASCII address with an optional name before it."""
    display = clean(display)
    if not display:
        return token_header(name, address)
    if _is_plain(display) and len(display) <= LINE - len(name) - 4:
        quoted = display.replace("\\", "\\\\").replace('"', '\\"')
        phrase = display if _ATOM_WORDS.match(display) else f'"{quoted}"'
    else:
        phrase = _joined(_encoded_words(display, first=LINE - len(name) - 2))
    last_line = f"{name}: {phrase}".rsplit("\r\n", 1)[-1]
    gap = "\r\n " if len(last_line) + len(address) + 3 > HEADER_LINE else " "
    return f"{name}: {phrase}{gap}<{address}>\r\n".encode("ascii")


def token_header(name: str, value: str) -> bytes:
    """A header of ASCII tokens (addresses, URIs): folded at its white space, never inside one."""
    tokens = value.encode("ascii").decode("ascii").split(" ")
    head = f"{name}:"
    lines: list[str] = []
    for token in tokens:
        if len(head) + 1 + len(token) > HEADER_LINE and head.strip():
            lines.append(head)
            head = ""
        head = f"{head} {token}"
    return "\r\n".join([*lines, head, ""]).encode("ascii")


@lru_cache(maxsize=256)
def date_header(instant: datetime) -> bytes:
    """RFC 5322 date in UTC with a numeric offset."""
    at = instant.astimezone(UTC)
    return (
        f"Date: {_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} +0000\r\n"
    ).encode("ascii")


def quoted(text: str) -> str:
    """Quoted-printable from column 0; the last line is left open, as `text` leaves it.

    Every `\\n` becomes CRLF. No line is longer than 76, none begins with `.` or `From `.
    """
    return "\r\n".join(_quoted_line(line) for line in text.split("\n"))


def piece(text: str) -> bytes:
    """`text` encoded so that whatever comes after it starts in column 0 again."""
    encoded = quoted(text)
    if encoded and not encoded.endswith("\r\n"):
        encoded += SOFT_BREAK
    return encoded.encode("ascii")


def value_piece(value: str) -> bytes:
    """`piece` for one short value: what falls into a hole, a million times a morning."""
    if _PLAIN.match(value) and value[0] not in ".F":
        if len(value) < LINE:
            return f"{value}=\r\n".encode("ascii")
        if len(value) < 2 * LINE - 1 and value[LINE - 1] not in ".F":
            return f"{value[: LINE - 1]}=\r\n{value[LINE - 1 :]}=\r\n".encode("ascii")
    return piece(value)


def _quoted_line(line: str) -> str:
    raw = line.encode("utf-8", "replace")
    body = _NEEDS_QP.sub(lambda found: b"=%02X" % found[0][0], raw).decode("ascii")
    if body[-1:] in (" ", "\t"):
        body = f"{body[:-1]}={ord(body[-1]):02X}"
    if len(body) < LINE and not body.startswith((".", "From ")):
        return body
    lines = []
    while True:
        if body.startswith((".", "From ")):
            # A lone dot ends an SMTP message, "From " starts one in an mbox file.
            body = f"={ord(body[0]):02X}{body[1:]}"
        if len(body) <= LINE - 1:
            lines.append(body)
            return SOFT_BREAK.join(lines)
        cut = LINE - 1
        if "=" in body[cut - 2 : cut]:
            cut = body.rindex("=", 0, cut)
        # Neither between the bytes of one character, for the sake of people who read sources.
        while body[cut : cut + 1] == "=" and body[cut + 1] in "89AB" and cut > 60:
            cut -= 3
        lines.append(body[:cut])
        body = body[cut:]


def _is_plain(value: str) -> bool:
    # Something that looks like an encoded word would be decoded by the reader: encode it.
    return value.isascii() and "=?" not in value


def _fold(head: str, words: list[str], limit: int) -> bytes | None:
    lines: list[str] = []
    for word in words:
        if len(head) + 1 + len(word) > limit:
            if not head.startswith(" ") and not lines:
                return None  # the very first word does not fit: encoding can split it
            lines.append(head)
            head = ""
            if len(word) + 1 > limit:
                return None
        head = f"{head} {word}"
    return "\r\n".join([*lines, head, ""]).encode("ascii")


def _encoded_words(value: str, first: int) -> list[str]:
    """RFC 2047 words that hold the whole value, spaces too: what is between words is dropped."""
    raw_length = len(value.encode("utf-8", "replace"))
    q_length = sum(
        1 if byte in _Q_SAFE or byte == 0x20 else 3 for byte in value.encode("utf-8", "replace")
    )
    as_q = q_length <= raw_length * 4 // 3
    words: list[str] = []
    chunk, room = "", min(first, 75)
    for character in value:
        if chunk and len(_word(chunk + character, as_q)) > room:
            words.append(_word(chunk, as_q))
            chunk, room = "", 75
        chunk += character
    return [*words, _word(chunk, as_q)]


def _word(text: str, as_q: bool) -> str:
    raw = text.encode("utf-8", "replace")
    if not as_q:
        return f"=?utf-8?b?{base64.b64encode(raw).decode('ascii')}?="
    inner = "".join(
        "_" if byte == 0x20 else chr(byte) if byte in _Q_SAFE else f"={byte:02X}" for byte in raw
    )
    return f"=?utf-8?q?{inner}?="


def _joined(words: list[str]) -> str:
    return "\r\n ".join(words)
