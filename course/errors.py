"""What can go wrong in the school, each message ending with what to do next.

Refuses to print, log or exit: doors decide how a finding is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

Level = Literal["error", "warn"]


class CourseError(Exception):
    """Base of this family: catch it to tell ours from a stranger's."""


class ConfigError(CourseError):
    """Settings that cannot work, all of them at once. Exit code 78."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class MarkupRefused(CourseError):
    """A text that cannot become a mail; `course check` names the line and the cure."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing an author should look at. `line` and `column` count from 1; 0 = no place."""

    path: str
    line: int
    column: int
    level: Level
    #: Name of the rule; can be switched off in one file with `check: {ignore: [rule]}`.
    rule: str
    #: Ends with the cure.
    message: str

    def __str__(self) -> str:
        place = "".join(f":{n}" for n in (self.line, self.column) if n)
        return f"{self.path}{place} {self.level} {self.rule} {self.message}"

    def as_dict(self) -> dict[str, str | int]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(slots=True)
class Notes:
    """Collects the findings of one file while it is read."""

    path: str
    findings: list[Finding] = field(default_factory=list)

    def error(self, rule: str, at: tuple[int, int], message: str) -> None:
        """A mistake that keeps the lesson from being sent."""
        self.findings.append(Finding(self.path, *at, "error", rule, message))

    def warn(self, rule: str, at: tuple[int, int], message: str) -> None:
        """A mistake that a learner would notice, but could live with."""
        self.findings.append(Finding(self.path, *at, "warn", rule, message))

    @property
    def has_errors(self) -> bool:
        return any(f.level == "error" for f in self.findings)
