"""Results of tests: read from pytest's reports, written as evidence, and compared with the floor of counts."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from drydock import store
from drydock.engine.client import Engine
from drydock.model import evidence, example as examples, floor
from drydock.model.evidence import Claim, Measure, Replayed, Run, Table
from drydock.model.example import Example
from drydock.model.records import Record, printed_lines
from drydock.model.transcript import Transcript
from drydock.replay.shell import Outcome

#: A test's ID in a report: with ``--dist loadgroup``, it ends with the name of the test's group.
_NODE_ID = re.compile(r"(?P<test>.*?)(@(?P<group>[\w-]+))?", re.DOTALL)


@dataclass(frozen=True)
class StepResult:
    """The result of a transcript's step.

    :ivar line: the line of its command in the transcript.
    :ivar seconds: wall time of the last try.
    :ivar tries: the number of times it ran.
    """

    line: int
    seconds: float
    tries: int
    passed: bool


@dataclass(frozen=True)
class Result:
    """The result of a test.

    :ivar test: the test's ID.
    :ivar unit: the slug of its example, or its folder below ``tests/``; see :mod:`drydock.testing.passed`.
    :ivar outcome: ``passed``, ``failed`` or ``skipped``.
    :ivar reason: why it was skipped, or is known to fail.
    :ivar seconds: wall time, including fixtures.
    :ivar kind: ``claim`` or ``transcript``; "" for a test that belongs to no example.
    :ivar name: the name of the claim's test function, or of the transcript.
    :ivar steps: the steps of a transcript that ran.
    :ivar records: what its steps printed, for evidence; see :class:`drydock.model.evidence.Replayed`.
    :ivar expected: whether it ran as a known failure. If it failed as expected, its outcome is ``skipped``.
    """

    test: str
    unit: str
    outcome: str = "passed"
    reason: str = ""
    seconds: float = 0.0
    kind: str = ""
    name: str = ""
    sentence: str = ""
    steps: tuple[StepResult, ...] = ()
    records: dict[str, Record] = field(default_factory=dict)
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    expected: bool = False

    @property
    def place(self) -> str:
        """The file of a transcript; else the test's ID."""
        return f"examples/{self.unit}/transcripts/{self.name}.console" if self.kind == "transcript" else self.test

    @property
    def accepted(self) -> bool:
        """Whether the test passed, or was skipped with a reason."""
        return self.outcome == "passed" or (self.outcome == "skipped" and bool(self.reason))


def report_facts(item: pytest.Item) -> dict[str, Any]:
    """Return the facts that travel with the test's reports: fields of :class:`Result`, as plain data."""
    facts: object = dict(item.user_properties).get("drydock", {})
    assert isinstance(facts, dict)
    return facts


def report_steps(item: pytest.Item, outcomes: Iterable[Outcome]) -> None:
    """Add the steps of a transcript, and what they printed, to its test's reports."""
    ran = list(outcomes)
    steps = [StepResult(o.expected.line, round(o.seconds, 3), o.tries, o.passed) for o in ran]
    report_facts(item)["steps"] = [dataclasses.asdict(step) for step in steps]
    records = {str(number): list(o.record) for number, o in enumerate(ran, 1) if o.record is not None}
    report_facts(item)["records"] = records


def read_report(report: pytest.TestReport) -> Result:
    """Return the result of a phase of a test: its setup, call, or teardown."""
    test, group = _NODE_ID.fullmatch(report.nodeid).group("test", "group")  # type: ignore[union-attr]
    folder = test.partition("/")[2].partition("/")[0]  # below tests/
    # A worker that crashed reports its test without facts.
    facts = dict(report.user_properties).get("drydock", {"unit": group if group and folder == "examples" else folder})
    phase = {"test": test, "outcome": report.outcome, "reason": _skip_reason(report), "seconds": report.duration}
    return store.build(Result, {**facts, **phase, "expected": hasattr(report, "wasxfail")})  # type: ignore[dict-item]


def _skip_reason(report: pytest.TestReport) -> str:
    """Return why the test was skipped or expected to fail; "" without a reason."""
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ")
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return ""
    return report.longrepr[2].removeprefix("Skipped").removeprefix(": ")


