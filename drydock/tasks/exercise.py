"""Begins an exercise in the reader's own folder, and checks the claims of its example there: ``nox -s exercise``."""

from __future__ import annotations

import argparse
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

#: The mark before a claim, by the outcome of its test; a claim that doesn't hold gets another one.
MARKS = {"passed": "✓", "skipped": "-"}


def check_folder(slug: str, folder: Path, claims: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
    """Run the claims of the example `slug` against a copy of the files in `folder`.

    :param claims: the tests to run; without any, all.
    :return: test -> its outcome and its sentence.
    :raises DrydockError: the folder doesn't exist, holds no file of the example, or the tests couldn't be run.
    """
    example = examples.pick_examples([slug], examples.load_examples())[0]
    reader_copy = Example(folder)
    if not folder.is_dir() or not set(reader_copy.files) & set(example.files):
        raise DrydockError(f"{folder} holds no file of the example {slug}; begin with its zip, or a copy of it")
    with tempfile.TemporaryDirectory(prefix="drydock-") as scratch:
        top = Path(scratch)
        target = copy_tests(example, ROOT, top)
        shutil.rmtree(target)
        reader_copy.copy_to(top / "reader")
        shutil.move(top / "reader" / folder.name, target)
        tests = f"tests/examples/{example.test.name}"
        report = top / "results.json"
        selection = [f"{tests}::{claim}" for claim in claims] or [tests]
        options = ["-q", "-p", "no:cacheprovider", "--no-history", "--on-engine", f"--results={report}"]
        output = start_module(top, "pytest", *options, *selection).communicate()[0]
        results = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else []
    if not results:
        raise DrydockError(f"the claims of {slug} could not be run:\n{output[-3000:]}")
    return {result["name"]: (result["outcome"], result["sentence"]) for result in results}


def main(arguments: Sequence[str]) -> int:
    """Do ``begin SLUG FOLDER`` or ``check SLUG FOLDER``; return 1 if a claim doesn't hold."""
    parser = argparse.ArgumentParser(prog="nox -s exercise --", description="Exercises: find and fix a fault.")
    slugs = ", ".join(load_exercises())
    parser.epilog = f"Examples with an exercise: {slugs}."
    parser.add_argument("action", choices=_ACTIONS, help="begin makes FOLDER with the fault in it, check checks it")
    parser.add_argument("slug", metavar="SLUG", help="the example; check takes any")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="your folder")
    options = parser.parse_args(arguments)
    try:
        return _ACTIONS[options.action](options.slug, options.folder.resolve())
    except DrydockError as error:
        print_status(str(error))
        return 1


def _begin(slug: str, folder: Path) -> int:
    exercise = begin_exercise(slug, folder)
    print_status(exercise.task)
    print_status(f"your copy is {folder}; when you have fixed it, run: nox -s exercise -- check {slug} {folder}")
    return 0


def _check(slug: str, folder: Path) -> int:
    results = check_folder(slug, folder)
    for test, (outcome, sentence) in results.items():
        print(f"{MARKS.get(outcome, '✗')} {sentence}" + ("" if outcome in MARKS else f" ({test})"))
    passed = sum(outcome == "passed" for outcome, _ in results.values())
    tests = examples.load_examples()[slug].test
    print_status(f"{passed} of {len(results)} claims hold in {folder}; the tests are in {tests}")
    return 0 if all(outcome in MARKS for outcome, _ in results.values()) else 1


_ACTIONS = {"begin": _begin, "check": _check}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
