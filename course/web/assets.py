"""Pictures that lie beside the lessons, for mails and pages that show them.

Serves images of known kinds from inside a course's own folder, and nothing else of it.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from course.web.desk import LOOK, AtDesk, course_or_404

router = APIRouter(include_in_schema=False)

_KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".svg": "image/svg+xml",
}


@router.api_route("/assets/{key}/{path:path}", methods=LOOK)
def asset(desk: AtDesk, key: str, path: str) -> Response:
    """One picture; 404 for anything that is not one or lies outside the folder."""
    folder = course_or_404(desk, key).folder.resolve()
    if "\0" in path:
        raise HTTPException(404)
    file = (folder / path).resolve()
    kind = _KINDS.get(file.suffix.lower())
    hidden = any(part.startswith(".") for part in path.split("/"))
    if kind is None or hidden or not file.is_relative_to(folder) or not file.is_file():
        raise HTTPException(404)
    # A drawing may hold scripts; opened by itself it runs none.
    csp = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    headers = {"cache-control": "public, max-age=3600", "content-security-policy": csp}
    return FileResponse(file, media_type=kind, headers=headers)
