"""Held: what the tests did to the harness itself, fault by fault and property by property, as the site shows it.

``counting`` counts it.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT
from drydock.errors import MalformedError

#: Written by ``nox -s faults`` and ``nox -s fuzz``; read by the site.
RESULTS = Path("evidence/harness.json")
#: What is kept there: faults that are injected into runs, and properties that hold for any input.
KINDS = ("faults", "fuzz")


@dataclass(frozen=True)
class Held:
    """What became of one test, in all its cases.

    :ivar test: its id, without its case.
    :ivar says: its first sentence.
    :ivar tried: how many cases it has, or how many inputs it was tried on.
    :ivar failed: how many of its cases failed.
    """

    test: str
    says: str
    tried: int
    failed: int


@dataclass(frozen=True)
class Tally:
    """What became of all tests of one kind.

    :ivar date: ISO date (UTC) of the run.
    :ivar engine: its key, such as ``docker-28.5``; "" where none is needed.
    """

    date: str
    engine: str
    tests: tuple[Held, ...]


def load(top: Path = ROOT) -> dict[str, Tally]:
    """Return the last tally of each kind that there was.

    :raises MalformedError: the file is not what :func:`save` writes.
    """
    place = top / RESULTS
    if not place.is_file():
        return {}
    try:
        return {kind: _tally(kind, **fields) for kind, fields in json.loads(place.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        again = "nox -s faults, and nox -s fuzz"
        raise MalformedError(RESULTS, 0, f"no tally of tests ({error}); delete it and run: {again}") from error


def _tally(kind: str, date: str, engine: str, tests: Sequence[Mapping[str, object]]) -> Tally:
    found = Tally(date, engine, tuple(Held(**fields) for fields in tests))  # type: ignore[arg-type]
    datetime.date.fromisoformat(date)
    texts = [engine, *(text for each in found.tests for text in (each.test, each.says))]
    counts = [count for each in found.tests for count in (each.tried, each.failed)]
    good = all(type(text) is str for text in texts) and all(type(count) is int and count >= 0 for count in counts)
    if kind not in KINDS or not good:
        raise ValueError(f"odd: {kind}")
    return found


def save(kind: str, tally: Tally, top: Path = ROOT) -> None:
    """Write the tally of one kind, beside that of the other."""
    data = {each: dataclasses.asdict(known) for each, known in {**load(top), kind: tally}.items()}
    (top / RESULTS).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
