"""Soaks: what came of running all tests again and again, as the site shows it. ``endure`` runs them."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT
from drydock.errors import MalformedError

#: Written by a soak of all tests; read by the site.
RESULTS = Path("evidence/soak.json")


@dataclass(frozen=True)
class Soak:
    """What came of one.

    :ivar runs: how often all tests were run.
    :ivar tests: how many there were in a run, the transcripts included.
    :ivar failures: how often one of them failed, over all runs.
    :ivar retries: how often a step was run again because its transcript lets it.
    :ivar left: what was left behind on the engine.
    :ivar differences: in how much the runs differed.
    :ivar busy: how many processes kept the processors busy beside them.
    :ivar seed: of the order in the first run.
    :ivar engine: its key, such as ``docker-28.5``.
    :ivar date: ISO date (UTC) of the last run.
    """

    runs: int
    tests: int
    failures: int
    retries: int
    left: int
    differences: int
    busy: int
    seed: int
    engine: str
    date: str


def load_soaks(top: Path = ROOT) -> list[Soak]:
    """Return what came of each soak of all tests, the oldest first.

    :raises MalformedError: the file is not what :func:`save_soaks` writes.
    """
    place = top / RESULTS
    if not place.is_file():
        return []
    try:
        return [_checked(**fields) for fields in json.loads(place.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedError(RESULTS, 0, f"no list of soaks ({error}); delete it and run: nox -s soak -- 5") from error


def _checked(**fields: object) -> Soak:
    found = Soak(**fields)  # type: ignore[arg-type]  # what it is given is looked at below
    datetime.date.fromisoformat(found.date)
    counts = [getattr(found, each.name) for each in dataclasses.fields(found) if each.type == "int"]
    if not all(type(count) is int and count >= 0 for count in counts) or type(found.engine) is not str:
        raise ValueError(f"odd: {found}")
    return found


def save_soaks(soaks: Sequence[Soak], top: Path = ROOT) -> None:
    """Write what came of soaks of all tests, the oldest first."""
    data = [dataclasses.asdict(each) for each in soaks]
    (top / RESULTS).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
