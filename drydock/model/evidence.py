"""Evidence: the recorded result of an example's tests, per engine.

``nox -s record`` writes one file per example, ``evidence/runs/<slug>.json``, and the site reads it. The files diff
well: keys are sorted, each value has its line, a sentence is there once, and a run without news changes nothing.
"""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

from drydock import ROOT, store
from drydock.errors import MalformedError, MissingError, did_you_mean
from drydock.model.records import Record, check_record

SCHEMA = 2
#: One file per example.
RUNS_FOLDER = PurePosixPath("evidence/runs")
#: The private engine, which everyone can start: its evidence has to be current.
DEFAULT_ENGINE = "docker-28.5-containerd"
OUTCOMES = ("passed", "failed", "skipped")
UNITS = ("bytes", "seconds", "count", "ratio")
#: Noisy units. A value that differs from the recorded one by less than this factor is no news.
NOISE = {"seconds": 1.5, "ratio": 1.5}
#: Seconds that a busy machine may add to any step: noise as well.
SLACK = 0.1
#: Columns that hold seconds.
TIMED = ("seconds", "ready", "stop")

Scalar = str | int | float | bool | None
Row = dict[str, Scalar]

_BYTES = _SECONDS = (int, float)
#: The columns of each kind of table, with the types of their values, or with all permitted values.
KINDS: Mapping[str, Mapping[str, tuple[type, ...] | frozenset[str]]] = {
    # One row per instruction, the lowest first. `layer` numbers the layers; equal layers share a number, and a setting
    # has none. (The digest of a layer would differ in each recording because it covers the times of the files.)
    "layers": {"image": (str,), "instruction": (str,), "bytes": _BYTES, "layer": (int, type(None)), "base": (bool,)},
    "timeline": {
        "variant": (str,),
        "edit": (str,),
        "step": (str,),
        "state": frozenset({"cached", "run"}),
        "seconds": _SECONDS,
    },
    "sizes": {"image": (str,), "bytes": _BYTES},
    # One row per probed pair. `network` is the one that `from` is on, "" for the host. `resolves` and `connects` are
    # None where they don't apply.
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
    # One row per variant of a program: seconds from its start until it is ready, and from the stop request, for which
    # the engine sends `signal`, until it ends with the status `exit`.
    "lifecycle": {"variant": (str,), "ready": _SECONDS, "signal": (str,), "stop": _SECONDS, "exit": (int,)},
    # One row per cell of a table with row and column headings.
    "grid": {"row": (str,), "column": (str,), "cell": (str,)},
}


@dataclass(frozen=True)
class Measure:
    """A number that a test measured, and the bounds that it asserts.

    :ivar value: in `unit`: bytes, seconds, a count, or a ratio (without dimension).
    :ivar low: lower bound, inclusive.
    :ivar high: upper bound, inclusive, or None.
    :ivar spread: minimum and maximum of the values whose median is `value`; () for a single value.
    """

    value: float
    unit: str
    low: float
    high: float | None = None
    spread: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"no unit {self.unit!r}{did_you_mean(self.unit, UNITS)}")
        if self.high is not None and self.low > self.high:
            raise ValueError(f"the bounds {self.low} and {self.high} exclude every value")
        if self.spread and (len(self.spread) != 2 or not self.spread[0] <= self.value <= self.spread[1]):
            raise ValueError(f"the spread {list(self.spread)} is not a minimum and a maximum around {self.value}")

    @property
    def is_within_bounds(self) -> bool:
        """Whether the test that took the measure passes."""
        return self.low <= self.value and (self.high is None or self.value <= self.high)

    @classmethod
    def of(cls, values: Sequence[float], unit: str, low: float, high: float | None) -> Measure:
        """Return the median of `values` and their spread, rounded to three digits in noisy units."""
        exact = [float(f"{value:.3g}") for value in values] if unit in NOISE else list(values)
        spread = (min(exact), max(exact)) if len(exact) > 1 else ()
        return cls(statistics.median_low(exact), unit, low, high, spread)


@dataclass(frozen=True)
class Table:
    """Rows that a test recorded for a picture.

    :ivar kind: one of :data:`KINDS`.
    :ivar rows: at least one, each with the columns of its kind.
    """

    kind: str
    rows: list[Row]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no kind of table {self.kind!r}{did_you_mean(self.kind, KINDS)}")
        if not self.rows:
            raise ValueError(f"a table of {self.kind} without rows")
        for row in self.rows:
            _check_row(row, KINDS[self.kind], self.kind)
        if self.kind == "grid":
            _check_grid(self.rows)


