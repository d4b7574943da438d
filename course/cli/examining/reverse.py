"""Has a mail server that is named by its number a name, and does the name lead back (PTR)?

Only a note: receivers look at the address mail really leaves from, which may be another.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from course.cli.examining.finding import Result
from course.cli.examining.names import Names, NotAsked


def ptr_checks(host: str, names: Names) -> Iterator[Result]:
    """Nothing for a host with a name, and for addresses nobody outside sees."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not address.is_global:
        return
    try:
        given = names.names_of(address)
        back = [name for name in given if address in names.addresses(name)]
    except NotAsked as error:
        yield Result(
            "PTR", "warning", f"{address} could not be asked: {error}",
            f"look yourself: dig +short -x {address}; or ask another server with --resolver",
        )  # fmt: skip
        return
    if back:
        yield Result("PTR", "ok", f"{address} is {back[0]}, and {back[0]} leads back to it")
        return
    found = f"is {given[0]}, which does not lead back to it" if given else "has no name"
    yield Result(
        "PTR", "warning", f"{address} {found}; large receivers refuse mail from such an address",
        "ask the owner of the address (your hosting provider) for a PTR record that names the"
        " server, and let the server's name lead to the address",
    )  # fmt: skip
