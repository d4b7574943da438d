"""Where config, lessons and templates are looked for, and where data may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from course import paths


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if the package lay in site-packages, with its bundled copies."""
    package = tmp_path / "site-packages" / "course"
    for name in ("lessons", "templates"):
        (package / "_bundled" / name).mkdir(parents=True)
    (package / "_bundled" / "config.yaml").write_text("port: 1\n")
    monkeypatch.setattr(paths, "PACKAGE", package)
    return package


def test_a_given_config_wins_and_data_lies_beside_it(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "config.yaml").write_text("")
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "config.yaml"
    file.write_text("")
    place = paths.find_config(file, tmp_path / "here")
    assert (place.file, place.home, place.kind) == (file, tmp_path / "there", "given")


def test_a_given_folder_means_the_config_in_it(tmp_path: Path) -> None:
    assert paths.find_config(tmp_path, Path("/")).file == tmp_path / "config.yaml"


def test_the_current_folder_comes_next(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    assert paths.find_config(None, tmp_path).kind == "folder"


def test_then_the_checkout(tmp_path: Path) -> None:
    place = paths.find_config(None, tmp_path)
    assert place.kind == "checkout"
    assert place.home == Path(paths.__file__).resolve().parents[1]


def test_data_of_an_installed_program_never_lies_in_the_package(
    tmp_path: Path, installed: Path
) -> None:
    place = paths.find_config(None, tmp_path)
    assert place.kind == "bundled"
    assert place.home == tmp_path
    assert not place.home.is_relative_to(installed)


def test_lessons_of_an_installed_program_are_the_bundled_ones(
    tmp_path: Path, installed: Path
) -> None:
    assert paths.content_folder("lessons", "lessons", tmp_path) == installed / "_bundled/lessons"
    assert paths.starter() == installed / "_bundled"


def test_own_lessons_win_over_bundled_ones(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "lessons").mkdir()
    assert paths.content_folder("lessons", "lessons", tmp_path) == tmp_path / "lessons"


def test_a_folder_named_by_hand_is_taken_at_its_word(tmp_path: Path, installed: Path) -> None:
    assert paths.content_folder("my-lessons", "lessons", tmp_path) is None