def merge_phases(before: Result | None, phase: Result) -> Result:
    """Return the result of a test after another phase. A failed teardown fails the test."""
    if before is None:
        return phase
    return dataclasses.replace(
        phase if phase.kind else before,
        outcome=before.outcome if phase.outcome == "passed" else phase.outcome,
        reason=phase.reason or before.reason,
        seconds=round(before.seconds + phase.seconds, 3),
        expected=before.expected or phase.expected,
    )


def without_evidence(result: Result) -> Result:
    """Return `result` without what only evidence needs."""
    return dataclasses.replace(result, sentence="", records={}, measures={}, tables={})


def count_results(results: Iterable[Result]) -> dict[str, int]:
    """Return the numbers of claims and transcripts. Skipped ones count, because they were collected."""
    kinds = [result.kind for result in results]
    return {"claims": kinds.count("claim"), "transcripts": kinds.count("transcript")}


def below_floor(results: Iterable[Result]) -> list[str]:
    """Return a message for each count of `results` that is below the floor."""
    return floor.load_floor().find_shortfalls(count_results(results))


def write_evidence(engine: Engine, results: Iterable[Result]) -> tuple[list[str], list[str]]:
    """Write the evidence of each example whose tests all ran without a failure.

    :returns: what was done, and what was not and why.
    """
    done, problems = [], []
    for slug, group in group_units(results).items():
        failed = [result.test for result in group if result.outcome == "failed"]
        if slug not in examples.load_examples():
            continue
        if failed:
            problems.append(f"evidence of {slug} not written: {failed[0]} failed")
        else:
            stored = evidence.load_evidence(slug)
            run = build_run(engine, slug, group)
            keep_records(stored.runs.get(engine.key), run, examples.load_examples()[slug])
            recorded = evidence.with_run(stored, engine.key, run)
            changed = evidence.save_evidence(recorded)
            done.append(f"{evidence.RUNS_FOLDER}/{slug}.json {'written' if changed else 'unchanged'} for {engine.key}")
    return done, problems


def keep_records(stored: Run | None, run: Run, example: Example) -> None:
    """Put the `stored` records back into `run`, so that recording again changes nothing.

    New ones are taken for all steps of a transcript or for none, because an ID comes again in later steps; and for all
    transcripts if the example's files or the engine changed, because text that a pattern leaves open depends on them.
    """
    if stored is None or (stored.digest, stored.engine) != (run.digest, run.engine):
        return
    for name, replayed in run.transcripts.items():
        records = stored.transcripts[name].records if name in stored.transcripts else {}
        if records.keys() >= replayed.records.keys() and _records_match(records, example.transcript(name)):
            run.transcripts[name] = dataclasses.replace(replayed, records=records)


def _records_match(records: Mapping[str, Record], transcript: Transcript) -> bool:
    try:
        return all(
            printed_lines(transcript.steps[int(number) - 1].output, record) for number, record in records.items()
        )
    except ValueError:
        return False


def group_units(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Return the results by unit."""
    ordered = sorted(results, key=lambda result: result.unit)
    return {unit: list(group) for unit, group in itertools.groupby(ordered, key=lambda result: result.unit)}


def raise_floor() -> None:
    """Set the floor to the claims and transcripts of the recorded evidence, and the commands of those transcripts."""
    recorded = [
        (example, run)
        for slug, example in examples.load_examples().items()
        if (run := evidence.load_evidence(slug).run)
    ]
    floor.set_floor(
        claims=sum(len(run.claims) for _, run in recorded),
        transcripts=sum(len(run.transcripts) for _, run in recorded),
        commands=sum(len(example.transcript(name).steps) for example, run in recorded for name in run.transcripts),
    )


def build_run(engine: Engine, slug: str, results: Sequence[Result]) -> Run:
    """Return what `results` prove of the example `slug`, as evidence."""
    run = Run(
        digest=examples.load_examples()[slug].digest(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        engine={name: value for name, value in engine.facts.items() if name not in ("id", "kernel")},
    )
    for result in results:
        if result.kind == "claim":
            run.claims[result.name] = Claim(result.sentence, result.outcome, result.reason)
        elif result.kind == "transcript":
            # A known failure has no number of steps: it can stop at any of them.
            steps = len(result.steps) if result.outcome == "passed" else 0
            run.transcripts[result.name] = Replayed(
                steps, result.outcome, result.reason, result.records if steps else {}
            )
        run.measures.update({name: Measure(**values) for name, values in result.measures.items()})
        run.tables.update({name: Table(**values) for name, values in result.tables.items()})
    return run
