"""Where a signup that came from a form on another site goes back to.

Only https, and only to a host that the operator has named (`signup.return_hosts`): a link to us
must never lead to somebody else's page. Anything else is ignored, never followed, never shown.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.responses import Response

from course.web.desk import Desk, text
from course.web.guard import CSP

FIELD = "return_to"


def wanted(desk: Desk, posted: FormData) -> str:
    """The address to go back to, if it is one we may send people to; empty otherwise."""
    url = text(posted, FIELD)
    return url if allowed(url, desk.school.settings.signup.return_hosts) else ""


def allowed(url: str, hosts: tuple[str, ...]) -> bool:
    """Plain https to one of these hosts, in nothing but printable ASCII."""
    # A browser reads `\\` as `/` and drops tabs and line ends; urlsplit does not in every place.
    if not url.isascii() or not url.isprintable() or any(sign in url for sign in "\\ \"'<>"):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and parts.username is None
        and port in (None, 443)
        and (parts.hostname or "") in hosts
        and len(url) <= 2_000
    )


def let_go(response: Response, url: str) -> Response:
    """Let the form on this page end there: a policy of `'self'` also stops redirects to others."""
    if url:
        host = urlsplit(url).hostname
        own, with_host = "form-action 'self'", f"form-action 'self' https://{host}"
        response.headers["content-security-policy"] = CSP.replace(own, with_host)
    return response
