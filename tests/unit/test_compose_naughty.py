"""Whatever an author types: it becomes a sound mail, or it is held with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest

from course.compose import CourseComposer
from scheduler.domain.message import Message, Unfit
from tests.mailroom import body, claimed, composer, header_names, parsed, plant
from tests.naughty import LESSONS, NAMES

WRITTEN = [text for text in LESSONS if text.isprintable() or "\n" in text]
#: Elements that never end.
VOID = {"br", "hr", "img", "meta", "link", "input", "col", "wbr"}
#: All that a mail's body is made of.
KNOWN = {
    *("a", "b", "blockquote", "br", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small"),
    *("span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u"),
    *("ul", "var", "cite", "dfn", "tfoot", "body"),
}


class Nesting(HTMLParser):
    """Follows what is open; knows every tag, every address and every attribute there was."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.torn = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        found = [value or "" for name, value in attrs if name in ("href", "src")]
        self.addresses += found if tag not in ("a", "img") else found or [""]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.torn = self.torn or tag


def judge(message: Message, usual: list[str]) -> None:
    head, _, rest = message.raw.partition(b"\r\n\r\n")
    assert header_names(message) == usual
    assert message.raw.isascii()
    assert message.dotless
    assert b"\n." not in message.raw
    assert not message.raw.startswith(b".")
    assert all(len(line) <= 78 or b" " not in line.strip() for line in head.split(b"\r\n"))
    assert all(len(line) <= 76 for line in rest.split(b"\r\n"))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message.raw)
    assert not any(line.startswith((b".", b"From ")) for line in rest.split(b"\r\n"))
    assert [part.get_content_type() for part in parsed(message).walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip
    subject = str(parsed(message)["Subject"])
    assert 1 <= len(subject) <= 150
    assert subject.isprintable() or "\ufffd" in subject or not subject.isascii()
    html = body(message, "html")
    page = Nesting(html[html.index("<body") : html.rindex("</html>")])
    assert not page.torn, page.torn
    assert not page.open, page.open
    assert page.tags <= KNOWN, page.tags - KNOWN
    assert not {name for name in page.attributes if name.startswith(("on", "xlink", "form"))}
    for address in page.addresses:
        assert re.match(r"https?://[^\s/]|mailto:|tel:", address), address
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", html + body(message, "plain"))


def composed_all(folder: Path, files: dict[str, str]) -> tuple[CourseComposer, list[str]]:
    school = composer(plant(folder, **files))
    (usual,) = school.compose([claimed("sow")])
    assert isinstance(usual, Message)
    return school, header_names(usual)


@contextmanager
def blame(text: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as wrong:
        raise AssertionError(f"{text[:80]!r}: {wrong}") from wrong


def key_of(number: int) -> str:
    return f"naughty-{number}"


def test_every_body_becomes_a_sound_mail_or_is_held_with_a_reason(tmp_path: Path) -> None:
    files = {f"{n + 10}-{key_of(n)}": f"# Title\n\n{text}\n" for n, text in enumerate(WRITTEN)}
    school, usual = composed_all(tmp_path, files)
    sent = 0
    for number, text in enumerate(WRITTEN):
        (answer,) = school.compose([claimed(key_of(number), name="<b>Ada</b>")])
        if isinstance(answer, Unfit):
            assert answer.hold, text
            assert len(answer.reason) > 20, text
            continue
        sent += 1
        with blame(text):
            judge(answer, usual)
    # Most of it is only odd, and is to be sent.
    assert sent > len(WRITTEN) * 0.8


@pytest.mark.parametrize("field", ["title", "subject"])
def test_every_title_and_subject_becomes_a_sound_mail_or_is_held_with_a_reason(
    tmp_path: Path, field: str
) -> None:
    names = [name for name in NAMES if "\ud800" not in name]
    files = {
        f"{n + 10}-{key_of(n)}": f"---\n{field}: {json.dumps(name)}\n---\nA few words of it.\n"
        for n, name in enumerate(names)
    }
    school, usual = composed_all(tmp_path, files)
    sent = 0
    for number, name in enumerate(names):
        (answer,) = school.compose([claimed(key_of(number))])
        if isinstance(answer, Unfit):
            assert answer.hold, name
            assert len(answer.reason) > 20, name
            continue
        sent += 1
        with blame(name):
            judge(answer, usual)
    assert sent > len(names) * 0.8
