"""Builds the web application around a finished school.

The only file that knows all doors. Starts nothing and sends nothing: whoever serves it also
starts the driver.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from course.language import N_, Language
from course.paths import template_folders
from course.web import api, assets, desk, guard, health, outbox, speaking, webhooks
from course.web.admin import learners, session, today
from course.web.learner import (
    certificate,
    code,
    confirm,
    data,
    done,
    easing,
    front,
    inbox,
    keeping,
    learn,
    leave,
    lost,
    manage,
    moving,
    read,
    signup,
)
from course.web.school import School
from scheduler.errors import DatabaseUnavailable

_SIGNUP = re.compile(r"/courses/[^/]+/signup")

#: Status -> heading and what to do next.
_WORDS = {
    401: (N_("Please log in"), N_("The admin pages open with a one-time link.")),
    403: (
        N_("This form came from somewhere else"),
        N_("For your safety it was not accepted. Open the page here again and press its button."),
    ),
    404: (N_("Nothing here"), N_("This address does not exist, or not any more.")),
    405: (N_("Not this way"), N_("Open the page again and use its own button.")),
    413: (N_("That is too much"), N_("The form was larger than any of ours. Send less text.")),
    500: (
        N_("Something broke on our side"),
        N_("It has been written down. Nothing you did is lost; try again in a moment."),
    ),
    503: (
        N_("Back in a moment"),
        N_("The database cannot be reached just now. Try again in a minute."),
    ),
}


def create_app(school: School) -> FastAPI:
    """The application: learner pages, admin pages, API, health."""
    app = FastAPI(
        title="Mini email course",
        version=_version(),
        description="Sign people up for a course, and see which courses there are.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # those pages load scripts from a third party
        redoc_url=None,
    )
    tools = app.state.desk = desk.build(school)
    https = tools.secure

    def refuse(request: Request, status: int) -> Response:
        heading, message = map(speaking.gettext, _WORDS.get(status, _WORDS[500]))
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": f"{heading}. {message}"}, status_code=status)
        if status == 401:
            return tools.pages.page("admin/enter.html", token="", why="", inside=False, status=401)
        return tools.pages.page("web/error.html", status=status, heading=heading, message=message)

    def on_http(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        if request.url.path.startswith("/api/"):
            detail = problem.detail
            return JSONResponse({"detail": detail}, problem.status_code, problem.headers)
        return refuse(request, problem.status_code)

    def on_invalid(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, RequestValidationError)
        if request.url.path.startswith("/api/"):
            faults = [
                {"field": ".".join(str(part) for part in fault["loc"][1:]), "message": fault["msg"]}
                for fault in problem.errors()
            ]
            return JSONResponse({"detail": faults}, status_code=422)
        return refuse(request, 404)

    def on_away(request: Request, _problem: Exception) -> Response:
        answer = refuse(request, 503)
        answer.headers["retry-after"] = "60"
        return answer

    def on_crash(request: Request, _problem: Exception) -> Response:
        answer = refuse(request, 500)
        # This answer is made outside the guard.
        guard.secure(request.url.path, MutableHeaders(raw=answer.raw_headers), https=https)
        return answer

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(DatabaseUnavailable, on_away)
    app.add_exception_handler(Exception, on_crash)
    app.add_middleware(
        guard.Guard,
        base_url=school.settings.base_url,
        refuse=refuse,
        # The signup form may stand on another site; it carries no authority to be borrowed.
        open_to_all=lambda path: _SIGNUP.fullmatch(path) is not None,
        max_body=lambda path: (
            webhooks.MAX_BODY if path.startswith("/webhooks/") else guard.MAX_BODY
        ),
    )
    # Outermost, so that a refusal of the guard is written in the visitor's language as well.
    app.add_middleware(
        speaking.Listener,
        languages=tools.pages.languages,
        root=tools.pages.root,
        at_home=lambda: _at_home(tools),
    )
    for door in (front, signup, inbox, code, confirm, read, learn, keeping, done, certificate):
        app.include_router(door.router)
    for door in (manage, easing, data, moving, leave, lost):
        app.include_router(door.router)
    for door in (session, today, learners):
        app.include_router(door.router)
    if school.demo and school.provider.name == "file":
        app.include_router(outbox.router)
    app.include_router(assets.router)
    app.include_router(health.router)
    app.include_router(api.router)
    app.include_router(webhooks.router)
    app.add_api_route("/robots.txt", _robots, include_in_schema=False)
    # Browsers ask for it beside pages that are none of our templates, such as a mail shown alone.
    app.add_api_route("/favicon.ico", _icon(tools), include_in_schema=False)
    # Packed: they hold no secret that the length of a packed page could give away.
    static = GZipMiddleware(_static(template_folders(school.settings.templates)), minimum_size=500)
    app.mount("/static", static, name="static")
    return app


def _at_home(tools: desk.Desk) -> Language:
    """The language of the courses, where they all have the same."""
    spoken = {course.language for course in tools.school.catalog.courses().values()}
    return tools.pages.languages.of(*(spoken if len(spoken) == 1 else ()))


def _icon(tools: desk.Desk) -> Callable[[], Response]:
    def icon() -> Response:
        return RedirectResponse(tools.pages.static("icon.svg"), status_code=302)

    return icon


def _static(folders: Sequence[Path]) -> StaticFiles:
    files = StaticFiles(directory=None)
    files.all_directories = [folder / "static" for folder in folders]
    return files


def _version() -> str:
    try:
        return metadata.version("mini-email-course")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "0"


def _robots() -> Response:
    private = (
        *("admin", "confirm", "learn", "manage", "address", "leave", "read", "done"),
        "certificate",
        "outbox",
    )
    lines = ["User-agent: *", *(f"Disallow: /{name}/" for name in private)]
    return PlainTextResponse("\n".join(lines) + "\n")
