"""Which claims of an example a folder of the reader's own upholds: ``nox -s begin`` and ``nox -s check`` call it."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from drydock import ROOT
from drydock.errors import DrydockError
from drydock.host import print_status
from drydock.model import example as examples
from drydock.model.example import Example
from drydock.model.exercises import begin_exercise, load_exercises
from drydock.testing.sandbox import copy_tests, start_module

#: What is said of a claim.
MARKS = {"passed": "✓", "skipped": "-"}


def check_folder(slug: str, folder: Path, claims: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
    """Run the claims of the example `slug` against the files in `folder`, which stay as they are.

    :param claims: the tests to run; all if there are none.
    :return: by test, what became of it, and its sentence.
    :raises DrydockError: there is no such folder, nothing of the example is in it, or the tests could not be run.
    """
    example = examples.pick_examples([slug], examples.load_examples())[0]
    own = Example(folder)
    if not folder.is_dir() or not set(own.files) & set(example.files):
        raise DrydockError(f"{folder} holds no file of the example {slug}; begin with its zip, or a copy of it")
    with tempfile.TemporaryDirectory(prefix="drydock-") as scratch:
        top = Path(scratch)
        place = copy_tests(example, ROOT, top)
        shutil.rmtree(place)
        own.copy_to(top / "own")
        shutil.move(top / "own" / folder.name, place)
        tests = f"tests/examples/{example.test.name}"
        results = top / "results.json"
        picked = [f"{tests}::{claim}" for claim in claims] or [tests]
        options = ["-q", "-p", "no:cacheprovider", "--no-history", "--on-engine", f"--results={results}"]
        said = start_module(top, "pytest", *options, *picked).communicate()[0]
        found = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else []
    if not found:
        raise DrydockError(f"the claims of {slug} could not be run:\n{said[-3000:]}")
    return {each["name"]: (each["outcome"], each["sentence"]) for each in found}


def main(arguments: Sequence[str]) -> int:
    """Do ``begin SLUG FOLDER`` or ``check SLUG FOLDER``; return 1 where a claim does not hold."""
    try:
        if len(arguments) != 3 or arguments[0] not in ("begin", "check"):
            known = ", ".join(sorted(exercise.slug for exercise in load_exercises().values()))
            raise DrydockError(f"name an example and a folder of yours; there are exercises on {known}")
        action, slug, folder = arguments[0], arguments[1], Path(arguments[2]).resolve()
        return _begin(slug, folder) if action == "begin" else _check(slug, folder)
    except DrydockError as error:
        print_status(str(error))
        return 1


def _begin(slug: str, folder: Path) -> int:
    exercise = begin_exercise(slug, folder)
    print_status(f"{exercise.task}")
    print_status(f"your copy is {folder}; when you have mended it: nox -s check -- {slug} {folder}")
    return 0


def _check(slug: str, folder: Path) -> int:
    found = check_folder(slug, folder)
    for test, (outcome, sentence) in found.items():
        print(f"{MARKS.get(outcome, '✗')} {sentence}" + ("" if outcome in MARKS else f" ({test})"))
    held = sum(outcome == "passed" for outcome, _ in found.values())
    print_status(
        f"{held} of {len(found)} claims hold in {folder}; the tests are in {examples.load_examples()[slug].test}"
    )
    return 0 if all(outcome in MARKS for outcome, _ in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
