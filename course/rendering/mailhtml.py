"""Turns a sanitised tree into one that mail programs of every age show well.

Refuses what mail cannot do: inputs, anchors inside a mail, frames, films, folding parts. Style is
not its job; it gives a few class names (`callout`, `code`, `data`, `notes`) for the layout.
"""

from __future__ import annotations

import re

from course.language import ENGLISH, N_, Language
from course.rendering.htmltree import Element, Ready

#: Rules that make links and code of ours safe to see: no class or attribute of an author's stays.
_KEPT = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "title"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "ol": {"start", "type"},
    "code": {"class"},
    "blockquote": set[str](),
}
_EVERYWHERE = {"lang", "dir"}
_PRESENTATION: dict[str, str | list[str]] = {
    "role": "presentation",
    "width": "100%",
    "cellpadding": "0",
    "cellspacing": "0",
    "border": "0",
}
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_CALLOUT = re.compile(r"\s*\[!(?P<kind>[A-Za-z][\w-]*)\][+-]?[ \t]*")
#: What other tools call a callout, and what we write above it.
_LABELS = {
    "tldr": N_("In short"), "faq": N_("Question"), "todo": N_("To do"), "hint": N_("Tip"),
    "note": N_("Note"), "tip": N_("Tip"), "important": N_("Important"), "warning": N_("Warning"),
    "caution": N_("Caution"), "info": N_("Info"), "example": N_("Example"), "quote": N_("Quote"),
    "question": N_("Question"), "danger": N_("Danger"), "success": N_("Success"),
    "summary": N_("Summary"), "abstract": N_("Abstract"),
}  # fmt: skip
MAX_IMAGE_WIDTH = 600


class _Ours(str):
    """A word that no author wrote: it is said in the language of the lesson."""

    __slots__ = ()


def make_mail_safe(root: Element, language: Language = ENGLISH) -> None:
    """Change the tree in place. `language` is that of the words we put in."""
    _shift_headings(root)
    _rewrite_children(root)
    _say_ours(root, language)
    _spell_out_abbreviations(root)
    for element in root.walk():
        _drop_attributes(element)


def _say_ours(root: Element, language: Language) -> None:
    for element in root.walk():
        element.children = [
            language.gettext(str(child)) if isinstance(child, _Ours) else child
            for child in element.children
        ]
        for name, value in element.attrs.items():
            if isinstance(value, _Ours):
                element.attrs[name] = language.gettext(str(value))


def _rewrite_children(parent: Element) -> None:
    children: list[Element | str] = []
    for child in parent.children:
        if isinstance(child, Element):
            _rewrite_children(child)
            children.extend(_rewritten(child))
        else:
            children.append(child)
    parent.children = children


def _rewritten(element: Element) -> list[Element | str]:
    match element.tag:
        case "input":
            return _checkbox(element)
        case "a":
            return _link(element)
        case "img":
            return _image(element)
        case "sup" if element.attr("id").startswith("fnref"):
            return [Element("sup", {}, [f"[{element.text().strip()}]"])]
        case "div":
            return _division(element)
        case "blockquote":
            return _quote(element)
        case "pre":
            return [_code(element)]
        case "table" if not element.has_class("code") and not element.has_class("callout"):
            _data_table(element)
        case "dl":
            return _definitions(element)
        case "details":
            return _details(element)
        case "summary":
            return [Element("p", {}, [Element("strong", {}, element.children)])]
        case "iframe" | "video" | "audio" | "source":
            return _film(element)
        case "p" if _only_tags(element):
            return list(element.children)
        case "figure":
            return list(element.children)
        case "figcaption":
            return [Element("p", {}, [Element("em", {}, element.children)])]
    return [element]


def _only_tags(paragraph: Element) -> bool:
    """True when nothing but `{% if %}` tags and blocks stands in the paragraph."""
    solid = [c for c in paragraph.children if isinstance(c, Element) or c.strip()]
    return bool(solid) and all(
        c.tag in {"table", "pre"}
        if isinstance(c, Element)
        else isinstance(c, Ready) and c.startswith("{%")
        for c in solid
    )


