"""Reads reports that are written for people only: qmail, exim, sendmail, Exchange, Notes and kin.

Believes a mail to be one when three things come together: a machine sent it, it says that a mail
was not delivered, and it names whom or quotes a reply. A person who tells of an undelivered
letter, or an advertisement with that word in its subject, has not all three.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scheduler.returns.addresses import ADDRESS, addresses
from scheduler.returns.opening import Opened
from scheduler.returns.returned import Failure, Nature
from scheduler.returns.words import failure
from scheduler.rules.bounces import replied

_MOST_LINES = 400
_LONGEST_LINE = 1000
_MOST_RECIPIENTS = 50

#: Names that only machines bear.
_DAEMON = re.compile(r"(?:^|[\s\"'<(,])(?:mailer[-_. ]?daemon|mail[-_ ]daemon)", re.IGNORECASE)
#: Names that people and advertisements bear too.
_OFFICE = re.compile(
    r"(?:^|[\s\"'<(,])(?:postmaster|post office|mdaemon"
    r"|mail deliver\w*[ .](?:sub)?system|delivery (?:sub)?system|system administrator"
    r"|mail (?:delivery|system|administrator)|mmsc|non-?delivery)",
    re.IGNORECASE,
)
_FAILED_SUBJECT = re.compile(
    r"undeliver(?:ed|able)|unzustellbar|returned mail|mail system error"
    r"|returning (?:message )?to sender|fail(?:ure|ed) (?:notice|notification|delivery|mail)"
    r"|échec de (?:la )?(?:remise|livraison)"
    r"|deliver\w* (?:status )?(?:notification|report|problem|error|has failed|fail)"
    r"|(?:mail|message|e-mail)\W{1,3}(?:delivery |could )?"
    r"(?:failed|failure|error|not (?:be )?deliver)"
    r"|not (?:be )?delivered|nondeliver|non-deliver|error sending your mail|unable to deliver"
    r"|undelivrable|no entregado|mancata consegna|недоставлен|не доставлен"
    r"|配信(?:不能|エラー)|送信エラー"
    r"|user unknown|warning: (?:message|could not send)|\(failure\)|\(delay\)",
    re.IGNORECASE,
)
_FAILED_TEXT = re.compile(
    r"(?:could|can|was|were|has|have)(?: ?not|n't) (?:been |be )?"
    r"(?:successfully )?(?:sent|delivered)|unable to deliver|not able to deliver"
    r"|(?:could|can)(?: ?not|n't) deliver"
    r"|delivery (?:to .{0,80})?(?:has |was )?(?:failed|been failed|aborted)"
    r"|did(?: ?not|n't) reach|undeliverable|addresse?s?\)? (?:failed|had|has) "
    r"|permanent(?:ly)? (?:fatal )?(?:error|fail)|failed permanently|fatal errors|delivery errors"
    r"|error(?: has)? (?:occurred )?(?:while (?:trying|attempting)|delivering)|trouble delivering"
    r"|rejected by (?:a |the )?(?:remote|recipient|server)"
    r"|(?:mail|message) (?:was|has been) rejected|failed addresses|no valid recipient"
    r"|transcript of session|failure reasons?|unsent message"
    r"|recipients was aborted|recipients? (?:were )?affected"
    r"|送信できません|配信できません|配送できません|届けることができません|не может быть доставлено"
    r"|konnte nicht zugestellt|n'a pas pu être|no se (?:ha podido|pudo) entregar",
    re.IGNORECASE,
)
_ARRIVED = re.compile(
    r"success(?:ful)?(?:ly)? (?:delivered|relayed|sent)|(?:was|were|has been|been) delivered to"
    r"|delivery receipt|\(success\)|\(relayed?\)",
    re.IGNORECASE,
)
#: A piece of an SMTP dialogue that ended badly.
_REFUSED = re.compile(r"rcpt to: ?<[^>]{0,300}>.{0,40}?\b[45]\d\d[ -]", re.IGNORECASE)
_ANSWER = re.compile(r"\W{0,3}(?:re|aw|sv|fwd?|wg) ?:", re.IGNORECASE)
_DELAYED = re.compile(
    r"warning message only|(?:has|have|is|was) been delayed|will be retried|not yet been delivered"
    r"|still trying|still being|delivery (?:is |has been |was )?delayed|message \S{0,80} ?delayed"
    r"|attempts will continue|will (?:continue|keep) (?:to )?try|\(delay\)|delayed mail"
    r"|do not need to resend|could not send message for past|temporary failure",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"permanent(?:ly)? (?:fatal )?(?:error|fail)|failed permanently|given up|giving up"
    r"|(?<!will )give up|not going to try|\(failure\)",
    re.IGNORECASE,
)
#: From here on the returned mail speaks, not the report.
_COPY = re.compile(
    r"[-=*_|>#\s]{0,80}(?:below this line is|this is (?:a copy of|the (?:original|header))"
    r"|original (?:message|mail)(?! (?:was|could|has|is|that|received|sent))"
    r"|message (?:headers?|text) follow|unsent message"
    r"|returned (?:message|text|mail) ?(?:follow|[-=:*]|$)"
    r"|(?:the )?headers? of the original|included is a copy|below is (?:a copy|the original)"
    r"|copy of (?:the|your) (?:original )?message"
    r"|(?:start|begin) of (?:the )?(?:original|returned)|body of message generated|first \d+ lines)"
    r"|(?:received|return-path|dkim-signature|delivered-to|mime-version|x-received) ?:",
    re.IGNORECASE,
)
#: The address at the beginning of a line, decorated or not: nearly all list recipients like this.
_LISTED = re.compile(rf"[\s>*•\"'<|+-]{{0,40}}({ADDRESS.pattern})(.*)", re.DOTALL)
_NAMED = re.compile(
    r"(?:recipients?|address|deliver\w*(?: (?:your|the|this) (?:mail|message))?(?: message)? to"
    r"|undeliverable to|rcpt to|failed|affected|errors|gateway for|user(?:id)?"
    r"|mailbox)\b[^@]{0,60}?"
    rf"({ADDRESS.pattern})(.*)",
    re.IGNORECASE | re.DOTALL,
)
#: Lines that name somebody else.
_ELSE = re.compile(
    r"\s{0,40}(?:>>> ?)?(?:from|(?:original )?sender|return-path|reply-to|subject|cc|sent(?= ?:)"
    r"|message-id|mail from|envelope-from|x-[\w-]{1,40}|for (?:further|more|help))\b"
    r"|.*(?:\bcontact\b|assistance|help ?desk|support@|abuse@|questions|\(envelope-from)",
    re.IGNORECASE,
)
_HEADER_LIKE = re.compile(r"\s{0,40}(?:from|to|sender|subject|cc|date) ?:", re.IGNORECASE)
_TO = re.compile(
    r"^[ \t>]{0,20}to ?:[^@\n]{0,200}?(\S{1,64}@\S{1,250})", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Report:
    """The part of a mail that reports, line by line, and the copy of a mail behind it."""

    lines: tuple[str, ...]
    copy: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def report_of(mail: Opened) -> Report:
    """The mail's own words, cut off where a copy of the returned mail begins."""
    lines = "\n\n".join(mail.texts).split("\n")
    for at, line in enumerate(lines[:_MOST_LINES]):
        if _COPY.match(line[:_LONGEST_LINE]) and any(one.strip() for one in lines[:at]):
            return Report(_cut(lines[:at]), "\n".join(lines[at:]))
    return Report(_cut(lines), "")


