"""Evidence: what one recorded run of an example proved, per engine.

One file per example, ``evidence/<slug>.json``, written by ``nox -s record`` and read by the site. It is text that
diffs well: sorted keys, one value per line, and nothing in it moves unless something real did.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drydock import ROOT
from drydock.errors import MalformedError, MissingError, near

SCHEMA = 1
#: The engine whose evidence the site rests on: the private engine, which everyone can start.
DEFAULT_ENGINE = "docker-28.5"
UNITS = ("bytes", "seconds", "count", "ratio")
#: Units whose measures are noisy: a new value within the old one's bounds by this factor is not news.
NOISE = {"seconds": 1.5, "ratio": 1.5}


@dataclass(frozen=True)
class Measure:
    """A number that a test took and asserted bounds for.

    :ivar value: in `unit`: bytes, seconds, a count, or a ratio (without dimension).
    :ivar low: the least value at which the test passes.
    :ivar high: the greatest value at which the test passes, or None.
    """

    value: float
    unit: str
    low: float
    high: float | None = None


@dataclass(frozen=True)
class Claim:
    """One sentence that a test upheld, or did not.

    :ivar sentence: the test's docstring.
    :ivar outcome: ``passed``, ``failed`` or ``skipped``; a skip never counts as a pass.
    :ivar reason: why it was skipped, else "".
    """

    sentence: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Replayed:
    """One transcript of the run.

    :ivar steps: how many commands ran.
    :ivar reason: why it was skipped, else "".
    """

    steps: int
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Run:
    """What an example's tests proved on one engine.

    :ivar digest: of the example's files and its test at that time, see :meth:`drydock.example.Example.digest`.
    :ivar date: ISO date (UTC) of the run.
    :ivar engine: name, version, store, architecture, Compose and buildx version, base images; for the reader.
    :ivar claims: by the name of their test.
    :ivar transcripts: by name.
    :ivar measures: by name.
    """

    digest: str
    date: str
    engine: dict[str, str]
    claims: dict[str, Claim] = field(default_factory=dict)
    transcripts: dict[str, Replayed] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All recorded runs of one example, by engine key such as ``docker-28.5``."""

    slug: str
    runs: dict[str, Run] = field(default_factory=dict)

    @property
    def run(self) -> Run | None:
        """The run on the default engine, or None when it was never recorded there."""
        return self.runs.get(DEFAULT_ENGINE)

    def measure(self, name: str) -> Measure:
        """Return the measure `name` of the default engine's run.

        :raises MissingError: there is no such measure; the message has the near names.
        """
        measures = self.run.measures if self.run else {}
        if name not in measures:
            raise MissingError(f"no measure {name!r} in evidence/{self.slug}.json{near(name, measures)}")
        return measures[name]


def path(slug: str, top: Path = ROOT) -> Path:
    """Return where the evidence of the example `slug` is kept."""
    return top / "evidence" / f"{slug}.json"


def load(slug: str, top: Path = ROOT) -> Evidence:
    """Return the evidence of the example `slug`; without runs when nothing was recorded yet.

    :raises MalformedError: the file is not JSON of this schema; the message says what to run.
    """
    place = path(slug, top)
    if not place.is_file():
        return Evidence(slug)
    shown = f"evidence/{slug}.json"
    remedy = f"delete it and run: nox -s record -- {slug}"
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise MalformedError(shown, 0, f"schema {data['schema']}, this Drydock reads {SCHEMA}; {remedy}")
        if data["example"] != slug:
            raise MalformedError(shown, 0, f"it speaks of the example {data['example']!r}; {remedy}")
        return Evidence(slug, {key: _run(run) for key, run in data["engines"].items()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MalformedError(shown, 0, f"not evidence ({type(error).__name__}: {error}); {remedy}") from error


def _run(data: dict[str, Any]) -> Run:
    run = Run(
        digest=str(data["digest"]),
        date=str(data["date"]),
        engine={str(k): str(v) for k, v in data["engine"].items()},
        claims={str(k): Claim(**v) for k, v in data["claims"].items()},
        transcripts={str(k): Replayed(**v) for k, v in data["transcripts"].items()},
        measures={str(k): Measure(**v) for k, v in data["measures"].items()},
    )
    for name, measure in run.measures.items():
        numbers = (measure.value, measure.low, 0 if measure.high is None else measure.high)
        if measure.unit not in UNITS or not all(type(n) in (int, float) for n in numbers):
            raise ValueError(f"measure {name}: {measure}")
    return run


def save(evidence: Evidence, top: Path = ROOT) -> bool:
    """Write `evidence` and say whether the file changed. The file is replaced whole or not at all."""
    place = path(evidence.slug, top)
    data = {
        "schema": SCHEMA,
        "example": evidence.slug,
        "engines": {key: dataclasses.asdict(run) for key, run in evidence.runs.items()},
    }
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if place.is_file() and place.read_text(encoding="utf-8") == text:
        return False
    place.parent.mkdir(exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(place)
    return True


def with_run(evidence: Evidence, key: str, run: Run) -> Evidence:
    """Return `evidence` with the `run` on the engine `key` in the place of its former one.

    A run that says nothing new (equal but for its date and the noise of its timings) leaves the former one.
    """
    former = evidence.runs.get(key)
    if former is not None:
        measures = {name: _steady(former.measures.get(name), measure) for name, measure in run.measures.items()}
        run = dataclasses.replace(run, measures=measures)
        if dataclasses.replace(run, date=former.date) == former:
            run = former
    return dataclasses.replace(evidence, runs={**evidence.runs, key: run})


def _steady(former: Measure | None, fresh: Measure) -> Measure:
    """Return the former measure while the fresh one differs from it by noise only."""
    noise = NOISE.get(fresh.unit)
    if former is None or noise is None or dataclasses.replace(fresh, value=former.value) != former:
        return fresh
    return former if former.value / noise <= fresh.value <= former.value * noise else fresh