def _shift_headings(root: Element) -> None:
    """The title is the mail's only h1: the highest heading of the body becomes h2."""
    found = [e for e in root.walk() if e.tag in _HEADINGS]
    if not found:
        return
    shift = 2 - min(int(e.tag[1]) for e in found)
    for heading in found:
        heading.tag = f"h{min(6, int(heading.tag[1]) + shift)}"


def _checkbox(element: Element) -> list[Element | str]:
    if element.attr("type") != "checkbox":
        return []
    mark, words = ("☑", N_("done")) if "checked" in element.attrs else ("☐", N_("to do"))
    return [Element("span", {"role": "img", "aria-label": _Ours(words)}, [mark])]


def _link(element: Element) -> list[Element | str]:
    href = element.attr("href")
    if element.has_class("footnote-backref") or not element.children:
        return []
    if not href or href.startswith("#") or re.match(r"[^:/?#]+\.(?:md|markdown)(?:#|\Z)", href):
        return list(element.children)
    return [element]


def _image(element: Element) -> list[Element | str]:
    """An image whose address was refused (`data:`, `file:`) leaves its words."""
    if not element.attr("src"):
        alt = element.attrs.get("alt", "")
        return [alt] if isinstance(alt, str) else list(alt)
    element.attrs.setdefault("alt", "")
    width = element.attr("width").removesuffix("px")
    element.attrs.pop("width", None)
    if width.isdigit() and int(width) > 0:
        element.attrs["width"] = str(min(int(width), MAX_IMAGE_WIDTH))
    return [element]


def _division(element: Element) -> list[Element | str]:
    if element.has_class("footnote"):
        notes = [c for c in element.elements() if c.tag != "hr"]
        for item in (e for note in notes for e in note.walk() if e.tag == "p"):
            _trim_end(item)
        return [
            Element("hr"),
            Element("p", {"class": "notes"}, [Element("strong", {}, [_Ours(N_("Notes"))])]),
            *notes,
        ]
    if element.has_class("admonition"):
        kind = next((c for c in element.attr("class").split() if c != "admonition"), "note")
        title = next((e for e in element.elements() if e.has_class("admonition-title")), None)
        label: list[Element | str] = title.children if title else [_label(kind)]
        body = [c for c in element.children if c is not title]
        return [_callout(label, body)]
    return [element]


def _trim_end(paragraph: Element) -> None:
    if paragraph.children and isinstance(paragraph.children[-1], str):
        last = paragraph.children[-1]
        if not isinstance(last, Ready):
            paragraph.children[-1] = last.rstrip("\u00a0 \n")


def _quote(element: Element) -> list[Element | str]:
    """`> [!NOTE]` is a callout, as on GitHub and in Obsidian; each one starts a new box."""
    out: list[Element | str] = []
    gathered: list[Element | str] = []
    label: list[Element | str] | None = None

    def finish() -> None:
        if label is not None:
            out.append(_callout(label, gathered))
        elif any(isinstance(c, Element) or c.strip() for c in gathered):
            out.append(Element("blockquote", {}, gathered))

    for child in element.children:
        if match := _callout_line(child):
            finish()
            gathered = []
            assert isinstance(child, Element)
            label = _take_label(child, match)
            if child.is_blank():
                continue
        gathered.append(child)
    finish()
    return out


def _take_label(paragraph: Element, match: re.Match[str]) -> list[Element | str]:
    """The title behind `[!NOTE]`, up to the end of its line, which leaves the paragraph."""
    rest: list[Element | str] = [match.string[match.end() :], *paragraph.children[1:]]
    label: list[Element | str] = []
    while rest:
        child = rest.pop(0)
        if isinstance(child, str) and not isinstance(child, Ready) and "\n" in child:
            before, _, after = child.partition("\n")
            label.append(before)
            rest.insert(0, after)
            break
        label.append(child)
    paragraph.children = [c for c in rest if c != ""]
    has_words = any(isinstance(c, Element) or c.strip() for c in label)
    return label if has_words else [_label(match.group("kind"))]