def read_prose(mail: Opened) -> tuple[Nature, tuple[Failure, ...]] | None:
    """What a report in words says; None when this mail is no report."""
    report = report_of(mail)
    subject = mail.header("subject")
    text = " ".join(report.text.split())
    told = f"{subject} {text}"
    if not (_is_from_a_daemon(mail) or _is_from_an_office(mail, subject, text)):
        return None
    says_so = any(words.search(text) for words in (_FAILED_TEXT, _REFUSED, _DELAYED))
    if not says_so and (_ARRIVED.search(told) or not _FAILED_SUBJECT.search(subject)):
        return None
    named = recipients(mail, report)
    addressed = _addressed(report, mail)
    if not (named or addressed or replied(text)):
        return None
    nature = Nature.DELAY if _DELAYED.search(told) and not _FINAL.search(told) else Nature.BOUNCE
    found = named or addressed or [("", "")]
    alone = len(found) == 1
    # Subjects such as "Returned mail: User unknown" are often all there is.
    context = f"{_telling(report)} {subject}" if alone else ""
    return nature, tuple(
        failure(one, status="", words=words, context=context) for one, words in found
    )


def _is_from_a_daemon(mail: Opened) -> bool:
    """Was it surely sent by a mail system: no return path, or a name only those bear?"""
    if mail.has("x-failed-recipients"):
        return True
    senders = mail.all("return-path", "from")
    return any(not sender.strip("<> ") or _DAEMON.search(sender) for sender in senders)


