"""Whose fault is a failed delivery? One table for every reporter: SMTP, return mail, webhooks.

Reads the enhanced status code first, then the three digits, then the words (RFC 3463, RFC 5248).
Refuses to guess at `ADDRESS`: it costs a person every further lesson, so it needs a code or a
phrase that says the mailbox or its domain does not exist, and nothing that says otherwise.
"""

from __future__ import annotations

import re

from scheduler.domain.provider import Fault

#: How much of somebody's words is read.
_LONGEST_WORDS = 4000

#: An enhanced status code of a failure, not a piece of a version or an IP address.
_CODE = re.compile(r"(?<![\w.])([45])\.([0-7])\.(\d{1,3})(?!\.?\w)", re.ASCII)
#: One that stands where a server puts it: right behind its three digits.
_REPLY_CODE = re.compile(r"\b[45]\d\d[ -]['#(]{0,2}([45]\.[0-7]\.\d{1,3})(?!\.?\w)", re.ASCII)
#: Three digits where a reply begins, or behind the name that some programs give them.
_REPLY = re.compile(
    r"(?:^|(?<=[\s(\"':;>|]))([45][0-5]\d)(?=$|[ :-])|code\W{1,3}([45][0-5]\d)\b",
    re.IGNORECASE | re.ASCII,
)

#: Subject 1: the recipient's address. What is not listed says too little (5.1.0) or may pass.
_BAD_ADDRESS = frozenset({1, 2, 3, 6, 10})
#: Subject 1 again, but the sender's address.
_OUR_ADDRESS = frozenset({7, 8})
#: Our authentication or DNS: the codes of RFC 7372 and their kin, and Microsoft's 5.7.515.
_OUR_AUTHENTICATION = frozenset({*range(20, 30), 515})

