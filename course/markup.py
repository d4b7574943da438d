"""Markdown becomes email-safe HTML that is also template source, and plain text.

Markdown first, templates second: expressions hide behind tokens while Markdown and the sanitiser
work, and come back where they stood; inside code they come back as text. The only file that knows
`markdown`. Refuses what would take too long to render, and an `{% if %}` that would tear elements.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable

import markdown
import nh3

from course.errors import MarkupRefused
from course.language import ENGLISH, Language
from course.rendering import htmltree
from course.rendering.bareurls import link_bare_urls
from course.rendering.htmltree import Element, Ready
from course.rendering.mailhtml import make_mail_safe
from course.rendering.plaintext import to_text
from course.source.expressions import as_html, judge_expression, judge_tag
from course.source.landmarks import may_start_address
from course.source.limits import too_dense, too_large
from course.source.scan import scan, scan_line
from course.source.tokens import TOKEN, Scan, Token

_EXTENSIONS = ["extra", "sane_lists", "admonition", "pymdownx.tasklist", "pymdownx.tilde"]
_TAGS = frozenset(
    [
        *("a", "abbr", "article", "aside", "audio", "b", "blockquote", "br", "caption", "center"),
        *("cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt"),
        *("em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "iframe"),
        *("img", "input", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp"),
        *("section", "small", "source", "span", "strike", "strong", "sub", "summary", "sup"),
        *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var", "video"),
    ]
)
_ATTRIBUTES = {
    "a": {"href", "title", "class"},
    "abbr": {"title"},
    "audio": {"src", "title"},
    "code": {"class"},
    "div": {"class"},
    "iframe": {"src", "title"},
    "img": {"src", "alt", "width", "title"},
    "input": {"type", "checked"},
    "ol": {"start", "type"},
    "p": {"class"},
    "source": {"src"},
    "sup": {"id"},
    "td": {"align", "style", "colspan", "rowspan"},
    "th": {"align", "style", "colspan", "rowspan"},
    "video": {"src", "title"},
    "*": {"lang", "dir"},
}
#: Wrappers that carry no meaning in a mail.
_UNWRAPPED = frozenset({"article", "aside", "center", "section", "caption"})
_SCHEMES = {"http", "https", "mailto", "tel"}
_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    attributes=_ATTRIBUTES,
    url_schemes=_SCHEMES,
    link_rel=None,
    clean_content_tags={"script", "style", "textarea", "title", "noscript", "template", "svg"},
)
_WRAPPER = re.compile(
    r"^(?P<tag><(?:details|div|section|article|aside|figure)\b(?![^>]*\bmarkdown=)[^>]*)>"
    r"(?P<rest>[ \t]*\n?(?:[ \t]*<summary>[^\n]*</summary>[ \t]*\n)?(?=[ \t]*\n))",
    re.MULTILINE | re.IGNORECASE,
)
_LINE_END = re.compile(r"[ \t]*\n\s*")
_local = threading.local()


def to_html(markdown_text: str, language: Language = ENGLISH) -> str:
    """A lesson's body as HTML template source. Raises MarkupRefused with the cure.

    `language` is that of the few words we put in, such as "Note" above a callout.
    """
    found = scan(_normalised(markdown_text))
    _refuse_dense(found)
    return _finished(
        lambda: _tree(_instance("block").convert(markdown_inside(found.text)), found), language
    )


def markdown_inside(text: str) -> str:
    """Let Markdown work inside raw wrappers that leave an empty line, as GitHub does."""
    return _WRAPPER.sub(r'\g<tag> markdown="1">\g<rest>', text)


def inline(markdown_text: str) -> str:
    """A one-line field as inline HTML template source: no paragraphs, lists or headings."""
    found = scan_line(_LINE_END.sub(" ", _normalised(markdown_text)).strip())
    _refuse_dense(found)
    return _finished(lambda: _unwrapped(_tree(_instance("inline").convert(found.text), found)))


def _unwrapped(root: Element) -> Element:
    if len(root.children) == 1 and isinstance(root.children[0], Element):
        only = root.children[0]
        return Element("", {}, only.children) if only.tag == "p" else root
    return root


def _finished(make: Callable[[], Element], language: Language = ENGLISH) -> str:
    try:
        root = make()
        make_mail_safe(root, language)
        _refuse_torn_ifs(root)
        return htmltree.write(root).strip()
    except RecursionError:
        raise MarkupRefused("elements are nested too deeply: make lists and quotes flat") from None


def plain(text: str) -> str:
    """A field that is not Markdown (subject, preheader) as template source for plain text."""
    found = scan_line(" ".join(text.split()))
    out, position = [], 0
    for match in TOKEN.finditer(found.text):
        out.append(htmltree.literal(found.text[position : match.start()]))
        token = found.tokens[int(match.group(1))]
        live = token.kind in {"value", "tag"} and _is_readable(token)
        out.append(token.source if live else htmltree.literal(_as_text(token)))
        position = match.end()
    out.append(htmltree.literal(found.text[position:]))
    return "".join(out)


def _as_text(token: Token) -> str:
    return token.content if token.kind in {"span", "block"} else token.source


def _normalised(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _refuse_dense(found: Scan) -> None:
    if message := too_large(len(found.source)):
        raise MarkupRefused(message)
    for offset, message in too_dense(found):
        raise MarkupRefused(f"line {found.at(offset)[0]}: {message}")


def _instance(kind: str) -> markdown.Markdown:
    """This thread's own Markdown, ready for a new text: instances are not thread-safe."""
    md: markdown.Markdown | None = getattr(_local, kind, None)
    if md is None:
        md = markdown.Markdown(extensions=_EXTENSIONS, output_format="html")
        if kind == "inline":
            md = markdown.Markdown(extensions=["pymdownx.tilde"], output_format="html")
            for name in ("hashheader", "setextheader", "hr", "olist", "ulist", "quote"):
                md.parser.blockprocessors.deregister(name)
            for name in ("code", "indent", "reference"):
                md.parser.blockprocessors.deregister(name)
            md.preprocessors.deregister("html_block")
        setattr(_local, kind, md)
    return md.reset()


