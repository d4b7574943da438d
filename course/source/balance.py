"""Judges all expressions of one text together: known names, and every `{% if %}` closed.

Refuses to look inside code: what the author shows as code is never a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from course.source.expressions import Fault, judge_expression, judge_tag
from course.source.tokens import Scan, Token


def faults(found: Scan) -> Iterator[tuple[int, Fault]]:
    """What is wrong with the expressions outside code, with offsets into the source."""
    open_ifs: list[tuple[Token, list[Token]]] = []
    for token in found.tokens:
        if token.kind == "stray":
            closing = "}}" if token.content == "{{" else "%}"
            yield (
                token.offset,
                Fault(
                    "unclosed-tag",
                    token.content,
                    f"`{token.content}` is never closed: add `{closing}` in the same paragraph, "
                    "or put braces meant as text in `backticks`",
                ),
            )
        elif token.kind == "value":
            for fault in judge_expression(token.content):
                yield _point(token, fault), fault
        elif token.kind == "tag":
            word, wrong = judge_tag(token.content)
            for fault in wrong:
                yield _point(token, fault), fault
            if word == "if":
                open_ifs.append((token, [token]))
            elif word in {"elif", "else", "endif"}:
                yield from _in_if(found, token, word, open_ifs)
    for token, _ in open_ifs:
        yield (
            token.offset,
            Fault(
                "unclosed-tag", "if", "this `{% if %}` is never closed: add `{% endif %}` after it"
            ),
        )


def _in_if(
    found: Scan, token: Token, word: str, open_ifs: list[tuple[Token, list[Token]]]
) -> Iterator[tuple[int, Fault]]:
    if not open_ifs:
        yield (
            token.offset,
            Fault(
                "unclosed-tag",
                word,
                f"`{{% {word} %}}` has no `{{% if %}}` before it: add one or take it out",
            ),
        )
        return
    members = open_ifs[-1][1]
    if word in {"elif", "else"} and _word(members[-1]) == "else":
        yield (
            token.offset,
            Fault(
                "template-tag", word, f"`{word}` after `else`: an `if` has one `else`, at its end"
            ),
        )
    members.append(token)
    if word != "endif":
        return
    open_ifs.pop()
    inside = found.source[members[0].offset : token.offset]
    if re.search(r"\n[ \t]*\n", inside) and not all(_is_alone(found.source, m) for m in members):
        yield (
            members[0].offset,
            Fault(
                "template-split",
                "if",
                "this `{% if %}` ends in another paragraph: keep it in one paragraph, or put "
                "`{% if %}`, `{% else %}` and `{% endif %}` each on a line of its own",
            ),
        )


def _word(token: Token) -> str:
    return (token.content.split(None, 1) or [""])[0]


def _is_alone(source: str, token: Token) -> bool:
    start = source.rfind("\n", 0, token.offset) + 1
    end = source.find("\n", token.offset + len(token.source))
    return source[start : end if end >= 0 else len(source)].strip() == token.source


def _point(token: Token, fault: Fault) -> int:
    return (
        token.offset + max(token.source.find(fault.fragment), 0) if fault.fragment else token.offset
    )
