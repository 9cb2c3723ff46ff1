"""Evidence: what one recorded run of an example proved, per engine.

One file per example, ``evidence/<slug>.json``, written by ``nox -s record`` and read by the site. It is text that
diffs well: sorted keys, one value per line, and nothing in it moves unless something real did.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drydock import ROOT
from drydock.errors import MalformedError, MissingError, did_you_mean

SCHEMA = 1
#: The engine whose evidence the site rests on: the private engine, which everyone can start.
DEFAULT_ENGINE = "docker-28.5"
UNITS = ("bytes", "seconds", "count", "ratio")
#: Units whose measures are noisy: a new value within the old one's bounds by this factor is not news.
NOISE = {"seconds": 1.5, "ratio": 1.5}
#: The seconds that a busy machine adds to a step that hardly takes any: they are noise too.
SLACK = 0.1

Scalar = str | int | float | bool | None
Row = dict[str, Scalar]

_BYTES = _SECONDS = (int, float)
#: The columns of each kind of table, with the types of their values, or with all their values.
KINDS: Mapping[str, Mapping[str, tuple[type, ...] | frozenset[str]]] = {
    # One row per instruction, the lowest first. `layer` counts the layers of the table, equal ones alike; a setting
    # has none. (A layer's digest would differ in each recording: it holds the times of its files.)
    "layers": {"image": (str,), "instruction": (str,), "bytes": _BYTES, "layer": (int, type(None)), "base": (bool,)},
    "timeline": {
        "variant": (str,),
        "edit": (str,),
        "step": (str,),
        "state": frozenset({"cached", "run"}),
        "seconds": _SECONDS,
    },
    "sizes": {"image": (str,), "bytes": _BYTES},
    # One row per pair that was probed. `network` is where `from` is, "" for the machine itself; `resolves` and
    # `connects` are None where there was nothing to ask.
    "network": {
        "from": (str,),
        "to": (str,),
        "network": (str,),
        "alias": (str,),
        "port": (int,),
        "published": (str,),
        "resolves": (bool, type(None)),
        "connects": (bool, type(None)),
    },
    "durations": {"label": (str,), "seconds": _SECONDS},
    # One row per variant of a program: seconds from its start until it was ready, and from the request to stop, for
    # which the engine sends `signal`, until it had ended with the status `exit`.
    "lifecycle": {"variant": (str,), "ready": _SECONDS, "signal": (str,), "stop": _SECONDS, "exit": (int,)},
    # One row per cell of a table with headings on two sides.
    "grid": {"row": (str,), "column": (str,), "cell": (str,)},
}
#: No measure comes near it; a number beyond it, or one that is none, cannot be shown.
MOST = 1e18
#: What becomes of a test or a transcript.
OUTCOMES = ("passed", "failed", "skipped")
#: Columns that hold seconds, which are noisy.
TIMED = ("seconds", "ready", "stop")


@dataclass(frozen=True)
class Measure:
    """A number that a test took and asserted bounds for.

    :ivar value: in `unit`: bytes, seconds, a count, or a ratio (without dimension).
    :ivar low: the least value at which the test passes.
    :ivar high: the greatest value at which the test passes, or None.
    :ivar spread: the least and the greatest of the values that `value` is the median of; () when there was one.
    """

    value: float
    unit: str
    low: float
    high: float | None = None
    spread: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float], unit: str, low: float, high: float | None) -> Measure:
        """Return the median of `values`, rounded to three digits where it is noisy, with their spread."""
        exact = [float(f"{value:.3g}") for value in values] if unit in NOISE else list(values)
        spread = (min(exact), max(exact)) if len(exact) > 1 else ()
        return cls(statistics.median_low(exact), unit, low, high, spread)


@dataclass(frozen=True)
class Table:
    """What a test found, as a page can draw it.

    :ivar kind: one of :data:`KINDS`.
    :ivar rows: at least one, each with the columns of its kind.
    """

    kind: str
    rows: list[Row]

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise ValueError(f"no kind of table {self.kind!r}{did_you_mean(str(self.kind), KINDS)}")
        if not isinstance(self.rows, list) or not self.rows:
            raise ValueError(f"a table of {self.kind} without rows")
        for row in self.rows:
            _check_row(row, self.kind)
        if self.kind == "grid":
            _check_grid(self.rows)


def _check_row(row: Row, kind: str) -> None:
    columns = KINDS[kind]
    if not isinstance(row, dict) or set(row) != set(columns):
        raise ValueError(f"a row of {kind} has the columns {', '.join(columns)}; not so: {row}")
    wrong = [name for name, allowed in columns.items() if not _fits(row[name], allowed)]
    if wrong:
        raise ValueError(f"a row of {kind} with an odd {', '.join(wrong)}: {row}")


def _check_grid(rows: list[Row]) -> None:
    cells = [(row["row"], row["column"]) for row in rows]
    missing = {(row, column) for row, _ in cells for _, column in cells} - set(cells)
    if missing or len(set(cells)) < len(cells):
        odd = missing or {cell for cell in cells if cells.count(cell) > 1}
        raise ValueError(f"a grid has one cell per row and column; not so: {sorted(map(str, odd))[0]}")


def _fits(value: Scalar, allowed: tuple[type, ...] | frozenset[str]) -> bool:
    if isinstance(allowed, frozenset):
        return isinstance(value, str) and value in allowed
    return type(value) in allowed and (not isinstance(value, int | float) or 0 <= value < MOST)


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

    :ivar digest: of the example's files and its test at that time, see :meth:`drydock.model.example.Example.digest`.
    :ivar date: ISO date (UTC) of the run.
    :ivar engine: name, version, store, architecture, Compose and buildx version, base images; for the reader.
    :ivar claims: by the name of their test.
    :ivar transcripts: by name.
    :ivar measures: by name.
    :ivar tables: by name.
    """

    digest: str
    date: str
    engine: dict[str, str]
    claims: dict[str, Claim] = field(default_factory=dict)
    transcripts: dict[str, Replayed] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)


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
            raise MissingError(f"no measure {name!r} in evidence/{self.slug}.json{did_you_mean(name, measures)}")
        return measures[name]

    def table(self, name: str) -> Table:
        """Return the table `name` of the default engine's run.

        :raises MissingError: there is no such table; the message has the near names.
        """
        tables = self.run.tables if self.run else {}
        if name not in tables:
            raise MissingError(f"no table {name!r} in evidence/{self.slug}.json{did_you_mean(name, tables)}")
        return tables[name]


