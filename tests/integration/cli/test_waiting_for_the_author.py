"""`course learners list` tells whose next lesson is not ready, as `course explain` does."""

from __future__ import annotations


def test_the_next_column_names_the_lesson_a_learner_waits_for(project, enroll) -> None:
    enroll("ana@example.org")
    assert "waits" not in project.run("learners", "list").out
    file = project.folder / "lessons/tiny/1-one.md"
    file.write_text(file.read_text() + "\n\nHello {{ learner.nmae }}\n")
    assert "waits: lesson one" in project.run("learners", "list").out
    (row,) = project.run("learners", "list", "--json").json
    assert row["waits_for"] == "one"
    assert "lesson one waits" in project.run("explain", "ana@example.org").out
