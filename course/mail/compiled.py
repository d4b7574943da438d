"""One version of a mail, encoded once; each learner's copy is only filled and joined.

Two forms: the whole message as bytes (`RawForm`), or one shared body with substitution tags
(`PartsForm`). It refuses to build links or to know courses: it takes values and gives a mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from course.mail.holes import Hole, HoleError, Piece, fill
from course.mail.mime import clean, piece, subject_line, text_header, value_piece
from scheduler.domain.message import Shared

Values = Mapping[str, str]
T = TypeVar("T")

#: Prefix of every substitution tag. A lesson that contains it is refused, a value is changed.
TAG_PREFIX = "-mcd_"
#: SendGrid refuses a personalization whose substitutions are larger than this.
MAX_SUBSTITUTIONS = 10_000

#: Values that repeat from learner to learner: what a hole makes of them is worth remembering.
_REPEATING = frozenset({"learner.first_name", "learner.hour", "learner.days"})
_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Cut:
    """A mail cut into fixed text and holes."""

    subject: tuple[Piece, ...]
    text: tuple[Piece, ...]
    html: tuple[Piece, ...]

    @property
    def names(self) -> frozenset[str]:
        """Every value the mail is made of."""
        pieces = (*self.subject, *self.text, *self.html)
        return frozenset(name for hole in pieces if isinstance(hole, Hole) for name in hole.names)


class _Remembered(Generic[T]):
    """What `make` gave for the same values before, while they repeat from learner to learner."""

    def __init__(self, names: Iterable[str], make: Callable[[Values], T]) -> None:
        self._names = tuple(names)
        self._make = make
        self._repeats = _REPEATING.issuperset(self._names)
        self._memory: dict[tuple[str, ...], T] = {}

    def __call__(self, values: Values) -> T:
        if not self._repeats:
            return self._make(values)
        key = tuple([values[name] for name in self._names])
        known = self._memory.get(key)
        if known is None:
            known = self._make(values)
            if len(self._memory) >= _REMEMBERED:
                self._memory.clear()
            self._memory[key] = known
        return known


class RawForm:
    """Complete RFC 5322 bytes: CRLF, 7-bit, quoted-printable, no line over 76 in the bodies.

    `fixed` are the headers that are the same for everyone, encoded, between Subject and body.
    """

    def __init__(self, cut: Cut, fixed: bytes, version: str) -> None:
        # Never inside quoted-printable: there `=` is followed by two figures or a line end.
        boundary = f"=_{hashlib.sha256(version.encode()).hexdigest()[:24]}"
        self._slots: list[_Remembered[bytes]] = []
        self._numbers: dict[object, int] = {}
        self._parts: list[bytes] = []
        self._places: list[tuple[int, int]] = []
        holes = [text for text in cut.subject if isinstance(text, Hole)]
        self._subject = _Remembered(
            {name for hole in holes for name in hole.names},
            lambda values: text_header("Subject", subject_line(fill(cut.subject, values))),
        )
        self._add_fixed(
            fixed
            + b"MIME-Version: 1.0\r\n"
            + f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
        )
        for kind, pieces in (("plain", cut.text), ("html", cut.html)):
            self._add_fixed(
                f'--{boundary}\r\nContent-Type: text/{kind}; charset="utf-8"\r\n'
                "Content-Transfer-Encoding: quoted-printable\r\n\r\n".encode()
            )
            for text in pieces:
                self._add(text)
            self._add_fixed(b"\r\n")
        self._add_fixed(f"--{boundary}--\r\n".encode())

    def fill(self, before_subject: bytes, after_subject: bytes, values: Values) -> bytes:
        """The message of one learner."""
        encoded = [slot(values) for slot in self._slots]
        parts = self._parts.copy()
        for place, slot in self._places:
            parts[place] = encoded[slot]
        return b"".join((before_subject, self._subject(values), after_subject, *parts))

    def _add_fixed(self, data: bytes) -> None:
        if self._parts and not (self._places and self._places[-1][0] == len(self._parts) - 1):
            self._parts[-1] += data
        else:
            self._parts.append(data)

    def _add(self, text: Piece) -> None:
        if isinstance(text, str):
            self._add_fixed(piece(text))
            return
        # An address is the same in both parts: nothing in it needs escaping.
        shared = text.bare if text.bare.startswith("url.") and text.place != "query" else text
        if shared not in self._numbers:
            self._numbers[shared] = len(self._slots)
            self._slots.append(
                _Remembered(text.names, lambda values: value_piece(text.fill(values)))
            )
        self._places.append((len(self._parts), self._numbers[shared]))
        self._parts.append(b"")


class PartsForm:
    """A body for all learners of a version, with a tag in place of each hole."""

    def __init__(self, cut: Cut, shared: Shared) -> None:
        self._tags: dict[Hole, str] = {}
        self._values: list[tuple[str, _Remembered[str]]] = []
        subject, text = self._tagged(cut.subject), self._tagged(cut.text)
        if all(ord(letter) < 256 for letter in text):
            # With Latin-1 letters only SendGrid sends iso-8859-1, and a name that does not fit
            # into that is garbled: a character that shows nothing makes it UTF-8.
            text = text.rstrip("\n") + "\u200c\n"
        html = self._tagged(cut.html).encode("ascii", "xmlcharrefreplace").decode("ascii")
        self.shared = Shared(
            # Cut to length only where no tag could be cut in two.
            clean(subject) if TAG_PREFIX in subject else subject_line(subject),
            text, html, shared.from_addr, shared.from_name, shared.reply_to,
            shared.categories,
        )  # fmt: skip

    def fill(self, values: Values) -> dict[str, str]:
        """What stands in place of each tag for one learner. Raises HoleError when too large."""
        substitutions = {tag: value(values) for tag, value in self._values}
        if sum(len(t) + len(v.encode()) for t, v in substitutions.items()) > MAX_SUBSTITUTIONS:
            raise HoleError(
                "what differs from learner to learner is over 10 kB: keep {% if %} blocks short"
            )
        return substitutions

    def _tagged(self, pieces: Sequence[Piece]) -> str:
        return "".join(text if isinstance(text, str) else self._tag(text) for text in pieces)

    def _tag(self, hole: Hole) -> str:
        if hole not in self._tags:
            kind = {"html": "h", "text": "t", "query": "q"}[hole.place]
            name = hole.names[0].rpartition(".")[2].removeprefix("first_")
            # Parted by a letter: `done_1` and 13 is not `done_11` and 3.
            number = "" if hole.bare else f"x{len(self._tags)}"
            self._tags[hole] = f"{TAG_PREFIX}{name}{number}_{kind}-"
            self._values.append(
                (self._tags[hole], _Remembered(hole.names, lambda values: _harmless(hole, values)))
            )
        return self._tags[hole]


def _harmless(hole: Hole, values: Values) -> str:
    """A value that looks like a tag would be replaced in its turn: its hyphen is changed."""
    hyphen = "%2Dmcd_" if hole.place == "query" else "-mcd\u2011"
    text = hole.fill(values).replace(TAG_PREFIX, hyphen)
    return text if hole.place == "text" else text.encode("ascii", "xmlcharrefreplace").decode()


def refuse_tags(cut: Cut) -> None:
    """Raises HoleError for fixed text that a provider would take for a substitution tag."""
    for text in (*cut.subject, *cut.text, *cut.html):
        if TAG_PREFIX in (text if isinstance(text, str) else text.source):
            raise HoleError(f"{TAG_PREFIX!r} means something to mail providers: write it otherwise")
