"""Who may see the admin pages: a one-time link from the terminal, then a session cookie.

There is no password and no first account to take over. The browser holds 256 random bits, the
database a hash of them. Logging out ends every session.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from course.links import Purpose
from course.web.desk import LOOK, AtDesk, Desk, Posted, text
from scheduler.store import people, sessions

router = APIRouter(include_in_schema=False)

IDLE = timedelta(hours=12)
LASTS = timedelta(days=7)
#: A session in use is noted at most this often: a page view should not be a write.
NOTED_EVERY = timedelta(minutes=5)


@router.api_route("/admin/enter", methods=LOOK)
def look(desk: AtDesk, request: Request, token: str = "") -> Response:
    """A page with a button: a link that is merely opened must not be used up."""
    link = desk.school.links.open(Purpose.ADMIN, token)
    if link is None or link.expired:
        return _closed(desk, request, "expired" if link else "broken" if token else "")
    return desk.pages.page("admin/enter.html", token=token, why="", inside=False)


@router.post("/admin/enter")
def enter(desk: AtDesk, request: Request, posted: Posted) -> Response:
    """Uses the link up and opens a session."""
    if not desk.quotas.may_enter(desk.visitors.key(request)):
        return desk.pages.page("web/limited.html", status=429)
    token = text(posted, "token")
    link = desk.school.links.open(Purpose.ADMIN, token)
    if link is None or link.expired:
        return _closed(desk, request, "expired" if link else "broken", status=403)
    now, session_id = desk.office_now, secrets.token_urlsafe(32)
    with desk.school.db.write() as tx:
        first = sessions.use_link_once(tx, _hash(link.subject), now)
        if first:
            sessions.add_session(tx, _hash(session_id), now)
            people.add_audit(tx, desk.school.clock.now(), "admin", "login", "one-time link")
    if not first:
        return _closed(desk, request, "used", status=403)
    answer = desk.pages.go("/admin/")
    answer.set_cookie(
        cookie_name(desk),
        session_id,
        max_age=int(LASTS.total_seconds()),
        path="/",
        secure=desk.secure,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.post("/admin/logout")
def leave(desk: AtDesk, request: Request) -> Response:
    """Ends all sessions: whoever logs out somewhere wants to be logged out everywhere."""
    if is_admin(desk, request):
        with desk.school.db.write() as tx:
            sessions.end_all_sessions(tx)
    answer = desk.pages.go("/")
    answer.delete_cookie(cookie_name(desk), path="/", secure=desk.secure, httponly=True)
    return answer


def cookie_name(desk: Desk) -> str:
    """With the prefix that ties it to this host, which browsers allow on https only."""
    return "__Host-course_admin" if desk.secure else "course_admin"


def is_admin(desk: Desk, request: Request) -> bool:
    """Does this browser hold a session that is not too old?"""
    session_id = request.cookies.get(cookie_name(desk), "")
    if not session_id:
        return False
    id_hash, now = _hash(session_id), desk.office_now
    with desk.school.db.read() as tx:
        session = sessions.session(tx, id_hash)
    if session is None:
        return False
    idle, age = now - session.last_seen_at, now - session.created_at
    if idle > IDLE or age > LASTS:
        with desk.school.db.write() as tx:
            sessions.end_session(tx, id_hash)
        return False
    if idle > NOTED_EVERY:
        with desk.school.db.write() as tx:
            sessions.touch_session(tx, id_hash, now)
    return True


def _closed(desk: Desk, request: Request, why: str, *, status: int = 200) -> Response:
    """Says what is wrong with the link, and how to get another; nothing to whoever is inside."""
    inside = is_admin(desk, request)
    return desk.pages.page("admin/enter.html", token="", why=why, inside=inside, status=status)


def _admin_only(desk: AtDesk, request: Request) -> None:
    if not is_admin(desk, request):
        raise HTTPException(401)


#: Put on every admin router: without a session there is only the page that says how to get one.
AdminOnly = Depends(_admin_only)
Admin = Annotated[None, AdminOnly]


def _hash(secret: str) -> str:
    return hashlib.sha256(f"admin\0{secret}".encode()).hexdigest()
