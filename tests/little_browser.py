"""A browser without a window: keeps cookies, fills in forms as a page offers them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

from httpx import Response
from starlette.testclient import TestClient

from course.web.app import create_app
from tests.little_school import LittleSchool


class Browser:
    """Follows no redirect by itself, keeps cookies, fills in forms as a page offers them."""

    def __init__(self, school: LittleSchool, ip: str = "198.51.100.7", **headers: str) -> None:
        self.school = school
        self.client = TestClient(
            create_app(school), follow_redirects=False, raise_server_exceptions=False,
            headers={"sec-fetch-site": "same-origin", **headers}, client=(ip, 50_000),
        )  # fmt: skip

    def get(self, path: str, **more: Any) -> Response:
        return self.client.get(path, **more)

    def head(self, path: str) -> Response:
        return self.client.head(path)

    def post(self, path: str, **fields: Any) -> Response:
        return self.client.post(path, data=fields)

    def follow(self, response: Response) -> Response:
        assert response.status_code == 303, response.text
        return self.get(response.headers["location"])

    def fill_in(
        self, email: str = "zoe@example.com", *, after: float = 10, **fields: Any
    ) -> Response:
        """Open the course page, take that many seconds, send the form."""
        form = forms(self.get("/").text)[0]
        self.school.clock.advance(timedelta(seconds=after))
        return self.post(form.action, **{**form.fields, "email": email, **fields})


@dataclass(frozen=True)
class Form:
    action: str
    fields: dict[str, str]


def forms(page: str) -> list[Form]:
    """The forms of a page with the values a browser would send untouched."""
    found = []
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        action = re.search(r'action="([^"]*)"', form)
        inputs = dict(re.findall(r'<input[^>]*?name="([^"]*)"[^>]*?value="([^"]*)"', form))
        for name, options in re.findall(
            r'<select[^>]*name="([^"]*)".*?>(.*?)</select>', form, re.DOTALL
        ):
            chosen = re.search(r"<option(?: value=\"([^\"]*)\")? selected>([^\n<]*)", options)
            if chosen:
                inputs[name] = chosen[1] or chosen[2]
        found.append(Form(action[1] if action else "", {k: unescape(v) for k, v in inputs.items()}))
    return found


def heading(page: str) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert found
    return found[1].strip()
