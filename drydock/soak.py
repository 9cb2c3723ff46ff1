"""Soak: what came of running all tests again and again, as the site shows it. ``endure`` runs them."""

from __future__ import annotations

import dataclasses
import datetime
import json
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT
from drydock.errors import MalformedError

#: Written by a soak of all tests; read by the site.
RESULTS = Path("evidence/soak.json")


@dataclass(frozen=True)
class Soak:
    """What came of it.

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


def load(top: Path = ROOT) -> Soak | None:
    """Return what came of the last soak of all tests, or None where there was none.

    :raises MalformedError: the file is not what :func:`save` writes.
    """
    place = top / RESULTS
    if not place.is_file():
        return None
    try:
        found = Soak(**json.loads(place.read_text(encoding="utf-8")))
        datetime.date.fromisoformat(found.date)
        counts = [getattr(found, each.name) for each in dataclasses.fields(found) if each.type == "int"]
        if not all(type(count) is int and count >= 0 for count in counts) or type(found.engine) is not str:
            raise ValueError(f"odd: {found}")
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedError(RESULTS, 0, f"not a soak ({error}); delete it and run: nox -s soak -- 5") from error
    return found


def save(soak: Soak, top: Path = ROOT) -> None:
    """Write what came of a soak of all tests."""
    (top / RESULTS).write_text(json.dumps(dataclasses.asdict(soak), indent=1, sort_keys=True) + "\n", encoding="utf-8")
