"""The command `course`: makes sure the house is ours, then opens the door.

Refuses to run on a stranger's package called `scheduler`, which overwrites ours silently.
"""

from __future__ import annotations

import sys

_CURE = """\
course: the package `scheduler` that Python found is not part of mini-email-course:
  {where}
Another package of that name was installed over ours. Cure: give this program an environment of
its own, and install it there:
  python3 -m venv .venv && .venv/bin/pip install --force-reinstall .
or remove the other one first:  pip uninstall scheduler
"""


def stranger() -> str:
    """Where the `scheduler` that Python found lies, if it is not ours; else empty."""
    try:
        import scheduler
    except ImportError:
        return "(there is none: the installation is incomplete)"
    if getattr(scheduler, "PART_OF", None) == "mini-email-course":
        return ""
    return str(getattr(scheduler, "__file__", None) or getattr(scheduler, "__path__", "unknown"))


def main() -> None:
    """Run one command and exit with its code."""
    if where := stranger():
        sys.stderr.write(_CURE.format(where=where))
        sys.exit(78)
    from course.cli.main import cli

    cli(prog_name="course")


if __name__ == "__main__":
    main()