def _callout_line(child: Element | str) -> re.Match[str] | None:
    if not isinstance(child, Element) or child.tag != "p" or not child.children:
        return None
    first = child.children[0]
    return None if not isinstance(first, str) or isinstance(first, Ready) else _CALLOUT.match(first)


def _label(kind: str) -> str:
    word = kind.lower().replace("-", " ")
    return _Ours(_LABELS.get(word, word[:1].upper() + word[1:]))


def _callout(label: list[Element | str], body: list[Element | str]) -> Element:
    title = Element("p", {"class": "label"}, [Element("strong", {}, label)])
    return _one_cell("callout", [title, *body])


def _code(element: Element) -> Element:
    code = element.elements()
    if not (len(code) == 1 and code[0].tag == "code" and len(element.children) == 1):
        element.children = [Element("code", {}, element.children)]
    element.attrs = {}
    return _one_cell("code", [element])


def _one_cell(name: str, children: list[Element | str]) -> Element:
    row = Element("tr", {}, [Element("td", {}, children)])
    return Element("table", {"class": name, **_PRESENTATION}, [Element("tbody", {}, [row])])


def _data_table(table: Element) -> None:
    table.attrs = {"class": "data", "border": "1", "cellpadding": "8", "cellspacing": "0"}
    for row in (e for e in table.walk() if e.tag == "tr"):
        cells = [c for c in row.elements() if c.tag in {"td", "th"}]
        for cell in cells:
            if align := re.search(r"text-align:\s*(left|right|center)", cell.attr("style")):
                cell.attrs["align"] = align.group(1)
            if cell.tag == "th":
                all_headers = all(c.tag == "th" for c in cells)
                cell.attrs["scope"] = "col" if all_headers else "row"


def _definitions(element: Element) -> list[Element | str]:
    out: list[Element | str] = []
    for child in element.elements():
        if child.tag == "dt":
            out.append(Element("p", {}, [Element("strong", {}, child.children)]))
        elif any(e.tag in {"p", "ul", "ol", "table", "blockquote"} for e in child.elements()):
            out.extend(child.children)
        else:
            out.append(Element("p", {}, child.children))
    return out


def _details(element: Element) -> list[Element | str]:
    return [c for c in element.children if isinstance(c, Element) or c.strip()]


def _film(element: Element) -> list[Element | str]:
    src = element.attr("src")
    inner = [c for c in element.children if isinstance(c, Element) and c.tag == "p"]
    if not src.startswith(("https://", "http://")):
        return list(inner)
    label = element.attr("title") or src
    return [Element("p", {}, [Element("a", {"href": src}, [label])])]


def _spell_out_abbreviations(root: Element) -> None:
    seen: set[str] = set()

    def visit(parent: Element) -> None:
        children: list[Element | str] = []
        for child in parent.children:
            if not isinstance(child, Element):
                children.append(child)
                continue
            visit(child)
            if child.tag != "abbr":
                children.append(child)
                continue
            children.extend(child.children)
            short, long = child.text(), child.attr("title")
            if long and short not in seen:
                seen.add(short)
                children.append(f" ({long})")
        parent.children = children

    visit(root)


def _drop_attributes(element: Element) -> None:
    if element.attr("role") in {"presentation", "img"} or element.has_class("data"):
        return
    if element.tag == "p" and element.attr("class") in {"label", "notes"}:
        return
    kept = _KEPT.get(element.tag, set()) | _EVERYWHERE
    element.attrs = {k: v for k, v in element.attrs.items() if k in kept and v != ""} | (
        {"alt": element.attrs["alt"]} if element.tag == "img" else {}
    )
    if element.tag == "code" and not re.fullmatch(r"language-[\w+#.-]+", element.attr("class")):
        element.attrs.pop("class", None)