_FULL = re.compile(
    r"over ?quota|quota (?:has been |is |was )?(?:exceeded|full)|exceed\w* (?:\w+ ){0,3}quota"
    r"|quotaexceeded|(?:mail ?box|in ?box|mail ?folder|mailstore|account) (?:is |was )?"
    r"(?:\w+ )?full"
    r"|out of storage|insufficient (?:disk |system )?storage|not enough (?:storage|disk) ?space",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(
    r"(?:message|mail|e-mail|header|attachment)s? (?:\w+ ){0,3}(?:too (?:large|big|long)|exceeds)"
    r"|(?:message|mail) (?:\w+ )?(?:size|length) (?:\w+ ){0,2}exceed|too (?:large|big|long) message"
    r"|exceeds? (?:\w+ ){0,4}(?:message|mail) (?:size|length)|size limit exceeded",
    re.IGNORECASE,
)
_SIZE_AT_ALL = re.compile(r"size|too (?:large|big|long)|exceeds", re.IGNORECASE)
#: Speaks of whoever sent it, even where it goes on about a user or domain that does not exist.
_SENDER = re.compile(
    r"sender(?:'s)? (?:address|domain|verif|reject|is |not |denied|e-?mail)"
    r"|sending (?:domain|server)|(?:envelope|return) sender|of sender|mail ?from"
    r"|from-?(?: address| header| domain|:)|return[- ]path|reverse dns|\bptr\b|\bhelo\b",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"try (?:it )?again|temporar|at a rate|too (?:fast|quickly|many)|timed? ?out|time-?out"
    r"|lookup failure|greylist|graylist|\blater\b|expired|suspended",
    re.IGNORECASE,
)
_NOUN = r"(?:user(?:id)?|recipient|mail ?box|e-?mail account|account|addressee|alias|local[- ]part)"
_UNKNOWN = re.compile(
    rf"(?:unknown|no such|invalid) (?:local |e-?mail |virtual |final (?:delivery )?)?{_NOUN}"
    rf"|unknown or illegal alias|(?:no such|unknown) (?:person|address(?! error))\b"
    rf"|there is no (?:such )?{_NOUN}"
    rf"|\b{_NOUN}(?: e-?mail)?(?: address| account| name)?(?: is| was)?"
    r" (?:unknown|not (?:found|known|recognized|exist\w*|listed)"
    r"|no longer (?:on|exists?|here|valid))"
    rf"|\b{_NOUN}(?: address)?(?: that)?(?: you tried to reach)?,?"
    r" (?:does ?n[o']?t|do ?n[o']?t|did ?n[o']?t) (?:seem to )?exist"
    rf"|{_NOUN} (?:has been |is |was )?(?:disabled|deactivated|deleted|removed|closed|terminated)"
    r"|account that you tried to reach is disabled"
    r"|user \S{0,80} ?(?:\(\S{0,200}\) )?(?:is )?not listed in|user\s+not listed in"
    r"|not listed in (?:the )?(?:domino|public name)"
    r"|does ?n[o']?t have an? \S{0,200} ?account|not our (?:user|customer)"
    rf"|is not a (?:valid |known |registered )?(?:\w+ )?{_NOUN}\b"
    r"|recipient name is not recognized|recip(?:ient)?notfound"
    r"|no mailbox (?:here )?by that name|adresse destinataire invalide"
    # The domain of the recipient, when it is not ours that is meant.
    r"|(?:host|domain)(?: name)? (?:is )?unknown|(?:unknown|no such) (?:host|domain)"
    r"|\bdomain(?: name)? does ?n[o']?t exist|null mx",
    re.IGNORECASE,
)
_DISLIKED = re.compile(
    r"\bspam|\bube\b|bulk mail|junk|\bblock|black ?list|block ?list|deny ?list|banned|reputation"
    r"|policy|policies|prohibited|(?:access|permission) denied|denied by|virus|malware|phish"
    r"|unsolicited|content reject|reject\w* (?:due to|because of|for) |poor sender|\brelay"
    r"|frequency limited|unauthenticated|authentication (?:is )?required|\bdmarc|\bdkim|\bspf\b"
    r"|not (?:authori[sz]ed|permitted)|not accept(?:ing)? (?:mail|connections)"
    r"|(?:message|mail|content) (?:is |was )?not (?:allowed|accepted)"
    r"|message (?:was )?rejected|mail (?:was )?rejected|indesirable|bloque",
    re.IGNORECASE,
)
#: Where a refusal sends one to read on, and no host name says this by chance.
_BLOCK_LIST = re.compile(
    r"spamhaus|spamcop|sorbs|dnsbl|\brbl\b|\.rbl|uribl|surbl|barracudacentral|cloudmark|senderscore"
    r"|invaluement|spfbl|uceprotect",
    re.IGNORECASE,
)
#: A guess is no finding.
_HEDGED = re.compile(r"\b(?:may|might|maybe|perhaps|possibl\w*|either|could be)\b", re.IGNORECASE)
#: Host names, addresses and links: `spamfilter.example.com` is no opinion.
_NAMES = re.compile(r"\S{0,200}(?:\w\.\w|://|@)\S{0,400}")


def whose(*, status: str = "", reply: int = 0, words: str = "") -> Fault | None:
    """Whose fault a failure is; None when nothing in it says so, and the caller must know best.

    `status` is the enhanced code as the reporter gives it, `reply` the three digits (0: none),
    `words` what was said. A general code (5.0.0) steps back for a precise one in the words.
    """
    words = words[:_LONGEST_WORDS]
    best = most_precise(status, words)
    code = _parts(best)
    subject, detail = code[1:] if code else (-1, -1)
    # 4.0.0 is also what a program writes that knows no code, beside a final "554 blocked".
    is_later = code is not None and code[0] == 4 and not (reply >= 500 and _is_general(best))
    if 400 <= reply < 500 or is_later:
        return Fault.POLICY if subject == 7 else Fault.MAILBOX
    said = _NAMES.sub(" ", words)
    fault = _by_code(subject, detail)
    if _FULL.search(words) and fault is not Fault.CONTENT:
        # Over quota is over quota, even where something else called it blocked.
        return Fault.MAILBOX
    if fault is Fault.ADDRESS:
        return _doubted(said, words)
    if fault is not None:
        return fault
    return _by_digits(reply, said) or _by_words(said, words) or _by_subject(subject)


def most_precise(status: str, words: str) -> str:
    """The enhanced code that tells most: the one given, unless it is general and the words know."""
    given = first_code(status)
    if given and not _is_general(given):
        return given
    for found in _CODE.finditer(words[:_LONGEST_WORDS]):
        if not _is_general(found[0]):
            return found[0]
    return given or first_code(words)


def first_code(text: str) -> str:
    """The first enhanced code of a failure in a text, or "" when it holds none."""
    found = _CODE.search(text[:_LONGEST_WORDS])
    return found[0] if found else ""


def replied_code(text: str) -> str:
    """The enhanced code a server gave right behind its three digits, or ""."""
    found = _REPLY_CODE.search(text[:_LONGEST_WORDS])
    return found[1] if found else ""


def replied(text: str) -> int:
    """The three digits of the reply quoted in a text; 0 when it quotes none."""
    found = _REPLY.search(text[:_LONGEST_WORDS])
    return int(found[1] or found[2]) if found else 0


def is_precise(code: str) -> bool:
    """Does this enhanced code say whose fault it is?"""
    return first_code(code) != "" and not _is_general(code)


def of_sendgrid(*, type: str, classification: str, status: str, words: str) -> Fault | None:  # noqa: A002
    """Whose fault a `bounce`, `deferred` or `dropped` event of SendGrid reports.

    `type` is its `bounce` or `blocked`, `classification` its `bounce_classification`, `words` its
    `reason` or `response`. None: not a failure at all, the person told SendGrid that this is spam
    or that they want no more of it (a drop for `Spam Reporting Address`, `Unsubscribed Address`).
    """
    reason = words.strip().lower()
    if reason.startswith(("spam reporting address", "unsubscribed address")):
        return None
    if reason.startswith("bounced address") or reason in ("invalid", "invalid address"):
        return Fault.ADDRESS
    if reason.startswith("spam content"):
        return Fault.CONTENT
    if reason.startswith(("invalid smtpapi", "recipient list over")):
        return Fault.CONFIG
    fault = whose(status=status, reply=replied(words), words=words)
    code = _parts(most_precise(status, words))
    judged = classification.strip().lower()
    if judged == "invalid address" and not _FULL.search(words):
        soft = code is not None and (code[0] == 4 or code[1:] == (2, 2))
        return Fault.ADDRESS if fault in (None, Fault.MAILBOX) and not soft else fault
    if fault is Fault.ADDRESS and type.strip().lower() == "blocked":
        # SendGrid goes on sending to an address it calls blocked, and so may we.
        return Fault.POLICY
    if fault is not None and (code is not None or _FULL.search(words)):
        return fault
    if judged in ("reputation", "content", "frequency or volume too high"):
        return Fault.POLICY
    if judged in ("mailbox unavailable", "technical failure"):
        return Fault.MAILBOX
    if type.strip().lower() == "blocked":
        return Fault.POLICY
    return fault or Fault.MAILBOX


def _parts(code: str) -> tuple[int, int, int] | None:
    found = _CODE.match(code)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _is_general(code: str) -> bool:
    parts = _parts(code)
    # X.0.x and X.5.x say nothing of whose fault it is, X.n.0 only what it is about.
    return parts is None or parts[1] in (0, 5) or parts[2] == 0


def _by_code(subject: int, detail: int) -> Fault | None:
    if subject == 1 and detail in _BAD_ADDRESS:
        return Fault.ADDRESS
    if subject == 1 and detail in _OUR_ADDRESS:
        return Fault.CONFIG
    if subject == 2 and detail in (1, 2, 3):
        return (Fault.ADDRESS, Fault.MAILBOX, Fault.CONTENT)[detail - 1]
    if (subject, detail) == (3, 4) or subject == 6:
        return Fault.CONTENT
    if subject in (3, 4):
        return Fault.MAILBOX
    if subject == 7:
        return Fault.CONFIG if detail in _OUR_AUTHENTICATION else Fault.POLICY
    return None


def _doubted(said: str, words: str) -> Fault:
    """A code that condemns the address stands, unless the words beside it speak of something else.

    Gmail says 5.2.1 for "at a rate that…", filters say 5.1.1 for "blocked".
    """
    if _UNKNOWN.search(words) and not _SENDER.search(said):
        return Fault.ADDRESS
    if _SENDER.search(said) or _DISLIKED.search(said) or _BLOCK_LIST.search(words):
        return Fault.POLICY
    return Fault.MAILBOX if _PASSING.search(said) else Fault.ADDRESS


def _by_digits(reply: int, said: str) -> Fault | None:
    if reply == 552:
        return Fault.CONTENT if _SIZE_AT_ALL.search(said) else Fault.MAILBOX
    return None


def _by_words(said: str, words: str) -> Fault | None:
    if _TOO_LARGE.search(said):
        return Fault.CONTENT
    if _SENDER.search(said):
        return Fault.POLICY
    if _UNKNOWN.search(words) and not (_PASSING.search(said) or _HEDGED.search(said)):
        return Fault.ADDRESS
    if _DISLIKED.search(said) or _BLOCK_LIST.search(words):
        return Fault.POLICY
    return Fault.MAILBOX if _PASSING.search(said) else None


def _by_subject(subject: int) -> Fault | None:
    return Fault.MAILBOX if subject == 2 else None
