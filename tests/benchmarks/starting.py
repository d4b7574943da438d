"""G9: how long the command takes to start, and what it carries that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measuring import ROUNDS, measured, middle
from tests.benchmarks.table import Row
from tests.mailroom import plant

_ROOT = Path(__file__).resolve().parents[2]
_COMMANDS = (("check",), ("plan",), ("work", "--once"))
_WEB = ("fastapi", "starlette", "uvicorn")


def rows(_full: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        plant(home)
        (home / "config.yaml").write_text("lessons: lessons\n", encoding="utf-8")
        ours, bare = [], []
        for _ in range(2 * ROUNDS):
            bare.append(measured(lambda: _python(home, "-c", "pass")).seconds)
            ours.append(measured(lambda: _python(home, "-m", "course", "--help")).seconds)
        carried = {" ".join(words): _carried(home, *words) for words in _COMMANDS}
    mine, least = middle(ours), middle(bare)
    carriers = [f"{words}: {', '.join(found)}" for words, found in carried.items() if found]
    return [
        Row(
            "G9",
            "`course --help`",
            f"{mine * 1e3:.0f} ms",
            f"python -c pass {least * 1e3:.0f} ms",
            f"{mine / least:.1f}",
            "<= 10",
            mine <= 10 * least,
        ),
        Row(
            "G9",
            "`check`, `plan` and `work` import the web stack",
            "; ".join(carriers) or "no",
            wanted="no",
            met=not carriers,
        ),
    ]


def _python(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *words],
        cwd=home,
        env={**kept, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def _carried(home: Path, *words: str) -> list[str]:
    """Which parts of the web stack this command imports, whatever it finds."""
    done = _python(home, "-X", "importtime", "-m", "course", *words)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"course {' '.join(words)} failed: {done.stderr[-500:]}")
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    return [name for name in _WEB if name in names]