def evidence_file(slug: str, top: Path = ROOT) -> Path:
    """Return where the evidence of the example `slug` is kept."""
    return top / "evidence" / f"{slug}.json"


def load_evidence(slug: str, top: Path = ROOT) -> Evidence:
    """Return the evidence of the example `slug`; without runs when nothing was recorded yet.

    :raises MalformedError: the file is not JSON of this schema; the message says what to run.
    """
    place = evidence_file(slug, top)
    if not place.is_file():
        return Evidence(slug)
    shown = f"evidence/{slug}.json"
    remedy = f"delete it and run: nox -s record -- {slug}"
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        json.dumps(data, ensure_ascii=False).encode()  # a string may be half a character, which no file can hold
        if data["schema"] != SCHEMA:
            raise MalformedError(shown, 0, f"schema {data['schema']}, this Drydock reads {SCHEMA}; {remedy}")
        if data["example"] != slug:
            raise MalformedError(shown, 0, f"it speaks of the example {data['example']!r}; {remedy}")
        return Evidence(slug, {key: _run(run) for key, run in data["engines"].items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedError(shown, 0, f"not evidence ({type(error).__name__}: {error}); {remedy}") from error


def _run(data: dict[str, Any]) -> Run:
    run = Run(
        digest=str(data["digest"]),
        date=str(data["date"]),
        engine={str(k): str(v) for k, v in data["engine"].items()},
        claims={str(k): Claim(**v) for k, v in data["claims"].items()},
        transcripts={str(k): Replayed(**v) for k, v in data["transcripts"].items()},
        measures={str(k): _measure(v) for k, v in data["measures"].items()},
        tables={str(k): Table(**v) for k, v in data.get("tables", {}).items()},
    )
    for name, measure in run.measures.items():
        numbers = (measure.value, measure.low, 0 if measure.high is None else measure.high, *measure.spread)
        known = measure.unit in UNITS and len(measure.spread) in (0, 2)
        if not known or not all(type(n) in (int, float) and -MOST < n < MOST for n in numbers):
            raise ValueError(f"measure {name}: {measure}")
    for test, claim in run.claims.items():
        _check_outcome(test, claim, claim.sentence)
    for transcript, replayed in run.transcripts.items():
        _check_outcome(transcript, replayed)
        if type(replayed.steps) is not int or not 0 <= replayed.steps < MOST:
            raise ValueError(f"{transcript}: {replayed}")
    return run


def _check_outcome(name: str, found: Claim | Replayed, sentence: str = "") -> None:
    if found.outcome not in OUTCOMES or not isinstance(found.reason, str) or not isinstance(sentence, str):
        raise ValueError(f"{name}: {found}")


def _measure(data: dict[str, Any]) -> Measure:
    return Measure(**{**data, "spread": tuple(data.get("spread", ()))})


def save_evidence(evidence: Evidence, top: Path = ROOT) -> bool:
    """Write `evidence` and say whether the file changed. The file is replaced whole or not at all."""
    place = evidence_file(evidence.slug, top)
    data = {
        "schema": SCHEMA,
        "example": evidence.slug,
        "engines": {key: _written(run) for key, run in evidence.runs.items()},
    }
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if place.is_file() and place.read_text(encoding="utf-8") == text:
        return False
    place.parent.mkdir(exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(place)
    return True


def _written(run: Run) -> dict[str, Any]:
    data = dataclasses.asdict(run)
    for measure in data["measures"].values():
        measure["spread"] = list(measure["spread"])
        if not measure["spread"]:
            del measure["spread"]
    return data if run.tables else {name: value for name, value in data.items() if name != "tables"}


def with_run(evidence: Evidence, key: str, run: Run) -> Evidence:
    """Return `evidence` with the `run` on the engine `key` in the place of its former one.

    A run that says nothing new (equal but for its date and the noise of its timings) leaves the former one. One that
    does takes its place whole: numbers that belong together come from one run.
    """
    former = evidence.runs.get(key)
    if former is not None:
        measures = {name: _steady(former.measures.get(name), measure) for name, measure in run.measures.items()}
        tables = {name: _steady_table(former.tables.get(name), table) for name, table in run.tables.items()}
        steady = dataclasses.replace(run, measures=measures, tables=tables, date=former.date)
        run = former if steady == former else run
    return dataclasses.replace(evidence, runs={**evidence.runs, key: run})


def _steady(former: Measure | None, fresh: Measure) -> Measure:
    """Return the former measure while the fresh one differs from it by noise only."""
    noise = NOISE.get(fresh.unit)
    if former is None or noise is None:
        return fresh
    if dataclasses.replace(fresh, value=former.value, spread=former.spread) != former:
        return fresh
    least, most = former.spread or (former.value, former.value)
    return former if least / noise <= fresh.value <= most * noise else fresh


def _steady_table(former: Table | None, fresh: Table) -> Table:
    """Return the fresh table, with the former one's rows where they differ by the noise of their seconds only."""
    if former is None or len(former.rows) != len(fresh.rows):
        return fresh
    return Table(fresh.kind, [_steady_row(old, new) for old, new in zip(former.rows, fresh.rows, strict=True)])


def _steady_row(former: Row, fresh: Row) -> Row:
    timed = [column for column in TIMED if column in former]
    if {**fresh, **{column: former[column] for column in timed}} != former:
        return fresh
    return former if all(_near(former[column], fresh[column]) for column in timed) else fresh


def _near(old: Scalar, new: Scalar) -> bool:
    assert isinstance(old, int | float)
    assert isinstance(new, int | float)
    noise = NOISE["seconds"]
    return old / noise - SLACK <= new <= old * noise + SLACK


def median_rows(runs: Sequence[list[Row]]) -> list[Row]:
    """Return the rows of several runs of one thing as one: seconds are medians, rounded to hundredths.

    :raises ValueError: the runs differ in more than their seconds.
    """
    merged = []
    for rows in zip(*runs, strict=True):
        timed = [column for column in TIMED if column in rows[0]]
        bare = [{name: value for name, value in row.items() if name not in timed} for row in rows]
        if any(each != bare[0] for each in bare):
            raise ValueError(f"the runs differ in more than their seconds: {bare}")
        merged.append({**rows[0], **{column: _median(row[column] for row in rows) for column in timed}})
    return merged


def _median(values: Iterable[Scalar]) -> float:
    return round(statistics.median_low([value for value in values if isinstance(value, int | float)]), 2)
