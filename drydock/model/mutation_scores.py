"""What became of the mutants of each example, as the site shows it. :mod:`drydock.mutation` tries them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drydock import ROOT
from drydock.errors import MalformedError

#: Mutants of single examples, and the equivalent ones.
FILE = Path("tests/examples/mutants.toml")
#: What became of them; read by the site.
RESULTS = Path("evidence/mutants.json")


@dataclass(frozen=True)
class Score:
    """What became of the mutants of an example.

    :ivar digest: of the example, its README aside, and its test: see :meth:`drydock.model.example.Example.digest`.
    :ivar tried: how many there were, the equivalent ones included.
    :ivar equivalent: those that nothing could notice and that were not tried, as ``path:line: what``.
    :ivar survivors: those that no test noticed, likewise.
    """

    digest: str
    tried: int
    killed: int
    equivalent: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()


def load_scores(top: Path = ROOT) -> dict[str, Score]:
    """Return what became of the mutants of each example, by slug.

    :raises MalformedError: the file is not what :func:`save` writes.
    """
    place = top / RESULTS
    if not place.is_file():
        return {}
    try:
        data: dict[str, dict[str, Any]] = json.loads(place.read_text(encoding="utf-8"))
        return {slug: _score(**fields) for slug, fields in data.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedError(RESULTS, 0, f"not scores ({error}); delete it and run: nox -s mutants") from error


def _score(equivalent: list[str], survivors: list[str], **fields: Any) -> Score:
    found = Score(equivalent=tuple(equivalent), survivors=tuple(survivors), **fields)
    counts = (found.tried, found.killed)
    odd = not all(type(count) is int and count >= 0 for count in counts)
    if odd or found.tried != found.killed + len(found.equivalent) + len(found.survivors):
        raise ValueError(f"odd counts: {found.tried} tried, {found.killed} killed")
    return found


def save_scores(scores: dict[str, Score], top: Path = ROOT) -> None:
    """Write what became of the mutants of each example."""
    data = {slug: dataclasses.asdict(found) for slug, found in scores.items()}
    (top / RESULTS).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
