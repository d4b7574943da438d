"""What SendGrid's own OpenAPI document says of a request, where a copy of it is at hand.

`SENDGRID_OPENAPI` names the file: `tsg_mail_v3.json` of Twilio's repository `sendgrid-oai`. It is
too large, and not ours, to lie here. Without it nothing is found; `FakeSendGrid` checks besides
what the document leaves out.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_BODY = "#/components/requestBodies/PostMailSend/content/application~1json/schema"


def is_at_hand() -> bool:
    """Is there a document to ask?"""
    return bool(os.environ.get("SENDGRID_OPENAPI"))


def findings(body: dict[str, Any]) -> list[str]:
    """What is wrong with the body of a `POST /v3/mail/send`, a line each."""
    if not is_at_hand():
        return []
    return [
        f"{'.'.join(map(str, wrong.absolute_path)) or 'the body'}: {wrong.message[:200]}"
        for wrong in _validator().iter_errors(body)
    ]


@cache
def _validator() -> Draft202012Validator:
    document = json.loads(Path(os.environ["SENDGRID_OPENAPI"]).read_text(encoding="utf-8"))
    schema = {"$ref": _BODY, "components": document["components"]}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
