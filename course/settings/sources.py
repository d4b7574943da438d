"""Looks one setting up in flags, environment, NAME_FILE, .env and config.yaml, in this order.

Refuses to stop at the first fault: each is kept in `problems` with its source and its cure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.paths import ConfigPlace
from course.settings.keys import BLOCKS, BY_ENV, BY_PATH, KEYS, Key, nearest

#: Every variable also answers to this prefix, for machines where the short name is taken.
PREFIX = "COURSE_"
#: Variables of ours that are no settings.
NOT_SETTINGS = frozenset({"COURSE_COMPLETE"})


@dataclass(frozen=True, slots=True)
class Found:
    """A setting's value and where it came from, in words for `course config show`."""

    value: Any
    source: str


class Layers:
    """All places a setting may come from, read once."""

    def __init__(
        self, place: ConfigPlace, env: Mapping[str, str], flags: Mapping[str, Any]
    ) -> None:
        self.problems: list[str] = []
        #: Paths of settings whose value was refused: no need to call them missing as well.
        self.refused: set[str] = set()
        self.other_providers: dict[str, dict[str, Any]] = {}
        self._home = place.home
        self._env = env
        self._flags = {path: value for path, value in flags.items() if value is not None}
        self._dotenv = self._read_dotenv(place.home / ".env")
        self._file = place.file.name if place.file else ""
        self._yaml = self._flatten(self._read_yaml(place.file)) if place.file else {}
        self._complain_about_unknown_variables()

    def find(self, key: Key) -> Found:
        """The value of one setting; the default after a fault, which is then in `problems`."""
        for raw, name, source in self._places(key):
            if raw is None or (isinstance(raw, str) and not raw.strip()):
                continue  # an empty variable is an unset one, as compose files write them
            try:
                return Found(key.read(raw), source)
            except ValueError as error:
                value = "the value (hidden)" if key.shown != "plain" else repr(raw)
                self.problems.append(f"{name}: {value} is not allowed ({source}); allowed: {error}")
                self.refused.add(key.path)
                return Found(key.default, "default")
        return Found(key.default, "default")

    def providers(self) -> list[str]:
        """The names `delivery` may have: one per file in scheduler/providers."""
        from scheduler import providers

        return providers.names()

    def _places(self, key: Key) -> Iterator[tuple[Any, str, str]]:
        """(raw value, name for messages, source in words), the strongest first."""
        if key.path in self._flags:
            option = "--" + key.path.split(".")[-1].replace("_", "-")
            yield self._flags[key.path], option, f"flag {option}"
        for variables, where in ((self._env, "environment"), (self._dotenv, ".env")):
            for name in (PREFIX + key.env, key.env):
                yield variables.get(name), name, f"{where} {name}"
            for name in (f"{PREFIX}{key.env}_FILE", f"{key.env}_FILE"):
                if variables.get(name):
                    file = self._home / Path(variables[name]).expanduser()
                    yield self._contents(key, name, file), name, f"{where} {name} ({file})"
        if key.path in self._yaml:
            yield self._yaml[key.path], f"{key.env} ({key.path})", f"{self._file} {key.path}"

    def _contents(self, key: Key, name: str, file: Path) -> str | None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            self.refused.add(key.path)
            self.problems.append(
                f"{name}: the file {file} cannot be read ({why}); correct the path or unset {name}"
            )
            return None

    def _read_dotenv(self, file: Path) -> dict[str, str]:
        if not file.is_file():
            return {}
        from dotenv import dotenv_values

        try:
            read = dotenv_values(file, interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{file} cannot be read ({error}); save it as UTF-8 text")
            return {}
        return {name: value for name, value in read.items() if value is not None}

    def _read_yaml(self, file: Path) -> dict[str, Any]:
        import yaml

        try:
            text = file.read_text(encoding="utf-8")
            self._complain_about_keys_given_twice(file, text)
            document = yaml.safe_load(text)
        except FileNotFoundError:
            self.problems.append(
                f"--config: there is no file {file}; name another, or make one with"
                " `course init DIR`"
            )
            return {}
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{file} cannot be read ({error}); save it as UTF-8 text")
            return {}
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
            what = getattr(error, "problem", None) or "not YAML"
            self.problems.append(f"{where}: {what}; correct the line, or quote the value")
            return {}
        if document is None:
            return {}
        if not isinstance(document, dict):
            self.problems.append(f"{file}: must hold lines of the form `key: value`")
            return {}
        return document

    def _complain_about_keys_given_twice(self, file: Path, text: str) -> None:
        """YAML would take the last and say nothing. Raises YAMLError."""
        import yaml

        def look(node: yaml.Node | None, path: str) -> None:
            if not isinstance(node, yaml.MappingNode):
                return
            first: dict[str, int] = {}
            for key, value in node.value:
                mark, name = key.start_mark, f"{path}{key.value}"
                if name in first:
                    self.problems.append(
                        f"{file}:{mark.line + 1}:{mark.column + 1}: {name} is given twice, first"
                        f" in line {first[name]}; keep one of them"
                    )
                first.setdefault(name, mark.line + 1)
                look(value, f"{name}.")

        look(yaml.compose(text, Loader=yaml.SafeLoader), "")

    def _flatten(self, document: Mapping[Any, Any]) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        blocks: dict[str, Mapping[Any, Any]] = {}
        for name, value in document.items():
            if name in BLOCKS and (value is None or isinstance(value, dict)):
                blocks[name] = value or {}
            elif name in BLOCKS:
                self.problems.append(
                    f"{self._file} {name}: must be a block of indented keys, such as"
                    f" `{next(key.path for key in KEYS if key.path.startswith(f'{name}.'))}`"
                )
            elif name in BY_PATH:
                flat[name] = value
            elif isinstance(value, dict) and name in self.providers():
                self.other_providers[str(name)] = value
            else:
                self._unknown(str(name), [*(k for k in BY_PATH if "." not in k), *BLOCKS])
        for block, members in blocks.items():
            for name, value in members.items():
                path = f"{block}.{name}"
                if path in BY_PATH:
                    flat[path] = value
                else:
                    self._unknown(path, [k for k in BY_PATH if k.startswith(f"{block}.")])
        return flat

    def _unknown(self, name: str, among: list[str]) -> None:
        hint = nearest(name, among) or f" Known: {', '.join(sorted(among))}."
        self.problems.append(f"{self._file} {name}: there is no such setting.{hint}")

    def _complain_about_unknown_variables(self) -> None:
        """A variable that begins with our prefix, or misspells a name in .env, is meant for us."""
        names = [*BY_ENV, *(f"{name}_FILE" for name in BY_ENV)]
        for variables, where in ((self._env, "environment"), (self._dotenv, ".env")):
            for name in variables:
                bare = name.removeprefix(PREFIX)
                if bare in names or name in NOT_SETTINGS:
                    continue
                if name.startswith(PREFIX) or where == ".env":
                    hint = nearest(bare, names)
                    if hint:
                        self.problems.append(f"{name} ({where}): there is no such setting.{hint}")
