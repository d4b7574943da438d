"""Recognises what a machine answers for a person (RFC 3834 and its older relatives).

Asked only after bounces and complaints: those carry the same marks.
"""

from __future__ import annotations

import re

from scheduler.returns.opening import Opened

_HEADERS = (
    "x-autoreply",
    "x-auto-reply",
    "x-autoreply-from",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-response-suppress",
    "x-mail-autoreply",
    "x-vacation",
)
_SUBJECT = re.compile(
    r"(?:re: ?|aw: ?|sv: ?)?\W{0,3}(?:auto(?:matic|mated|matically)?[ -]?"
    r"(?:reply|response|responder|answer|generated|:)|out[ -]of[ -](?:the[ -])?office"
    r"|away from (?:my|the) |on vacation\b|vacation (?:reply|response|message|notice)|i am away"
    r"|automatische antwort|abwesenheit|réponse automatique|message d'absence|absence du bureau"
    r"|respuesta automática|fuera de la oficina|risposta automatica|fuori ufficio"
    r"|resposta automática|automatisch antwoord|afwezig|autosvar|frånvaro|fravær"
    r"|自動返信|自動応答|自动回复|автоответ|автоматический ответ)",
    re.IGNORECASE,
)


def is_auto_reply(mail: Opened) -> bool:
    """Did a machine answer here?"""
    submitted = mail.header("auto-submitted").lower()
    if submitted.startswith(("auto-replied", "auto-notified")):
        return True
    if submitted.startswith("auto-generated") and mail.has("in-reply-to"):
        return True
    if mail.report == "disposition-notification":
        return True
    if mail.header("precedence").lower().replace("-", "_") == "auto_reply":
        return True
    if "vacation" in mail.header("x-apple-action").lower():
        return True
    return any(mail.has(name) for name in _HEADERS) or bool(_SUBJECT.match(mail.header("subject")))
