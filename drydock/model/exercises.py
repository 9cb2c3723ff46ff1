"""Exercises: copies of an example with a fault to find."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT
from drydock.errors import DrydockError, MalformedError, MissingError, did_you_mean
from drydock.model import example as examples

#: The exercises, in the repository: a table per page.
FILE = Path("docs/exercises.toml")


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


def load_exercises(top: Path = ROOT) -> dict[str, Exercise]:
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


def find_exercise(slug: str, top: Path = ROOT) -> Exercise:
    """Return the exercise on the example `slug`.

    :raises MissingError: there is none; the message has those that there are.
    :raises MalformedError: see :func:`load_exercises`.
    """
    known = {exercise.slug: exercise for exercise in load_exercises(top).values()}
    if slug not in known:
        raise MissingError(f"no exercise on {slug!r}{did_you_mean(slug, known)}")
    return known[slug]


def begin_exercise(slug: str, folder: Path) -> Exercise:
    """Make `folder`: a copy of the example `slug` with the exercise's fault in it.

    :raises DrydockError: the folder is there already (it stays as it is), or there is no such exercise.
    """
    exercise = find_exercise(slug)
    if folder.exists():
        raise DrydockError(f"{folder} is there already, and stays as it is; name another folder")
    with tempfile.TemporaryDirectory(prefix="drydock-") as scratch:
        copy = examples.load_examples()[slug].copy_to(Path(scratch))
        exercise.place(copy)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(copy, folder)
    return exercise
