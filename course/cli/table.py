"""Prints results on stdout: aligned columns for people, one JSON document for programs.

Refuses to cut or wrap a value: what is piped into a file must be whole.
"""

from __future__ import annotations

import csv
import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import click

_MARKS = {"ok": "green", "warning": "yellow", "warn": "yellow", "problem": "red", "error": "red"}


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, right: str = "") -> None:
    """Columns as wide as their widest cell. `right` names the columns of numbers, by letter
    `r` at their place: `"lrr"`."""
    table = [[str(cell) for cell in row] for row in rows]
    head = list(head)
    widths = [max([_width(head[i]), *(_width(row[i]) for row in table)]) for i in range(len(head))]
    click.secho(_line(head, widths, right), bold=True)
    for row in table:
        click.echo(_line(row, widths, right))


def print_json(document: Any) -> None:
    """One JSON document; instants as ISO 8601."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def print_json_stream(document: Mapping[str, Iterable[Any]] | Iterable[Any]) -> None:
    """One JSON document whose lists are written as they come: nothing waits in memory."""
    if isinstance(document, Mapping):
        for place, (name, rows) in enumerate(document.items()):
            sys.stdout.write(("{" if place == 0 else ",\n") + json.dumps(name) + ": ")
            _write_list(rows)
        sys.stdout.write("}\n")
    else:
        _write_list(document)
        sys.stdout.write("\n")
    sys.stdout.flush()


def print_csv(rows: Iterable[Mapping[str, Any]], *, empty: Sequence[str]) -> None:
    """Headings from the first row (`empty` when there is none), then all rows, as they come."""
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
    if writer is None:
        sys.stdout.write(",".join(empty) + "\n")
    sys.stdout.flush()


def mark(level: str) -> str:
    """A level in its colour, where there is colour."""
    return click.style(level, fg=_MARKS.get(level))


def say(text: str = "") -> None:
    """Talk, on stderr."""
    click.echo(text, err=True)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 lesson`, `5 lessons`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _line(cells: Sequence[str], widths: Sequence[int], right: str) -> str:
    parts = []
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        gap = " " * (width - _width(cell))
        parts.append(gap + cell if right[place : place + 1] == "r" else cell + gap)
    return "  ".join(parts).rstrip()


def _width(text: str) -> int:
    """Columns a terminal needs: wide letters take two, combining marks none."""
    plain = click.unstyle(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in plain
    )


def _write_list(rows: Iterable[Any]) -> None:
    sys.stdout.write("[")
    for place, row in enumerate(rows):
        text = json.dumps(row, ensure_ascii=False, default=_plain)
        sys.stdout.write(f"{',' if place else ''}\n{text}")
    sys.stdout.write("]")


def _cell(value: Any) -> str:
    return "" if value is None else str(value) if isinstance(value, str) else str(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
