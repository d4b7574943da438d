"""`course preview`: a small page on this machine that shows each mail and reloads as you save."""

from __future__ import annotations

import sys
import threading
import webbrowser
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import click

from course.cli import opening, table

if TYPE_CHECKING:
    from course.catalog import Course
    from course.config import Settings
    from course.lesson import Lesson

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:75rem;padding:1rem}}
iframe{{border:1px solid #888;background:#fff;width:100%;height:78vh}} .phone iframe{{width:390px}}
pre{{white-space:pre-wrap;border:1px solid #888;padding:1rem}} li{{margin:.3rem 0}}
.error{{color:#b00020}} .warn{{color:#8a5a00}} .row{{border:1px solid #888;padding:.5rem 1rem}}
@media(prefers-color-scheme:dark){{body{{background:#181818;color:#eee}}a{{color:#8ab4f8}}
.error{{color:#ff8a80}}.warn{{color:#ffcc80}}}}
</style></head><body>{body}<script src="/reload.js"></script></body></html>"""

#: Reloads when the folder changed, and keeps the place on the page.
_RELOAD = """const at='at:'+location.pathname;addEventListener('load',()=>{const y=
sessionStorage.getItem(at);if(y)scrollTo(0,+y)});new EventSource('/events').onmessage=()=>{
sessionStorage.setItem(at,scrollY);location.reload()};"""

_CSP = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline';"
    " img-src 'self' https: data:; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)


class Desk:
    """The catalog and composer as of the last save, and a bell that rings at the next one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bell = threading.Condition()
        self.saves = 0
        self.look_again()

    def look_again(self) -> None:
        """Read lessons and templates anew and tell every open page."""
        from course import wiring

        composer = wiring.composer_for(self._settings)
        with self._bell:
            self.composer = composer
            self.catalog = composer.catalog
            self.saves += 1
            self._bell.notify_all()

    def wait(self, seen: int, seconds: float) -> int:
        """The number of saves, as soon as it is no longer `seen`, or after that time."""
        with self._bell:
            self._bell.wait_for(lambda: self.saves != seen, timeout=seconds)
            return self.saves

    def watch(self, stop: threading.Event) -> None:
        """Look again at each save, until stopped."""
        from watchfiles import watch

        folders = {self._settings.lessons, self._settings.templates}
        for _changes in watch(*folders, stop_event=stop, debounce=100, step=50):
            self.look_again()


@click.command(short_help="Show the lessons in the browser; reload as you save.")
@click.option("--port", type=int, default=8001, show_default=True, help="0 picks a free one.")
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.pass_context
def preview(ctx: click.Context, port: int, no_browser: bool) -> None:
    """Show each mail as its reader gets it, in the browser, and reload as you save."""
    desk = Desk(opening.settings(ctx))
    handler = type("Handler", (_Handler,), {"desk": desk})
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on port {port}: {error.strerror}. Choose another with --port."
        ) from None
    server.daemon_threads = True
    stop = threading.Event()
    threading.Thread(target=desk.watch, args=(stop,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    click.echo(f"  Preview   {address}")
    sys.stdout.flush()
    table.say("Save a lesson and the page follows. Ctrl-C stops.")
    if not no_browser and sys.stdout.isatty():
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        table.say()
    finally:
        stop.set()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    desk: Desk

    def do_GET(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in ("127.0.0.1", "localhost", "::1"):
            self.send_error(403)  # a page elsewhere that points its own name at this machine
            return
        parts = urlsplit(self.path)
        way = [unquote(part) for part in parts.path.split("/") if part]
        looks = parse_qs(parts.query).get("as", ["html"])[0]
        try:
            self._answer(way, looks)
        except BrokenPipeError:
            return
        except Exception as error:  # a half-written file must not end the preview
            self._send(
                _page("Error", f"<h1>Not yet</h1><pre class=error>{escape(str(error))}</pre>")
            )

    def log_message(self, *_: Any) -> None:
        """Silence: the terminal belongs to the author."""

    def _answer(self, way: list[str], looks: str) -> None:
        if way == ["events"]:
            self._events()
        elif way == ["reload.js"]:
            self._send(_RELOAD, "text/javascript")
        elif not way:
            self._send(_page("Lessons", _list(self.desk)))
        elif len(way) == 2 and (course := self.desk.catalog.course(way[0])):
            lesson = course.lessons.get(way[1]) or course.letters.get(way[1])
            if lesson is None:
                self._send(_page("Error", _trouble(course, way[1])))
            elif looks == "mail":
                self._send(self.desk.composer.preview(course, lesson).html)
            else:
                self._send(_page(lesson.title, _show(self.desk, course, lesson, looks)))
        else:
            self.send_error(404)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        seen = self.desk.saves
        try:
            while True:
                now = self.desk.wait(seen, 15)
                self.wfile.write(b"data: saved\n\n" if now != seen else b": still here\n\n")
                self.wfile.flush()
                seen = now
        except OSError:
            return  # the page was closed

    def _send(self, text: str, kind: str = "text/html") -> None:
        body = text.encode("utf-8")
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _CSP)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def _page(title: str, body: str) -> str:
    return _PAGE.format(title=escape(title), body=body)


def _list(desk: Desk) -> str:
    parts = []
    for course in desk.catalog.courses().values():
        items = []
        for ref in course.syllabus.lessons:
            lesson = course.lessons.get(ref.key)
            note = f"{lesson.minutes()} min" if lesson else "<b class=error>has errors</b>"
            draft = ", draft" if lesson and lesson.draft else ""
            title = escape(lesson.title if lesson else ref.key)
            items.append(f"<li>{_link(course.key, ref.key, title)} ({note}{draft})</li>")
        letters = [
            f"<li>{_link(course.key, key, escape(letter.title))}</li>"
            for key, letter in course.letters.items()
        ]
        parts.append(
            f"<h2>{escape(course.title)}</h2><ol>{''.join(items)}</ol>"
            f"<h3>Letters</h3><ul>{''.join(letters)}</ul>"
        )
    found = _findings(desk.catalog.findings)
    return f"<h1>Lessons</h1>{''.join(parts) or '<p>No course yet.</p>'}{found}"


def _show(desk: Desk, course: Course, lesson: Lesson, looks: str) -> str:
    mail = desk.composer.preview(course, lesson)
    here = f"/{quote(course.key)}/{quote(lesson.key)}"
    tabs = " · ".join(
        f'<a href="{here}?as={name}">{name}</a>' for name in ("html", "phone", "text", "source")
    )
    if looks == "text":
        body = f"<pre>{escape(mail.text)}</pre>"
    elif looks == "source":
        body = f"<pre>{escape(mail.html)}</pre>"
    else:
        kind = "phone" if looks == "phone" else ""
        body = (
            f'<div class="{kind}"><iframe sandbox title="mail" src="{here}?as=mail"></iframe></div>'
        )
    sender = desk.composer.sender.from_name or desk.composer.sender.from_addr
    name = Path(lesson.path).name
    findings = _findings([f for f in course.findings if Path(f.path).name == name])
    return (
        f'<p><a href="/">All lessons</a> · {tabs}</p><h1>{escape(lesson.title)}</h1>'
        f'<p class="row"><b>{escape(sender)}</b> {escape(mail.subject)}'
        f" - {escape(lesson.preheader)}</p>"
        f"<p>{mail.size.html / 1024:.0f} KB, {lesson.minutes()} min, {lesson.words()} words,"
        f" subject {len(mail.subject)} characters</p>{findings}{body}"
    )


def _trouble(course: Course, key: str) -> str:
    return f'<p><a href="/">All lessons</a></p><h1>{escape(key)}</h1>{_findings(course.findings)}'


def _findings(findings: Any) -> str:
    rows = "".join(f"<li class={f.level}>{escape(str(f))}</li>" for f in findings)
    return f"<ul>{rows}</ul>" if rows else ""


def _link(course: str, key: str, text: str) -> str:
    return f'<a href="/{quote(course)}/{quote(key)}">{text}</a>'
