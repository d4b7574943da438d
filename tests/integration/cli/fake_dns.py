"""A DNS server on 127.0.0.1 that knows a few names, and misbehaves about some of them.

`zone` maps "NAME TYPE" to texts of records. `faults` maps a name to what goes wrong with it:
`silent`, `SERVFAIL`, `REFUSED`, `garbage`, `truncated` (and nobody at TCP) or `other` (the answer
is about another name).
"""

from __future__ import annotations

import socketserver
from collections.abc import Mapping, Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.loopback import Loopback


class FakeDns(Loopback):
    """Binds a free UDP port; a context manager."""

    def __init__(
        self, zone: Mapping[str, Sequence[str]], faults: Mapping[str, str] | None = None
    ) -> None:
        self.zone = {key.lower(): list(texts) for key, texts in zone.items()}
        self.faults = dict(faults or {})
        self.asked: list[str] = []
        fake = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                packet, sock = self.request
                reply = fake.reply(packet)
                if reply is not None:
                    sock.sendto(reply, self.client_address)

        class Server(socketserver.ThreadingUDPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def reply(self, packet: bytes) -> bytes | None:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        match self.faults.get(name):
            case "silent":
                return None
            case "garbage":
                return packet[:2] + b"\xff" * 30
            case "truncated":
                answer.flags |= dns.flags.TC
                return answer.to_wire()
            case "other":
                self._add(answer, "somewhere.else", "TXT", ["v=spf1 +all"])
                return answer.to_wire()
            case str(code):
                answer.set_rcode(dns.rcode.from_text(code))
                return answer.to_wire()
        self._fill(answer, name, kind)
        return answer.to_wire()

    def _fill(self, answer: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(5):
            if not any(f" {key}".startswith((f" {name} ",)) or f".{name} " in key
                       for key in self.zone):  # fmt: skip
                answer.set_rcode(dns.rcode.NXDOMAIN)
                return
            if texts := self.zone.get(f"{name} {kind.lower()}"):
                self._add(answer, name, kind, texts)
                return
            if not (alias := self.zone.get(f"{name} cname")):
                return
            self._add(answer, name, "CNAME", alias)
            name = alias[0].rstrip(".").lower()

    @staticmethod
    def _add(answer: dns.message.Message, name: str, kind: str, texts: Sequence[str]) -> None:
        answer.answer.append(dns.rrset.from_text_list(f"{name}.", 60, "IN", kind, texts))
