"""What the tests of a run proved: from their reports to counts and evidence."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from drydock import ROOT
from drydock.engine.client import Engine
from drydock.model import evidence, example as examples
from drydock.model.evidence import Claim, Measure, Replayed, Run, Table
from drydock.testing.passed import Proof

FLOOR = ROOT / "evidence" / "floor.json"


@dataclass(frozen=True)
class Result:
    """What became of one test of an example.

    :ivar test: the test's id, for messages.
    :ivar kind: ``claim`` or ``transcript``.
    :ivar name: the test function's name, or the transcript's.
    :ivar outcome: ``passed``, ``failed`` or ``skipped``.
    :ivar steps: commands that the transcript ran.
    :ivar retries: how often a step was run again before it matched.
    :ivar seconds: wall time of the transcript's own commands.
    """

    test: str
    slug: str
    kind: str
    name: str
    sentence: str
    outcome: str = "passed"
    reason: str = ""
    steps: int = 0
    retries: int = 0
    seconds: float = 0.0
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)


def count_results(results: Iterable[Result], proven: Iterable[Proof] = ()) -> dict[str, int]:
    """Return how many claims and transcripts were collected. A skip counts: it was seen, and it prints its reason.

    :param proven: of those that were left out.
    """
    kinds = [result.kind for result in results]
    proven = list(proven)
    return {
        "claims": kinds.count("claim") + sum(proof.claims for proof in proven),
        "transcripts": kinds.count("transcript") + sum(proof.transcripts for proof in proven),
    }


def below_floor(found: dict[str, int]) -> list[str]:
    """Return what went missing: each count of `found` that is below the floor kept in git."""
    floor = json.loads(FLOOR.read_text(encoding="utf-8"))
    return [
        f"only {count} {kind} collected; the floor in evidence/floor.json is {floor[kind]}"
        for kind, count in found.items()
        if count < floor.get(kind, 0)
    ]


def write_evidence(engine: Engine, results: Iterable[Result]) -> tuple[list[str], list[str]]:
    """Write the evidence of each example all of whose tests ran without a failure.

    :returns: what was done, and what was not and why.
    """
    done, problems = [], []
    by_slug: dict[str, list[Result]] = {}
    for result in results:
        by_slug.setdefault(result.slug, []).append(result)
    for slug, found in sorted(by_slug.items()):
        failed = [result.test for result in found if result.outcome == "failed"]
        if failed:
            problems.append(f"evidence of {slug} not written: {failed[0]} failed")
        else:
            changed = evidence.save_evidence(
                evidence.with_run(evidence.load_evidence(slug), engine.key, build_run(engine, slug, found))
            )
            done.append(f"evidence/{slug}.json {'written' if changed else 'unchanged'} for {engine.key}")
    return done, problems


def raise_floor() -> None:
    """Set the floor under claims, transcripts and commands to what the recorded evidence holds."""
    runs = [run for slug in examples.load_examples() if (run := evidence.load_evidence(slug).run)]
    floor = json.loads(FLOOR.read_text(encoding="utf-8")) if FLOOR.is_file() else {}
    floor |= {
        "claims": sum(len(run.claims) for run in runs),
        "transcripts": sum(len(run.transcripts) for run in runs),
        "commands": sum(each.steps for run in runs for each in run.transcripts.values()),
    }
    FLOOR.write_text(json.dumps(floor, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def build_run(engine: Engine, slug: str, results: Iterable[Result]) -> Run:
    """Return what `results` prove of the example `slug`, as evidence."""
    found = list(results)
    return Run(
        digest=examples.load_examples()[slug].digest(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        engine={name: value for name, value in engine.facts.items() if name not in ("id", "kernel")},
        claims={each.name: Claim(each.sentence, each.outcome, each.reason) for each in found if each.kind == "claim"},
        transcripts={
            each.name: Replayed(each.steps, each.outcome, each.reason) for each in found if each.kind == "transcript"
        },
        measures={name: Measure(**values) for each in found for name, values in each.measures.items()},
        tables={name: Table(**values) for each in found for name, values in each.tables.items()},
    )
