"""`course serve`: the web site, and the worker beside it, in one process."""

from __future__ import annotations

import logging
import secrets
import socket
import sys
from types import FrameType
from typing import TYPE_CHECKING

import click

from course.cli import opening, table
from course.cli.stopping import Stop

if TYPE_CHECKING:
    from course.config import Settings
    from course.wiring import School

#: Told to stop, open web requests are given this long.
DRAIN_SECONDS = 8


@click.command(short_help="Run web site and worker in one process.")
@click.option("--demo", is_flag=True, help="With an outbox viewer and a next-morning button.")
@click.option("--host", help="The network address to listen on; default 127.0.0.1.")
@click.option("--port", type=int, help="The port to listen on; default 8000, 0 picks a free one.")
@click.option("--no-worker", is_flag=True, help="Only the web site: `course work` sends elsewhere.")
@click.pass_context
def serve(
    ctx: click.Context, demo: bool, host: str | None, port: int | None, no_worker: bool
) -> None:
    """Run web site and worker in one process.

    Listens on 127.0.0.1 unless told otherwise. With --demo mail goes to the outbox only. At
    SIGTERM or Ctrl-C the mail in hand is finished, within 30 seconds, and the rest stays due; a
    second signal ends at once.
    """
    from course import log, wiring

    delivery = "file" if demo else None
    settings = opening.settings(ctx, host=host, port=port, delivery=delivery)
    log.set_up(settings.log)
    listening = _listen(settings)
    settings = settings.listening_at(settings.host, listening.getsockname()[1])
    school = wiring.build(settings, demo=demo, worker=not no_worker)
    try:
        _greet(school, demo)
        _serve(school, listening, worker=not no_worker)
    finally:
        school.close()
        listening.close()


def _listen(settings: Settings) -> socket.socket:
    """The listening socket, opened before anything else is done. A taken port is exit code 1."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host.strip("[]"), settings.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise click.ClickException(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}."
            " Choose another with --port (or PORT); --port 0 picks a free one."
        ) from None
    listening.set_inheritable(True)
    return listening


def _greet(school: School, demo: bool) -> None:
    settings = school.settings
    lines = [("Learner site", f"{settings.base_url}/")]
    lines.append(("Admin, once", f"{admin_link(school)}   (works for 10 minutes)"))
    if demo:
        lines.append(("Outbox", f"{settings.base_url}/outbox   (mail, and the next morning)"))
    elif settings.delivery == "file":
        lines.append(("Mail goes to", f"{settings.file.outbox}   (nothing leaves this machine)"))
    broken = [f for course in school.catalog.courses().values() for f in course.findings]
    if errors := sum(finding.level == "error" for finding in broken):
        lines.append(("Look at", f"{table.counted(errors, 'error')} in lessons: course check"))
    if school.held:
        lines.append(("Nothing is sent", school.held))
    for name, text in lines:
        click.echo(f"  {name:<15} {text}")
    # Whoever reads our output through a pipe wants the address now, not at the end.
    sys.stdout.flush()


def admin_link(school: School) -> str:
    """A link into the admin pages that works once, for ten minutes."""
    return school.links.admin_enter(secrets.token_hex(16))


def _serve(school: School, listening: socket.socket, *, worker: bool) -> None:
    import uvicorn

    from course import wiring
    from course.web.app import create_app

    stop = Stop(school.dispatcher.stop)
    stop.listen()

    class Server(uvicorn.Server):
        """Learns of signals from us, so that the worker hears of them at the same moment."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            stop.handle(sig, frame)
            self.should_exit = True

    config = uvicorn.Config(
        create_app(school),
        log_config=None,
        access_log=school.settings.log.level == "DEBUG",
        # The pages themselves decide whose X-Forwarded headers they believe (TRUSTED_PROXIES).
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    opening.keep_what_is_loaded()
    if worker:
        school.start_driver()
    if not stop.asked:
        Server(config).run(sockets=[listening])
    if not school.stop_driver(stop.left(wiring.DRAIN_SECONDS)):
        table.say("A mail was still in hand; it is looked into at the next start.")
