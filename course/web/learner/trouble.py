"""The friendly page for a link that is cut off, too old or whose owner is gone.

Refuses to say which of these it was where that would tell something about a learner.
"""

from __future__ import annotations

from starlette.responses import Response

from course.web.desk import Desk

#: What the link was for: which words the page uses.
KINDS = frozenset({"confirm", "gone", "read", "done", "learn", "manage", "address", "unsent"})


def trouble(desk: Desk, kind: str) -> Response:
    """A page with the next thing to do. Its status is 200: nothing is broken on our side."""
    courses = list(desk.school.catalog.courses().values())
    return desk.pages.page(
        "web/trouble.html",
        kind=kind,
        courses=courses,
        reply_to=desk.school.settings.reply_to or desk.school.settings.email_from,
    )
