"""The door for providers: what became of mails they took.

Whatever is answered with 2xx has been taken in for good; anything else is offered again. Refuses
everything that the provider has not signed. Works in one transaction a batch and never sends.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from course.web.desk import AtDesk
from scheduler.errors import NotGenuine

router = APIRouter(include_in_schema=False)

#: A provider gathers up to 768 kB of events.
MAX_BODY = 2 * 1024 * 1024


@router.post("/webhooks/{provider}")
async def report(desk: AtDesk, request: Request, provider: str) -> Response:
    """Take in a signed report."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.body()
    try:
        expected = await run_in_threadpool(desk.school.hear, provider, headers, body)
    except NotGenuine as problem:
        return PlainTextResponse(f"{problem}\n", status_code=403)
    if not expected:
        raise HTTPException(404)
    return PlainTextResponse("taken in\n")
