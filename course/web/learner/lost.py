"""Lost links: anybody may type an address, and its owner gets the links by mail.

The answer is the same for every address, and it is given before anything is looked up: what an
address is worth to us cannot be read from the page, nor from how long it took.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from course.web import forms
from course.web.addresses import suggestion
from course.web.desk import LOOK, AtDesk, Desk, Posted, text

router = APIRouter(include_in_schema=False)


@router.api_route("/lost", methods=LOOK)
def lost(desk: AtDesk, did: str = "") -> Response:
    """The form, or what happens now."""
    return _page(desk, did=did if did == "sent" else "")


@router.post("/lost")
def send(desk: AtDesk, request: Request, posted: Posted) -> Response:
    """Takes an address; whatever there is to send is seen to once the answer has left."""
    use = text(posted, "use")
    form = forms.LostForm(FormData([("email", use or text(posted, "email"))]))
    if not form.validate():
        return _page(desk, form=form, status=422)
    address = str(form.email.data)
    meant = suggestion(address)
    if meant and text(posted, "keep") != address and not use:
        return _page(desk, form=form, meant=meant)
    if not desk.quotas.may_ask_for_links(desk.visitors.key(request)):
        return desk.pages.page("web/limited.html", status=429)
    answer = desk.pages.go("/lost?did=sent")
    answer.background = BackgroundTask(desk.school.enrolling.send_links, address)
    return answer


def _page(
    desk: Desk,
    *,
    form: forms.LostForm | None = None,
    meant: str = "",
    did: str = "",
    status: int = 200,
) -> Response:
    failed = forms.problems(form) if form else []
    return desk.pages.page(
        "web/lost.html",
        status=status,
        address=form.email.data if form else "",
        problems=failed,
        wrong=dict(failed),
        meant=meant,
        did=did,
        courses=list(desk.school.catalog.courses().values()),
        sender=desk.school.settings.email_from,
        reply_to=desk.school.settings.reply_to or desk.school.settings.email_from,
        outbox=desk.school.demo and desk.school.provider.name == "file",
    )