def _check_row(row: Row, columns: Mapping[str, tuple[type, ...] | frozenset[str]], kind: str) -> None:
    if set(row) != set(columns):
        raise ValueError(f"a row of {kind} has the columns {', '.join(columns)}; not so: {row}")
    wrong = [name for name, allowed in columns.items() if not _fits(row[name], allowed)]
    if wrong:
        raise ValueError(f"a row of {kind} with an odd {', '.join(wrong)}: {row}")


def _check_grid(rows: list[Row]) -> None:
    cells = Counter((str(row["row"]), str(row["column"])) for row in rows)
    wrong = [cell for cell in product(*map(set, zip(*cells, strict=True))) if cells[cell] != 1]
    if wrong:
        raise ValueError(f"a grid has one cell per row and column; not so: {min(wrong)}")


def _fits(value: Scalar, allowed: tuple[type, ...] | frozenset[str]) -> bool:
    if isinstance(allowed, frozenset):
        return isinstance(value, str) and value in allowed
    return type(value) in allowed and (not isinstance(value, int | float) or 0 <= value < store.MAX_NUMBER)


@dataclass(frozen=True)
class Claim:
    """One sentence that a test asserts, and the outcome.

    :ivar sentence: the test's docstring.
    :ivar outcome: ``passed``, ``failed`` or ``skipped``; a skip never counts as a pass.
    :ivar reason: why it was skipped, else "".
    """

    sentence: str
    outcome: str
    reason: str = ""

    def __post_init__(self) -> None:
        _check_outcome(self.outcome)
        if not self.sentence.strip():
            raise ValueError("a claim without a sentence")


@dataclass(frozen=True)
class Replayed:
    """The outcome of one transcript.

    :ivar steps: number of commands that ran.
    :ivar reason: why it was skipped, else "".
    :ivar records: what the steps printed, by their number from 1; none for a step that printed just what is in the
        transcript. See :mod:`drydock.model.records`.
    """

    steps: int
    outcome: str
    reason: str = ""
    records: dict[str, Record] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_outcome(self.outcome)
        if self.steps < 0:
            raise ValueError(f"{self.steps} steps")
        for number, record in self.records.items():
            if not re.fullmatch(r"[1-9]\d{0,5}", number, re.ASCII) or int(number) > self.steps:
                raise ValueError(f"a record of step {number!r} of {self.steps}")
            check_record(record)


def _check_outcome(outcome: str) -> None:
    if outcome not in OUTCOMES:
        raise ValueError(f"no outcome {outcome!r}{did_you_mean(outcome, OUTCOMES)}")


@dataclass(frozen=True)
class Run:
    """The results of an example's tests on one engine.

    :ivar digest: of the example's files and its test at that time, see :meth:`drydock.model.example.Example.digest`.
    :ivar date: ISO date (UTC) of the run.
    :ivar engine: facts for the reader: name, version, store, architecture, Compose and buildx version, base images.
    :ivar claims: by the name of their test.
    :ivar transcripts: by name.
    :ivar measures: by name. A measure outside its bounds needs a claim that didn't pass.
    :ivar tables: by name.
    """

    digest: str
    date: str
    engine: dict[str, str]
    claims: dict[str, Claim] = field(default_factory=dict)
    transcripts: dict[str, Replayed] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        store.check_date(self.date)
        if not self.engine.get("name") or not self.engine.get("version"):
            raise ValueError("the engine needs a name and a version")
        outside = [name for name, measure in self.measures.items() if not measure.is_within_bounds]
        if outside and self.passed_claims == len(self.claims):
            raise ValueError(f"the measure {outside[0]} is outside its bounds, but every claim passed")

    @property
    def passed_claims(self) -> int:
        """The number of claims that passed."""
        return sum(claim.outcome == "passed" for claim in self.claims.values())

    @property
    def label(self) -> str:
        """The engine's name and version."""
        return f"{self.engine['name']} {self.engine['version']}"

    @property
    def heading(self) -> str:
        """The label, with the image store where that isn't the usual one, and with the virtual machine."""
        notes = ["containerd store"] if self.engine.get("store") == "containerd" else []
        notes += [f"virtual machine, cgroup v{self.engine.get('cgroup')}"] if "virtual" in self.engine else []
        return self.label + (f" ({', '.join(notes)})" if notes else "")

    @property
    def details(self) -> str:
        """The label, the date, and all other facts of the engine, in one line."""
        others = {key: value for key, value in self.engine.items() if key not in ("name", "version")}
        facts = [f"{key.replace('_', ' ')}: {value}" for key, value in others.items()]
        return ", ".join([f"{self.label} on {self.date}", *facts])


