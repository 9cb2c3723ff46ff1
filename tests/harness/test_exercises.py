"""Exercises on a real engine: the fault is told by the claims that say so, and the example itself is the solution."""

from __future__ import annotations

import pytest

from drydock.model import example as examples, exercises
from drydock.tasks import exercise as exercise_task

KNOWN = exercises.load_exercises()


@pytest.mark.parametrize("slug", KNOWN)
def test_the_fault_is_told(slug, tmp_path, engine):
    """While the fault is there, its claims fail."""
    exercise = exercises.begin_exercise(slug, tmp_path / "mine")
    found = exercise_task.check_folder(slug, tmp_path / "mine", exercise.claims)

    assert {test: outcome for test, (outcome, _) in found.items()} == dict.fromkeys(exercise.claims, "failed")


def test_the_example_is_the_solution(tmp_path, engine, capsys):
    """The example as it is upholds its claims, in a folder of another name."""
    mine = examples.load_examples()["entrypoint-script"].copy_to(tmp_path).rename(tmp_path / "mine")

    assert exercise_task.main(["check", "entrypoint-script", str(mine)]) == 0
    assert "✗" not in capsys.readouterr().out
