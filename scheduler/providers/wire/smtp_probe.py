"""Opens a connection as sending does, reads what the server offers, and says goodbye.

Refuses to begin a message: no MAIL is ever said.
"""

from __future__ import annotations

import time

from scheduler.domain.probed import Probed
from scheduler.domain.provider import Deferred, Fault
from scheduler.providers.wire.reach import Lost, tls_context
from scheduler.providers.wire.replies import one_line
from scheduler.providers.wire.smtp_line import Line
from scheduler.providers.wire.smtp_opening import open_line
from scheduler.providers.wire.smtp_url import Server

#: Worth knowing; none is needed.
_OFFERS = ("pipelining", "8bitmime", "smtputf8")
#: A mail of ours never has more bytes.
_LARGEST_MAIL = 1_000_000


def probe(server: Server) -> Probed | Deferred:
    """Ends within `server.deadline` seconds; raises `ProviderMisconfigured` for a bad ca_file."""
    context = None if server.tls == "off" else tls_context(server.ca_file, "smtp")
    try:
        line = open_line(server, context, time.monotonic() + server.deadline)
    except Lost as error:
        outcome = error.outcome
        if isinstance(outcome, Deferred):
            return outcome
        return Deferred(outcome.detail, Fault.TRANSPORT)
    found = f"{server.host}:{server.port} lets us in ({', '.join(_how(line, server))})"
    features = line.esmtp_features
    offered = [name.upper() for name in _OFFERS if name in features]
    size = features.get("size", "")
    if size.isdigit() and int(size):
        offered.append(f"SIZE {int(size):,}")
    missing = [name.upper() for name in _OFFERS if name not in features]
    line.leave()
    found += f"; offers {one_line(', '.join(offered)) or 'nothing more'}"
    if missing:
        found += f", not {', '.join(missing)}"
    lacking = ""
    if size.isdigit() and 0 < int(size) < _LARGEST_MAIL:
        lacking = "it takes only small mails: ask its owner to raise the limit"
    return Probed(found, lacking)


def _how(line: Line, server: Server) -> list[str]:
    version = getattr(line.sock, "version", lambda: None)()
    return [
        f"{version}, certificate checked" if version else "plain text",
        "logged in" if server.user else "no login",
    ]