@dataclass(frozen=True)
class Evidence:
    """The recorded runs of one example.

    :ivar runs: by engine key, such as ``docker-28.5``.
    :ivar digest: of the example as it is now. A run with another digest is stale.
    """

    slug: str
    runs: dict[str, Run] = field(default_factory=dict)
    digest: str = ""

    @property
    def run(self) -> Run | None:
        """The run on the default engine, or None if there is none."""
        return self.runs.get(DEFAULT_ENGINE)

    def shown_run(self, transcript: str = "") -> Run | None:
        """Return the run that pages show: that of the newest Docker whose run is current, else the default engine's.

        :param transcript: the name of a transcript that it has to uphold, or "".
        """
        upheld = (run for run in self._shown_runs() if not transcript or _upholds(run, transcript))
        return next(upheld, self.run)

    def measure(self, name: str) -> tuple[Measure, Run]:
        """Return the measure `name` that pages show, and its run.

        :raises MissingError: there is no such measure; the message suggests similar names.
        """
        run = self._run_with("measure", name, lambda run: run.measures)
        return run.measures[name], run

    def table(self, name: str) -> Table:
        """Return the table `name` that pages show.

        :raises MissingError: there is no such table; the message suggests similar names.
        """
        return self._run_with("table", name, lambda run: run.tables).tables[name]

    def _shown_runs(self) -> list[Run]:
        """Return the current runs on Docker, the newest version first, and at last the default engine's."""
        keys = sorted(filter(engine_rank, self.runs), key=engine_rank, reverse=True)
        current = [self.runs[key] for key in keys if self.runs[key].digest == self.digest]
        return [*current, *filter(None, [self.run])]

    def _run_with(self, kind: str, name: str, values: Callable[[Run], Mapping[str, object]]) -> Run:
        runs = self._shown_runs()
        for run in runs:
            if name in values(run):
                return run
        names = {name for run in runs for name in values(run)}
        raise MissingError(f"no {kind} {name!r} in {_shown_file(self.slug)}{did_you_mean(name, names)}")


def _upholds(run: Run, transcript: str) -> bool:
    replayed = run.transcripts.get(transcript)
    return replayed is not None and replayed.outcome == "passed"


def engine_rank(key: str) -> tuple[int, ...]:
    """Return the rank of an engine as the one that pages show: by version, then by image store.

    :returns: () for an engine that pages don't show, such as Podman.
    """
    docker = re.fullmatch(r"docker-(\d{1,4})\.(\d{1,4})(-containerd)?", key)
    return (int(docker[1]), int(docker[2]), bool(docker[3])) if docker else ()


@dataclass(frozen=True)
class _EvidenceFile:
    """The content of an evidence file.

    :ivar claims: the sentence that the engines share, by the name of its test.
    :ivar engines: each run as plain data; a claim has a sentence only where that differs from the shared one.
    """

    schema: int
    example: str
    claims: dict[str, str]
    engines: dict[str, dict[str, Any]]
    runs: dict[str, Run] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema {self.schema}, this Drydock reads {SCHEMA}")
        shared = {test: {"sentence": sentence} for test, sentence in self.claims.items()}
        for key, run in self.engines.items():
            claims = store.build(dict[str, dict[str, Any]], run.get("claims"), f"engines.{key}.claims")
            run["claims"] = {test: shared.get(test, {}) | claim for test, claim in claims.items()}
        self.runs.update(store.build(dict[str, Run], self.engines, "engines"))


def evidence_file(slug: str, top: Path = ROOT) -> Path:
    """Return the path of the evidence of the example `slug`."""
    return top / _shown_file(slug)


def _shown_file(slug: str) -> str:
    return f"{RUNS_FOLDER}/{slug}.json"


def load_evidence(slug: str, top: Path = ROOT) -> Evidence:
    """Return the evidence of the example `slug`; it has no runs if nothing was recorded yet.

    :raises MalformedError: the file isn't JSON of this schema; the message names the command to run.
    """
    path = evidence_file(slug, top)
    if not path.is_file():
        return Evidence(slug)
    remedy = f"delete it and run: nox -s record -- {slug}"
    stored = store.load_json(_EvidenceFile, path, _shown_file(slug), remedy)
    if stored.example != slug:
        raise MalformedError(_shown_file(slug), 0, f"it is about the example {stored.example!r}; {remedy}")
    return Evidence(slug, stored.runs)


