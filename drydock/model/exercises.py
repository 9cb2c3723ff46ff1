"""Exercises: copies of an example with a fault to find."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from drydock import ROOT
from drydock.errors import DrydockError, MalformedError, MissingError, did_you_mean
from drydock.model import example as examples
from drydock.model.example import Example
from drydock.model.expectations import Exercise, expectations_file, load_all_expectations


def load_exercises(top: Path = ROOT) -> dict[str, Exercise]:
    """Return the exercises, by the slug of their example.

    :raises MalformedError: see :func:`drydock.model.expectations.load_expectations`.
    """
    loaded = load_all_expectations(top)
    return {slug: expected.exercise for slug, expected in loaded.items() if expected.exercise}


def find_exercise(slug: str, top: Path = ROOT) -> Exercise:
    """Return the exercise on the example `slug`.

    :raises MissingError: there is none; the message lists those that exist.
    :raises MalformedError: see :func:`load_exercises`.
    """
    exercises = load_exercises(top)
    if slug not in exercises:
        raise MissingError(f"no exercise on {slug!r}{did_you_mean(slug, exercises)}")
    return exercises[slug]


def place_fault(exercise: Exercise, copy: Example) -> Path:
    """Put the fault into a copy of the example, and return the path of the file that has it.

    :raises MalformedError: the file isn't part of the copy or isn't text, or doesn't contain the replaced text once.
    """
    try:
        path, text = copy.path(exercise.path), copy.read(exercise.path)
    except DrydockError as error:
        raise MalformedError(expectations_file(copy.slug), 0, f"exercise: {error}") from None
    count = text.count(exercise.old)
    if count != 1:
        problem = f"exercise: {exercise.old!r} occurs {count} times in {exercise.path}, not once"
        raise MalformedError(expectations_file(copy.slug), 0, problem)
    path.write_bytes(text.replace(exercise.old, exercise.new).encode())
    return path


def begin_exercise(slug: str, folder: Path) -> Exercise:
    """Make `folder`: a copy of the example `slug` with the exercise's fault in it.

    :raises DrydockError: the folder exists (it stays as it is), or there is no such exercise.
    """
    exercise = find_exercise(slug)
    if folder.exists():
        raise DrydockError(f"{folder} exists, and stays as it is; name another folder")
    with tempfile.TemporaryDirectory(prefix="drydock-") as scratch:
        copy = examples.load_examples()[slug].copy_to(Path(scratch))
        place_fault(exercise, Example(copy))
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(copy, folder)
    return exercise