# --- tokens come back ----------------------------------------------------------------------------


def _tree(html: str, found: Scan) -> Element:
    root = htmltree.read(_CLEANER.clean(html))
    _expand(root, found.tokens, in_code=False)
    link_bare_urls(root)
    return root


def _expand(parent: Element, tokens: list[Token], *, in_code: bool) -> None:
    children: list[Element | str] = []
    for child in parent.children:
        if isinstance(child, Element):
            inside = in_code or child.tag in {"code", "pre"}
            _expand(child, tokens, in_code=inside)
            _expand_attributes(child, tokens)
            if child.tag == "p" and child.is_blank():
                continue
            if child.tag in _UNWRAPPED:
                children.extend(child.children)
            else:
                children.append(child)
        else:
            children.extend(_expanded(child, tokens, in_code=in_code))
    parent.children = children


def _expanded(text: str, tokens: list[Token], *, in_code: bool) -> Iterable[Element | str]:
    position = 0
    for match in TOKEN.finditer(text):
        if position < match.start():
            yield text[position : match.start()]
        position = match.end()
        number = int(match.group(1))
        if number < len(tokens):
            yield from _one(tokens[number], in_code=in_code)
    if position < len(text):
        yield text[position:]


def _one(token: Token, *, in_code: bool) -> Iterable[Element | str]:
    if in_code or token.kind in {"stray", "char"}:
        yield token.source
    elif token.kind == "span":
        yield Element("code", {}, [token.content])
    elif token.kind == "block":
        language = {"class": f"language-{token.language}"} if token.language else {}
        yield Element("pre", {}, [Element("code", {**language}, [token.content])])
    elif token.kind == "void":
        return
    elif token.kind == "raw":
        yield from htmltree.read(_CLEANER.clean(token.source)).children
    else:
        yield _live(token)


def _live(token: Token, *, in_attribute: bool = False) -> str:
    """The expression, or its source as text when it is not sound (a half-written lesson)."""
    if not _is_readable(token):
        return token.source
    return Ready(as_html(token.source, in_attribute=in_attribute))


def _is_readable(token: Token) -> bool:
    """A name may be unknown, but the template engine must be able to read what is left alive."""
    if token.kind == "tag":
        return not judge_tag(token.content)[1]
    return all(fault.rule == "unknown-variable" for fault in judge_expression(token.content))


def _expand_attributes(element: Element, tokens: list[Token]) -> None:
    for name, value in list(element.attrs.items()):
        if not isinstance(value, str) or not TOKEN.search(value):
            continue
        if name in {"href", "src"}:
            if _is_safe_address(value, tokens):
                element.attrs[name] = list(_in_attribute(value, tokens))
            else:
                del element.attrs[name]
        elif name in {"alt", "title"}:
            element.attrs[name] = list(_in_attribute(value, tokens))
        else:
            del element.attrs[name]


def _in_attribute(value: str, tokens: list[Token]) -> Iterable[str]:
    position = 0
    for match in TOKEN.finditer(value):
        yield value[position : match.start()]
        position = match.end()
        token = tokens[int(match.group(1))] if int(match.group(1)) < len(tokens) else None
        if token is None:
            continue
        if token.kind in {"value", "tag"}:
            yield _live(token, in_attribute=True)
        else:
            yield _as_text(token)
    yield value[position:]


def _is_safe_address(value: str, tokens: list[Token]) -> bool:
    """A learner's value may stand inside an address, never where its scheme would be read."""
    if value.lower().startswith(("https://", "http://", "mailto:")):
        host = value.split("//", 1)[-1].split("/", 1)[0].split("?", 1)[0]
        return value.lower().startswith("mailto:") or not TOKEN.search(host)
    return may_start_address(value, tokens)


def _refuse_torn_ifs(root: Element) -> None:
    """Every `{% if %}` must end among the same siblings, or half an element would be sent."""
    for element in root.walk():
        _refuse_torn([c for c in element.children if isinstance(c, str)])
        for value in element.attrs.values():
            if not isinstance(value, str):
                _refuse_torn(value)


def _refuse_torn(siblings: Iterable[str]) -> None:
    depth = 0
    for text in siblings:
        if isinstance(text, Ready) and text.startswith("{%"):
            word = text.strip("{%- }").split(None, 1)[0]
            depth += {"if": 1, "endif": -1}.get(word, 0)
            if depth < 0 or (depth == 0 and word in {"else", "elif"}):
                break
    else:
        if depth == 0:
            return
    raise MarkupRefused(
        "an `{% if %}` starts inside one element (bold, link, list item, paragraph) and ends "
        "outside it: put `{% if %}` and `{% endif %}` both inside or both outside"
    )


__all__ = ["inline", "plain", "to_html", "to_text"]
