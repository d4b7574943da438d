"""Texts that have broken mail programs, templates and databases before.

As a name, a subject or a lesson none of them may become a header, a tag, a template or a query.
"""

from __future__ import annotations

#: All that `str.splitlines` breaks at, the pair of CR and LF, and NUL, which ends texts in C.
SEPARATORS = [*"\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", "\r\n", "\0"]

NAMES = [
    # Headers and line ends.
    "Bob\r\nBcc: victim@example.com",
    "Bob\nBcc: victim@example.com",
    "Bob\rX-Evil: 1",
    "Bob\r\n\r\n<html>a body of my own</html>",
    "Bob\r\n.\r\nMAIL FROM:<evil@example.com>",
    *(f"Bob{separator}Bcc: v" for separator in SEPARATORS[2:]),
    "=?utf-8?q?a=0ABcc:_victim=40example.com?=",
    "=?utf-8?b?Cg==?=", "=?iso-8859-1?q?=0D=0AX-Evil:_1?= Bob", "=?utf-8?q?x?=", "=?=?=",
    "--=_boundary", "Content-Type: text/html", "List-Unsubscribe: <https://evil.example/>",
    # Signs that mean something in an address list.
    'Bob "The" Builder', '"', "'", "\\", '\\"', "a\\", "Smith, John", "Bob;", "(Bob", "<x@y.org>",
    "a@b.org", "Bob:", ",,,",
    # Markup.
    "<script>alert(1)</script>", "<b>Bob</b>", "\"><img src=x onerror=alert(1)>", "' onclick='x",
    "</td></tr></table>", "--><b>", "<!--", "]]>", "<![endif]-->",
    "&lt;b&gt;", "&amp;", "&", "a&b", "&#10;", "&nbsp;", "javascript:alert(1)", "data:text/html,x",
    "[Bob](https://evil.example)", "**Bob**", "`Bob`", "| a | b |", "# Bob", "> Bob",
    # Templates, substitution tags and queries.
    "{{ 7*7 }}", "{% if 1 %}x{% endif %}", "{{ url.leave }}", "{# no #}", "${7*7}", "%s %(x)s",
    "{0}", "#{7*7}", "<%= 7*7 %>", "{{", "}}", "{{{",
    "-mcd_name_h-", "-mcd_leave_t-", "%recipient%", "<%asm%>", "*|FNAME|*",
    "'; DROP TABLE learners; --", "Robert'); DELETE FROM deliveries WHERE ('1'='1", "\" OR 1=1 --",
    "$(reboot)", "`reboot`", "../../etc/passwd", "=HYPERLINK(\"https://evil.example\")",
    # Quoted-printable, SMTP and mbox.
    "=\r\n", "=3D", "=", "O=Brien", ".", "..", ".hidden", "From me", "From ", "Fred",
    # Length.
    "a" * 500, "x" * 75, "x" * 76, "x" * 77, "x" * 10_000, "x y " * 2_500, "é" * 200,
    "日本語" * 60, "日本語" * 3_400, "🌱" * 40, "e\u0301" * 50,
    # White space and what cannot be seen.
    " lead and trail ", "a  b", "\t", " ", "\u00a0", "\u200b", "\u200d", "\ufeffBob", "\u00adBob",
    "".join(map(chr, range(1, 32))), "".join(map(chr, range(0x7F, 0xA0))), "\x1b[31mBob\x1b[0m",
    "\x08\x08\x08",
    # Direction, marks upon marks, and emoji made of several.
    "\u202eevil\u202c", "\u200f", "\u2067Bob\u2069", "\u061cBob", "محمد", "דוד Bob שלום",
    "Z\u0351\u036b\u0343\u036a\u0302a\u0300\u0316\u0317l\u0334\u0335g\u0321\u0322o\u0338\u0337",
    "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏿", "🇦🇶", "1️⃣", "Ada ❤️",
    # Ordinary people, and letters that are none.
    "Zoë O'Brien-Smith", "Jos\u00e9", "Jose\u0301", "Nguyễn Thị Hồng", "X Æ A-12", "Null", "None",
    "NaN", "-1", "0", "\ud800", "\ufffd", "\uffff", "\U0010f7fd", "\U0001f7fd",
]  # fmt: skip

#: Bodies of lessons: whatever an author pastes.
LESSONS = [
    *NAMES,
    "<div><p>never closed\n\n# <b>\n\n</td></tr></table>",
    "<style>body { display: none }</style>\n\nAnd a word.",
    "<style>p { color: {{ learner.first_name }} }</style>",
    "<form action=https://evil.example><input name=password></form>",
    "<svg onload=alert(1)>", "<math><mi xlink:href=javascript:alert(1)>x",
    "<a href='jav\tascript:alert(1)'>x</a>", "[x](javascript:alert(1))", "[x](data:text/html,x)",
    "![x](data:image/png;base64,AAAA)", "[x](//evil.example)", "[x](#top)", "[x](\x00https://a.b)",
    "<table><tr><td>one<table><tr><td>two", "<details><summary>x</summary>y</details>",
    "<video src=https://example.org/a.mp4></video>", "<!--[if mso]>only Outlook<![endif]-->",
    "<p style='position:fixed;top:0'>x</p>", "<font color=red>x</font>", "<h1>one</h1><h1>two</h1>",
    "###### deep\n\n# high", "> " * 40 + "deep", "- a\n" * 200, "|a|" * 30 + "\n" + "|-|" * 30,
    "```\n" + "x" * 300 + "\n.\n..\nFrom here\n```", "~~~\n{{ learner.first_name }}\n~~~",
    "A paragraph.\n\n.\n\nFrom me\n\n" + "word" * 400, "[a]: https://example.org\n\n[a][a][a]",
    "Term\n:   what it means\n\n*[HTML]: a language\n\nHTML is one.", "1986\\. A year.\n\n7. seven",
    "- [ ] to do\n- [x] done", "A note[^1].\n\n[^1]: It stands below.", "---", "***",
    "\\", "\\\\\n\\",
    "<https://example.org/?a=1&b=2>", "https://example.org/" + "a" * 1_900,
]  # fmt: skip
