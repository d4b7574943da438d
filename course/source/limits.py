"""Says how large and how dense a lesson may be before rendering it becomes a burden.

Python-Markdown tries every `[` against the rest of its paragraph, so a few thousand of them take
seconds. Refuses by counting, never by the clock, so that the answer is the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from course.source.rawhtml import nesting
from course.source.tokens import Scan

#: Bytes of one lesson file.
MAX_LESSON = 1_000_000
#: Bytes of HTML in a finished mail: Gmail hides what stands behind them, the way out as well.
CLIPPED_AT = 102_000
#: Characters of prose: some 40,000 words, more than any mail can carry.
MAX_PROSE = 250_000
#: Brackets or tags without their other half, in one paragraph.
MAX_LOOSE = 200
#: Brackets, quotes or lists within one another.
MAX_DEPTH = 30
#: In one lesson: footnote references, abbreviations explained, `<!` declarations, paragraphs,
#: headings, raw tags, table rows; and columns of one table.
MAX_FOOTNOTES = 300
MAX_ABBREVIATIONS = 150
MAX_DECLARATIONS = 20
MAX_PARAGRAPHS = 4_000
MAX_HEADINGS = 500
MAX_TAGS = 5_000
MAX_ROWS = 2_000
MAX_COLUMNS = 100

_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_MARK = re.compile(r"\\.|\]\(|[\[\])<>]", re.DOTALL)
_HEADING = re.compile(r"^#|^=+[ \t]*$|^-+[ \t]*$", re.MULTILINE)
_ROW = re.compile(r"^[^\n|]*\|[^\n]*$", re.MULTILINE)
_DEEP_ITEM = re.compile(rf"^[ ]{{{4 * MAX_DEPTH},}}(?:[-*+]|[0-9]+\.)[ ]", re.MULTILINE)
_QUOTES = re.compile(r"^(?:[ ]{0,3}>)+", re.MULTILINE)


def too_large(size: int) -> str:
    """The cure for a file of `size` bytes or characters, or an empty text when it is fine."""
    if size <= MAX_LESSON:
        return ""
    return (
        f"the file has {size / 1_000_000:.1f} MB, more than {MAX_LESSON / 1_000_000:.0f} MB: "
        "split it into several lessons, and keep pictures in files of their own"
    )


def clipped(size: int) -> str:
    """Why a finished mail with `size` bytes of HTML is not sent, with the cure."""
    return (
        f"the mail has {size // 1000} kB of HTML; Gmail hides all behind {CLIPPED_AT // 1000}, "
        "the way out of the course too, so it is not sent: split the lesson"
    )


def too_dense(found: Scan) -> Iterator[tuple[int, str]]:
    """Offsets into the source of what would take too long to render, each with its cure."""
    text = found.text
    paragraphs = 0
    start = 0
    for gap in _PARAGRAPH.finditer(text + "\n\n"):
        paragraphs += 1
        paragraph = text[start : gap.start()]
        if message := _crowded(paragraph):
            yield found.origin(start + len(paragraph) - len(paragraph.lstrip())), message
        start = gap.end()
    rows = [match.group() for match in _ROW.finditer(text)]
    columns = max((row.count("|") for row in rows), default=0)
    counts = (
        (len(text), MAX_PROSE, "characters of text: split the lesson"),
        (len(rows), MAX_ROWS, "table rows: split the table or link to it"),
        (columns, MAX_COLUMNS, "`|` in one line: make the table narrower"),
        (text.count("<"), MAX_TAGS, "HTML tags: write Markdown instead"),
        (paragraphs, MAX_PARAGRAPHS, "paragraphs: split the lesson"),
        (text.count("[^"), MAX_FOOTNOTES, "footnotes: split the lesson or use links"),
        (text.count("*["), MAX_ABBREVIATIONS, "abbreviations: explain them in the text"),
        (
            sum(1 for _ in _HEADING.finditer(text)),
            MAX_HEADINGS,
            "headings and rules: split the lesson",
        ),
        (
            text.count("<!") + text.count("<?"),
            MAX_DECLARATIONS,
            "`<!` or `<?` declarations: put code into a code block",
        ),
    )
    if item := _DEEP_ITEM.search(text):
        yield found.origin(item.start()), f"a list is nested deeper than {MAX_DEPTH}: make it flat"
    if (depth := nesting(found)) > MAX_DEPTH:
        yield 0, f"HTML tags are nested {depth} deep: use at most {MAX_DEPTH}, and close each"
    for count, limit, cure in counts:
        if count > limit:
            yield 0, f"{count} is more than {limit} {cure}"


def _crowded(paragraph: str) -> str:
    if len(paragraph) < MAX_DEPTH:
        return ""
    depth = deepest = loose = targets = tags = 0
    for mark in _MARK.findall(paragraph):
        if mark == "[":
            depth += 1
            deepest = max(deepest, depth)
        elif mark[0] == "]":
            depth = max(0, depth - 1)
            targets += mark == "]("
        elif mark == ")":
            targets = max(0, targets - 1)
        elif mark == "<":
            tags += 1
        elif mark == ">":
            tags = max(0, tags - 1)
    loose = depth + targets
    ticks = paragraph.count("`")
    if ticks > MAX_LOOSE:
        return f"{ticks} backticks in one paragraph belong to no code: close them, or write `\\``"
    if loose > MAX_LOOSE:
        return f"{loose} brackets in one paragraph are never closed: close them, or write `\\[`"
    if tags > MAX_LOOSE:
        return f"{tags} `<` in one paragraph are never closed: write `&lt;` or use a code block"
    if deepest > MAX_DEPTH:
        return f"brackets are nested {deepest} deep: use at most {MAX_DEPTH}, or a code block"
    quotes = max((m.group().count(">") for m in _QUOTES.finditer(paragraph)), default=0)
    if quotes > MAX_DEPTH:
        return f"quotes are nested {quotes} deep: use at most {MAX_DEPTH}"
    return ""
