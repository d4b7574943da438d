"""Can the domains that replies and bounces go to receive mail (MX, RFC 5321 and 7505)?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from course.cli.examining.finding import Result
from course.cli.examining.names import Names, NotAsked


def mx_checks(domains: Iterable[tuple[str, str]], names: Names) -> Iterator[Result]:
    """`domains`: each with what it receives, such as "replies"."""
    for domain, what in domains:
        try:
            yield _domain(domain, what, names)
        except NotAsked as error:
            yield Result(
                "MX", "warning", f"{domain} could not be asked: {error}",
                f"look yourself: dig +short MX {domain}; or ask another server with --resolver",
            )  # fmt: skip


def _domain(domain: str, what: str, names: Names) -> Result:
    cure = f"add an MX record that names a server which takes mail for {domain}"
    hosts = [host for _, host in names.mail_hosts(domain)]
    if hosts == [""]:
        return Result(
            "MX", "problem", f"{domain} says that it takes no mail (null MX), so {what} are lost",
            f"{cure}, or use another domain for {what}",
        )  # fmt: skip
    if not hosts:
        if names.addresses(domain):
            return Result(
                "MX", "warning", f"{domain} has no MX record; {what} go to its web address", cure
            )
        return Result("MX", "problem", f"{domain} cannot receive mail, so {what} are lost", cure)
    there = [host for host in hosts if host and names.addresses(host)]
    if not there:
        return Result(
            "MX", "problem", f"{domain}: {', '.join(hosts)} cannot be found, so {what} are lost",
            "correct the MX record, or the address of the host it names",
        )  # fmt: skip
    return Result("MX", "ok", f"{domain} takes {what} at {there[0]}")
