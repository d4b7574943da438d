"""Judges one template expression, and writes it so that HTML cannot spoil it.

Refuses what `variables` does not list: calls, loops, arithmetic, subscripts, unknown names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jinja2
from jinja2 import nodes

from course.source.variables import (
    CONFIRM_NAMES,
    FILTERS,
    NAMES,
    ROOTS,
    TAGS,
    TESTS,
    nearest,
    sandbox,
)

#: Longer expressions are programs. Bounds what chained filters can build, too.
MAX_EXPRESSION = 300
_MAX_FILTERS = 4

_ALLOWED_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.Name,
    nodes.Getattr,
    nodes.Const,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
)


class Fault(NamedTuple):
    """Something wrong in one expression. `fragment` is the text to point at."""

    rule: str
    fragment: str
    message: str


_PARSER = sandbox(autoescape=True)


def judge_expression(expression: str, *, confirming: bool = False) -> list[Fault]:
    """What is wrong with the inside of `{{ ... }}` or of `{% if ... %}`; empty when sound."""
    return list(_judged(expression, confirming))


@lru_cache(maxsize=1024)
def _judged(expression: str, confirming: bool) -> tuple[Fault, ...]:
    inside = expression.strip()
    if not inside:
        return (Fault("template-syntax", "", "there is nothing between the braces: name a value"),)
    if len(inside) > MAX_EXPRESSION:
        return (
            Fault(
                "template-syntax",
                "",
                f"an expression of {len(inside)} characters is a program: keep it under "
                f"{MAX_EXPRESSION}",
            ),
        )
    try:
        tree = _PARSER.parse("{{ " + inside + " }}")
    except jinja2.TemplateSyntaxError as error:
        words = (error.message or "it cannot be read").rstrip(".")
        return (
            Fault(
                "template-syntax",
                "",
                f"`{_short(inside)}` cannot be read ({words}): write "
                '`{{ learner.first_name or "there" }}`, or put braces meant as text in `backticks`',
            ),
        )
    except RecursionError:
        return (Fault("template-syntax", "", "the expression is nested too deeply: make it flat"),)
    return tuple(_faults(tree, confirming))


def judge_tag(inside: str) -> tuple[str, list[Fault]]:
    """The word of a `{% ... %}` tag, and what is wrong with it."""
    words = inside.strip().split(None, 1)
    word = words[0] if words else ""
    rest = words[1] if len(words) > 1 else ""
    if word not in TAGS:
        return word, [
            Fault(
                "template-tag",
                word,
                f"`{{% {_short(inside.strip())} %}}` is not available in lessons: only "
                "`{% if %}`, `{% elif %}`, `{% else %}` and `{% endif %}` are; put template code "
                "meant as text in `backticks` or a code block",
            )
        ]
    if word in {"if", "elif"}:
        return word, judge_expression(rest)
    if rest:
        return word, [
            Fault("template-tag", rest, f"nothing may follow `{word}`: write `{{% {word} %}}`")
        ]
    return word, []


def _faults(tree: nodes.Template, confirming: bool) -> Iterator[Fault]:
    known = NAMES | CONFIRM_NAMES if confirming else NAMES
    whole: set[int] = set()
    filters = 0
    for node in _walk(tree):
        if isinstance(node, nodes.Getattr):
            name = _dotted(node)
            if name is None or id(node) in whole:
                continue
            inner: Any = node
            while isinstance(inner, nodes.Getattr):
                inner = inner.node
                whole.add(id(inner))
            if name not in known:
                yield _unknown(name, known)
        elif isinstance(node, nodes.Name):
            if id(node) not in whole:
                yield _unknown(node.name, known)
        elif isinstance(node, nodes.Filter):
            filters += 1
            if node.name not in FILTERS:
                near = difflib.get_close_matches(node.name, FILTERS, n=1)
                hint = f" (did you mean `{near[0]}`?)" if near else ""
                yield Fault(
                    "unknown-filter",
                    node.name,
                    f"there is no filter `{node.name}`{hint}: use one of "
                    + ", ".join(sorted(FILTERS)),
                )
        elif isinstance(node, nodes.Operand) and node.op not in _WORDS:
            yield Fault(
                "template-syntax", node.op, f"`{node.op}` is not available in lessons: use `or`"
            )
        elif isinstance(node, nodes.Test) and node.name not in TESTS:
            yield Fault(
                "unknown-filter",
                node.name,
                f"there is no test `{node.name}`: use one of " + ", ".join(sorted(TESTS)),
            )
        elif not isinstance(node, _ALLOWED_NODES):
            yield Fault(
                "template-syntax",
                "",
                f"{_kind(node)} not available in lessons: use a value, `or`, a filter, "
                "or `{% if %}`",
            )
            return
    if filters > _MAX_FILTERS:
        yield Fault("template-syntax", "", f"more than {_MAX_FILTERS} filters in a row: use fewer")
    if sum(isinstance(n, nodes.Filter) and n.name == "replace" for n in _walk(tree)) > 1:
        yield Fault("template-syntax", "", "`replace` is used twice: once is all a value may have")


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            continue
        yield child
        yield from _walk(child)


def _dotted(node: nodes.Expr) -> str | None:
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Getattr):
        before = _dotted(node.node)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _unknown(name: str, known: dict[str, str]) -> Fault:
    if name in ROOTS:
        choices = ", ".join(full for full in known if full.startswith(name + "."))
        return Fault("unknown-variable", name, f"`{name}` alone is no value: use one of {choices}")
    if name in CONFIRM_NAMES:
        return Fault(
            "unknown-variable",
            name,
            f"`{name}` exists only in the confirmation mail: use `url.learn` or `url.manage`",
        )
    near = nearest(name, known)
    hint = f"did you mean `{near}`?" if near else "use one of " + ", ".join(known)
    return Fault(
        "unknown-variable",
        name,
        f"there is no value `{name}`: {hint} (braces meant as text go in `backticks`)",
    )


def _kind(node: nodes.Node) -> str:
    kinds: dict[type[nodes.Node], str] = {
        nodes.Call: "calling something is",
        nodes.Getitem: "`[...]` is",
        nodes.Concat: "`~` is",
        nodes.List: "a list is",
        nodes.Dict: "a `{...}` is",
        nodes.Tuple: "a comma is",
    }
    return kinds.get(type(node), "arithmetic is")


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else flat[:57] + "..."


# --- writing an expression into HTML -------------------------------------------------------------

_WORDS = {"gt": "gt", "gteq": "ge", "lt": "lt", "lteq": "le", "eq": "eq", "ne": "ne"}
_HIDDEN = {ord(c): f"\\x{ord(c):02x}" for c in "\"'<>&"} | {ord("\\"): "\\\\", ord("\n"): "\\n"}


def as_html(source: str, *, in_attribute: bool = False) -> str:
    """A `{{ ... }}` or `{% ... %}` that survives an HTML parser and comes back out the same.

    Its bytes are kept unless it holds `<`, `>`, `&` or, inside an attribute, `"`: then it is
    written another way with the same meaning. Raises ValueError if it is not sound.
    """
    spoils = '<>&"' if in_attribute else "<>&"
    if not any(c in source for c in spoils):
        return source
    left, right = source[:2], source[-2:]
    inside = source[2:-2]
    left += "-" if inside.startswith("-") else ""
    right = ("-" if inside.endswith("-") else "") + right
    inside = inside.removeprefix("-").removesuffix("-").strip()
    word = ""
    if source.startswith("{%"):
        word, _, inside = inside.partition(" ")
        word += " "
    try:
        tree = _PARSER.parse("{{ " + inside + " }}")
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"`{_short(inside)}` cannot be read") from error
    output = tree.body[0]
    assert isinstance(output, nodes.Output)
    return f"{left} {word}{_spell(output.nodes[0])} {right}"


def _spell(node: nodes.Node) -> str:
    if isinstance(node, nodes.Const):
        value = node.value
        return f"'{value.translate(_HIDDEN)}'" if isinstance(value, str) else str(value)
    if isinstance(node, nodes.Name | nodes.Getattr):
        return _dotted(node) or ""
    if isinstance(node, nodes.And | nodes.Or):
        word = "and" if isinstance(node, nodes.And) else "or"
        return f"({_spell(node.left)} {word} {_spell(node.right)})"
    if isinstance(node, nodes.Not):
        return f"(not {_spell(node.node)})"
    if isinstance(node, nodes.Compare):
        return _spell_compare(node)
    if isinstance(node, nodes.CondExpr):
        otherwise = _spell(node.expr2) if node.expr2 else "''"
        return f"({_spell(node.expr1)} if {_spell(node.test)} else {otherwise})"
    if isinstance(node, nodes.Filter | nodes.Test):
        arguments = [_spell(a) for a in node.args]
        arguments += [f"{k.key}={_spell(k.value)}" for k in node.kwargs]
        joined = f"({', '.join(arguments)})" if arguments else ""
        sign = "|" if isinstance(node, nodes.Filter) else " is "
        assert node.node is not None
        return f"({_spell(node.node)}{sign}{node.name}{joined})"
    raise ValueError(f"{_kind(node)} not available in lessons")


def _spell_compare(node: nodes.Compare) -> str:
    pieces, left = [], _spell(node.expr)
    for operand in node.ops:
        right = _spell(operand.expr)
        if operand.op not in _WORDS:
            raise ValueError(f"`{operand.op}` is not available in lessons")
        pieces.append(f"({left} is {_WORDS[operand.op]}({right}))")
        left = right
    return pieces[0] if len(pieces) == 1 else f"({' and '.join(pieces)})"


def is_address(content: str) -> bool:
    """True for a bare `url.name`: the only value that may stand at the start of an address."""
    return content.startswith("url.") and (content in NAMES or content in CONFIRM_NAMES)
