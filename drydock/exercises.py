"""Exercises: copies of an example with a fault to find, and the check of which claims a folder upholds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT, example as examples
from drydock.engine import say
from drydock.errors import DrydockError, MalformedError, MissingError, near
from drydock.example import Example
from drydock.trial import tree

#: The exercises, in the repository: a table per page.
FILE = Path("docs/exercises.toml")
#: What is said of a claim.
MARKS = {"passed": "✓", "skipped": "-"}


@dataclass(frozen=True)
class Exercise:
    """A task on a page.

    :ivar page: the page, as Sphinx names it.
    :ivar slug: the example; as it is, it is the solution.
    :ivar path: the file with the fault, in the example's folder.
    :ivar old: what the fault stands in the place of; it is there once.
    :ivar task: what is wrong, and what to do; Markdown of one paragraph.
    :ivar claims: the tests that fail while the fault is there.
    """

    page: str
    slug: str
    path: str
    old: str
    new: str
    task: str
    claims: tuple[str, ...]

    def place(self, folder: Path) -> Path:
        """Put the fault into `folder`, a copy of the example, and return the file that it is in now.

        :raises MalformedError: what it replaces is not in the file, or not once.
        """
        file = folder / self.path
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if text.count(self.old) != 1:
            raise MalformedError(
                FILE, 0, f"[{self.page}] {self.old!r} is {text.count(self.old)} times in {self.path}, not once"
            )
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return file


def load(top: Path = ROOT) -> dict[str, Exercise]:
    """Return the exercises, by page.

    :raises MalformedError: the file is not what this module expects.
    """
    if not (top / FILE).is_file():
        return {}
    try:
        found = tomllib.loads((top / FILE).read_text(encoding="utf-8"))
        return {page: _exercise(page, **fields) for page, fields in found.items()}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise MalformedError(FILE, 0, str(error)) from None


def _exercise(page: str, example: str, path: str, old: str, new: str, task: str, claims: list[str]) -> Exercise:
    if not claims:
        raise ValueError(f"[{page}] no claims: nothing would tell the fault")
    return Exercise(page, example, path, old, new, task, tuple(claims))


def of(slug: str, top: Path = ROOT) -> Exercise:
    """Return the exercise on the example `slug`.

    :raises MissingError: there is none; the message has those that there are.
    :raises MalformedError: see :func:`load`.
    """
    known = {exercise.slug: exercise for exercise in load(top).values()}
    if slug not in known:
        raise MissingError(f"no exercise on {slug!r}{near(slug, known)}")
    return known[slug]


def begin(slug: str, folder: Path) -> Exercise:
    """Make `folder`: a copy of the example `slug` with the exercise's fault in it.

    :raises DrydockError: the folder is there already (it stays as it is), or there is no such exercise.
    """
    exercise = of(slug)
    if folder.exists():
        raise DrydockError(f"{folder} is there already, and stays as it is; name another folder")
    with tempfile.TemporaryDirectory(prefix="drydock-") as scratch:
        copy = examples.load()[slug].copy_to(Path(scratch))
        exercise.place(copy)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(copy, folder)
    return exercise


def check(slug: str, folder: Path, claims: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
    """Run the claims of the example `slug` against the files in `folder`, which stay as they are.

    :param claims: the tests to run; all if there are none.
    :return: by test, what became of it, and its sentence.
    :raises DrydockError: there is no such folder, nothing of the example is in it, or the tests could not be run.
    """
    example = examples.pick([slug], examples.load())[0]
    own = Example(folder)
    if not folder.is_dir() or not set(own.files) & set(example.files):
        raise DrydockError(f"{folder} holds no file of the example {slug}; begin with its zip, or a copy of it")
    with tempfile.TemporaryDirectory(prefix="drydock-") as scratch:
        top = Path(scratch)
        place = tree(example, ROOT, top)
        shutil.rmtree(place)
        own.copy_to(top / "own")
        shutil.move(top / "own" / folder.name, place)
        tests = f"tests/examples/{example.test.name}"
        results = top / "results.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--on-engine",
            f"--results={results}",
        ]
        done = subprocess.run(
            [*command, *([f"{tests}::{claim}" for claim in claims] or [tests])],
            cwd=top,
            env={**os.environ, "PYTHONPATH": str(top), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        found = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else []
    if not found:
        raise DrydockError(f"the claims of {slug} could not be run:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return {each["name"]: (each["outcome"], each["sentence"]) for each in found}


def main(arguments: Sequence[str]) -> int:
    """Do ``begin SLUG FOLDER`` or ``check SLUG FOLDER``; return 1 where a claim does not hold."""
    try:
        if len(arguments) != 3 or arguments[0] not in ("begin", "check"):
            known = ", ".join(sorted(exercise.slug for exercise in load().values()))
            raise DrydockError(f"name an example and a folder of yours; there are exercises on {known}")
        action, slug, folder = arguments[0], arguments[1], Path(arguments[2]).resolve()
        return _begin(slug, folder) if action == "begin" else _check(slug, folder)
    except DrydockError as error:
        say(str(error))
        return 1


def _begin(slug: str, folder: Path) -> int:
    exercise = begin(slug, folder)
    say(f"{exercise.task}")
    say(f"your copy is {folder}; when you have mended it: nox -s check -- {slug} {folder}")
    return 0


def _check(slug: str, folder: Path) -> int:
    found = check(slug, folder)
    for test, (outcome, sentence) in found.items():
        print(f"{MARKS.get(outcome, '✗')} {sentence}" + ("" if outcome in MARKS else f" ({test})"))
    held = sum(outcome == "passed" for outcome, _ in found.values())
    say(f"{held} of {len(found)} claims hold in {folder}; the tests are in {examples.load()[slug].test}")
    return 0 if all(outcome in MARKS for outcome, _ in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