def save_evidence(evidence: Evidence, top: Path = ROOT) -> bool:
    """Write `evidence` and return whether the file changed."""
    return store.save_json(evidence_file(evidence.slug, top), _to_plain(evidence))


def _to_plain(evidence: Evidence) -> dict[str, Any]:
    """Return the content of the evidence file. Engines share the sentences of the default engine, if it has them."""
    sentences: dict[str, str] = {}
    for key in sorted(evidence.runs, key=lambda key: (key != DEFAULT_ENGINE, key)):
        sentences = {test: claim.sentence for test, claim in evidence.runs[key].claims.items()} | sentences
    engines = {key: dataclasses.asdict(run) for key, run in evidence.runs.items()}
    for run in engines.values():
        for test, claim in run["claims"].items():
            if claim["sentence"] == sentences[test]:
                del claim["sentence"]
        for part in ("claims", "transcripts", "measures"):
            run[part] = {name: _drop_empty(values) for name, values in run[part].items()}
        if not run["tables"]:
            del run["tables"]
    return {"schema": SCHEMA, "example": evidence.slug, "claims": sentences, "engines": engines}


def _drop_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", (), None, {})}


def with_run(evidence: Evidence, key: str, run: Run) -> Evidence:
    """Return `evidence` with `run` as the run on the engine `key`.

    A run that differs from the recorded one only by its date and noise is no news: the recorded one stays. Any other
    run replaces it as a whole, because numbers that belong together have to come from one run.
    """
    recorded = evidence.runs.get(key)
    if recorded is not None and not _is_news(recorded, run):
        return evidence
    return dataclasses.replace(evidence, runs={**evidence.runs, key: run})


def _is_news(recorded: Run, run: Run) -> bool:
    exact = any(getattr(recorded, name) != getattr(run, name) for name in ("digest", "engine", "claims", "transcripts"))
    if exact or recorded.measures.keys() != run.measures.keys() or recorded.tables.keys() != run.tables.keys():
        return True
    noisy = all(_is_same_measure(recorded.measures[name], new) for name, new in run.measures.items())
    return not (noisy and all(_is_same_table(recorded.tables[name], new) for name, new in run.tables.items()))


def _is_same_measure(recorded: Measure, new: Measure) -> bool:
    """Whether the measures differ at most by noise."""
    if new.unit not in NOISE or dataclasses.replace(new, value=recorded.value, spread=recorded.spread) != recorded:
        return new == recorded
    low, high = recorded.spread or (recorded.value, recorded.value)
    return low / NOISE[new.unit] <= new.value <= high * NOISE[new.unit]


def _is_same_table(recorded: Table, new: Table) -> bool:
    """Whether the tables differ at most by the noise of their seconds."""
    if recorded.kind != new.kind or len(recorded.rows) != len(new.rows):
        return False
    rows = zip(recorded.rows, new.rows, strict=True)
    cells = [(column, value, new_row[column]) for row, new_row in rows for column, value in row.items()]
    return all(_is_noise(old, value) if column in TIMED else old == value for column, old, value in cells)


def _is_noise(recorded: Scalar, new: Scalar) -> bool:
    assert isinstance(recorded, int | float)
    assert isinstance(new, int | float)
    noise = NOISE["seconds"]
    return recorded / noise - SLACK <= new <= recorded * noise + SLACK


def median_rows(runs: Sequence[list[Row]]) -> list[Row]:
    """Return the rows of several runs as one: seconds are medians, rounded to hundredths.

    :raises ValueError: the runs differ in more than their seconds.
    """
    merged = []
    for rows in zip(*runs, strict=True):
        timed = [column for column in TIMED if column in rows[0]]
        untimed = [{name: value for name, value in row.items() if name not in timed} for row in rows]
        if any(row != untimed[0] for row in untimed):
            raise ValueError(f"the runs differ in more than their seconds: {untimed}")
        merged.append({**rows[0], **{column: _median_of(row[column] for row in rows) for column in timed}})
    return merged


def _median_of(values: Iterable[Scalar]) -> float:
    return round(statistics.median_low([value for value in values if isinstance(value, int | float)]), 2)