def _is_from_an_office(mail: Opened, subject: str, text: str) -> bool:
    """Was it perhaps sent by one: a postmaster's, no answer, no list, and plainly a report?"""
    if not any(_OFFICE.search(sender) for sender in mail.all("return-path", "from")):
        return False
    if mail.has("list-id") or mail.has("list-unsubscribe") or _ANSWER.match(subject):
        return False
    return bool(_FAILED_SUBJECT.search(subject) or _REFUSED.search(text))


def recipients(mail: Opened, report: Report) -> list[tuple[str, str]]:
    """Whom the report names as not reached, each with what is said about them."""
    failed = [one for value in mail.all("x-failed-recipients") for one in addresses(value)]
    others = {one.lower() for one in addresses(" ".join(mail.all("from", "reply-to")))}
    ours = {one.lower() for one in addresses(" ".join(mail.all("to", "delivered-to")))}
    places: list[tuple[int, str, str]] = []
    for at, line in enumerate(report.lines):
        found = _recipient_in(line)
        if found and found[0].lower() not in others:
            places.append((at, *found))
    wanted = [place for place in places if place[1].lower() not in ours]
    if not wanted and replied(report.text):
        # Who wrote to themselves; without a reply it is only a form of address.
        wanted = places
    if not wanted and not failed:
        return []
    listed: dict[str, str] = {}
    for number, (at, one, rest) in enumerate(wanted):
        until = wanted[number + 1][0] if number + 1 < len(wanted) else len(report.lines)
        words = " ".join([rest, *_until_a_gap(report.lines[at + 1 : until])]).strip(" :>.,")
        key = one.lower()
        # Named again in a transcript: the mention with a reply in it says more.
        if key not in listed or (replied(words) and not replied(listed[key])):
            listed[key] = words
    named = {one.lower(): one for _, one, _ in reversed(wanted)}
    if failed:
        known = [(one, listed.get(one.lower(), "")) for one in dict.fromkeys(failed)]
        if len(known) == 1 and not known[0][1] and len(listed) == 1:
            known = [(known[0][0], next(iter(listed.values())))]
        return known[:_MOST_RECIPIENTS]
    return [(named[key], words) for key, words in listed.items()][:_MOST_RECIPIENTS]


def _recipient_in(line: str) -> tuple[str, str] | None:
    if "@" not in line or _ELSE.match(line):
        return None
    found = _LISTED.match(line) or _NAMED.search(line)
    if found is None:
        return None
    one = addresses(found[1])
    return (one[0], found[2]) if one else None


def _until_a_gap(lines: tuple[str, ...]) -> list[str]:
    """The lines up to the first blank one behind words."""
    kept: list[str] = []
    for line in lines[:20]:
        if not line.strip() and kept:
            break
        if line.strip() and not _HEADER_LIKE.match(line):
            kept.append(line.strip(" \t<>"))
    return kept


def _telling(report: Report) -> str:
    """The report from its first quoted reply on; all of it when it quotes none."""
    for at, line in enumerate(report.lines):
        if replied(line.strip()):
            return " ".join(report.lines[at : at + 6])
    return report.text


def _addressed(report: Report, mail: Opened) -> list[tuple[str, str]]:
    """Whom the returned mail was written to, when nothing else names anybody."""
    for text in (*mail.returned, report.copy):
        found = _TO.search(text)
        one = addresses(found[1]) if found else []
        if one:
            return [(one[0], "")]
    return []


def _cut(lines: list[str]) -> tuple[str, ...]:
    return tuple(line[:_LONGEST_LINE] for line in lines[:_MOST_LINES])
