"""The mutation scores of each example, for the site. :mod:`drydock.mutation` takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from drydock import ROOT, store

#: The scores; read by the site.
SCORES_FILE = Path("evidence/reports/mutants.json")


@dataclass(frozen=True)
class Score:
    """The results of an example's mutants.

    :ivar digest: of the example without its README, and its test: see :meth:`drydock.model.example.Example.digest`.
    :ivar tried: number of mutants, the equivalent ones included.
    :ivar equivalent: mutants that no test could kill and that did not run, as ``path:line: change``.
    :ivar survivors: mutants that no test killed, likewise.
    :ivar kills: the id of the test that killed a mutant, by mutant. Scores from before this field name none.
    """

    digest: str
    tried: int
    killed: int
    equivalent: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()
    kills: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.killed < 0 or self.tried != self.killed + len(self.equivalent) + len(self.survivors):
            raise ValueError(f"{self.tried} tried is not the sum of {self.killed} killed, equivalent and survivors")


def load_scores(top: Path = ROOT) -> dict[str, Score]:
    """Return the score of each example, by slug.

    :raises MalformedError: the file isn't JSON of this form; the message names the command to run.
    """
    path = top / SCORES_FILE
    if not path.is_file():
        return {}
    return store.load_json(dict[str, Score], path, SCORES_FILE, "delete it and run: nox -s mutants")


def save_scores(scores: dict[str, Score], top: Path = ROOT) -> None:
    """Write the score of each example."""
    store.save_json(top / SCORES_FILE, scores)
