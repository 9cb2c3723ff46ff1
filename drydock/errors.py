"""Errors. Each message names the place and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class DrydockError(Exception):
    """An error that the user can fix. Its message is shown without a traceback."""


class EngineError(DrydockError):
    """No engine answers, or the engine or one of its commands failed."""


class UnfitEngineError(EngineError):
    """An engine that answers, or asks for something before it does, and that the examples can't run on."""


class MissingError(DrydockError):
    """A reference to an example, file, region, transcript, step, measure or table that doesn't exist."""


class MalformedError(DrydockError):
    """A file that violates its format.

    :ivar path: the file, as the reader knows it.
    :ivar line: 1-based line, or 0 for the file as a whole.
    """

    def __init__(self, path: object, line: int, problem: str) -> None:
        self.path, self.line, self.problem = str(path), line, problem
        super().__init__(f"{path}:{line}: {problem}" if line else f"{path}: {problem}")


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the known names, the most similar ones first.

    :returns: ``"; there are: a, b"``, or ``"; there is none"``.
    """
    names = sorted(set(known))
    if not names:
        return "; there is none"
    similar = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    ordered = [*similar, *(name for name in names if name not in similar)]
    return "; " + (f"did you mean {similar[0]}? " if similar else "") + "there are: " + ", ".join(ordered)


class ReplayError(DrydockError):
    """A transcript whose replay failed, with a report for the CI log.

    :ivar outcomes: the outcomes of the steps that ran, see :class:`drydock.replay.shell.Outcome`.
    """

    def __init__(self, report: str, outcomes: Sequence[Any] = ()) -> None:
        self.outcomes = outcomes
        super().__init__(report)
