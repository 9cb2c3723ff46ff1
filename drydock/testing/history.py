"""The ledger: of the last runs on an engine, what became of each test and each step, how long it took, how often tried.

One small file per run in the user's cache, beside proofs and locks: a damaged one costs one run. ``nox -s flakes``
shows what the ledger has to say.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import statistics
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drydock import host
from drydock.host import print_status

#: How many runs are kept, over all engines. One of all tests takes some 30 kB.
KEPT = 100
#: How many of the slowest tests are shown.
SLOWEST = 20
#: What is wrong with a file that is damaged. (A failure to read it at all is an OSError as well.)
_DAMAGED = (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True)
class StepRecord:
    """A step of a transcript, as it ran.

    :ivar line: of its command in the transcript.
    :ivar seconds: wall time of the last try.
    :ivar tries: how often it was run.
    :ivar passed: whether the last try did what the transcript says.
    """

    line: int
    seconds: float
    tries: int
    passed: bool


@dataclass(frozen=True)
class ResultRecord:
    """What became of a test.

    :ivar unit: what stands or falls with it; see :mod:`drydock.testing.passed`.
    :ivar outcome: ``passed``, ``failed`` or ``skipped``.
    :ivar seconds: wall time, that of its fixtures included.
    :ivar steps: those of a transcript that ran.
    """

    unit: str
    outcome: str
    seconds: float
    steps: tuple[StepRecord, ...] = ()


@dataclass(frozen=True)
class RunRecord:
    """One run of tests on an engine.

    :ivar run: its eight hexadecimal digits.
    :ivar engine: the engine's key, such as ``docker-28.5``.
    :ivar date: when it ended, in UTC, ISO 8601.
    :ivar digests: by unit, of all its tests depend on, at the run's start; see :func:`passed.unit_digests`.
    :ivar tests: by test id; a transcript by its file.
    :ivar left: what was left behind on the engine.
    :ivar recording: whether it recorded: then a transcript passes with any output, and a timing is taken three times.
    """

    run: str
    engine: str
    date: str
    digests: dict[str, str] = field(default_factory=dict)
    tests: dict[str, ResultRecord] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    recording: bool = False


def history_folder() -> Path:
    """Return the folder of the ledger."""
    return host.cache_folder() / "ledger"


def keep_run(ran: RunRecord) -> None:
    """Write `ran` into the ledger, and let the oldest go.

    :raises OSError: the folder cannot be written to.
    """
    place = history_folder() / f"{re.sub(r'[^0-9]', '', ran.date)}-{ran.run}.json.gz"
    data = gzip.compress(json.dumps(dataclasses.asdict(ran), separators=(",", ":")).encode(), mtime=0)
    # One run at a time: what another one has half written is not to be taken for what a dead one left.
    with host.file_lock(host.cache_folder() / "ledger.lock"):
        history_folder().mkdir(exist_ok=True)
        fresh = place.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(place)
        # Their names begin with their dates. A clock that was put back makes this run no old one.
        others = sorted(each for each in history_folder().iterdir() if each != place)
        for old in others[: 1 - KEPT]:
            old.unlink()


def load_runs(run: str = "*") -> list[RunRecord]:
    """Return the runs of the ledger, the oldest first, or one `run`. A damaged file is moved aside, and told of."""
    return [ran for place in sorted(history_folder().glob(f"*-{run}.json.gz")) if (ran := _load(place))]


def _load(place: Path) -> RunRecord | None:
    try:
        data = json.loads(gzip.decompress(place.read_bytes()))
        tests = {
            str(test): ResultRecord(
                **{
                    **fields,
                    "seconds": float(fields["seconds"]),
                    "steps": tuple(StepRecord(**s) for s in fields["steps"]),
                }
            )
            for test, fields in data["tests"].items()
        }
        return RunRecord(**{**data, "tests": tests, "left": tuple(data["left"])})
    except FileNotFoundError:
        return None  # it was the oldest, and a run that ended meanwhile let it go
    except _DAMAGED as error:
        aside = place.with_suffix(".damaged")
        try:
            place.replace(aside)
            print_status(
                f"{place} is damaged ({type(error).__name__}: {error}); it is left out, and now called {aside.name}"
            )
        except OSError:
            print_status(f"{place} cannot be read ({type(error).__name__}: {error}); it is left out")
        return None


# What the runs say of each other


@dataclass(frozen=True)
class Flake:
    """A test that passed and failed, with nothing changed that it rests on.

    :ivar failed: the runs in which it failed, as ``date run``.
    :ivar passed: in how many it passed.
    """

    test: str
    engine: str
    failed: tuple[str, ...]
    passed: int


def find_flakes(runs: Iterable[RunRecord]) -> list[Flake]:
    """Return the tests that both passed and failed on the same digest."""
    found: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for ran in _judged(runs):
        for test, verdict in ran.tests.items():
            key = (test, ran.engine, ran.digests.get(verdict.unit, ran.run))  # without a digest it is like no other
            found.setdefault(key, {}).setdefault(verdict.outcome, []).append(f"{ran.date} {ran.run}")
    return [
        Flake(test, engine, tuple(outcomes["failed"]), len(outcomes["passed"]))
        for (test, engine, _), outcomes in sorted(found.items())
        if {"passed", "failed"} <= set(outcomes)
    ]


def retried_steps(runs: Iterable[RunRecord]) -> dict[tuple[str, str], list[int]]:
    """Return the steps that a run tried more than once: their tries in each run, by ``transcript:line`` and engine."""
    found: dict[tuple[str, str], list[int]] = {}
    for ran in runs:
        for place, step in steps_of(ran):
            found.setdefault((place, ran.engine), []).append(step.tries)
    return {key: tries for key, tries in sorted(found.items()) if max(tries) > 1}


def steps_of(ran: RunRecord) -> Iterator[tuple[str, StepRecord]]:
    """Yield each step of the run's transcripts with its place, ``examples/SLUG/transcripts/NAME.console:LINE``."""
    for test, verdict in ran.tests.items():
        for step in verdict.steps:
            yield f"{test}:{step.line}", step


def slowest_tests(runs: Iterable[RunRecord], count: int = SLOWEST) -> list[tuple[str, str, list[float]]]:
    """Return the `count` tests that take longest by the median of the runs in which they passed, with all seconds."""
    found: dict[tuple[str, str], list[float]] = {}
    for ran in _judged(runs):
        for test, verdict in ran.tests.items():
            if verdict.outcome == "passed":
                found.setdefault((test, ran.engine), []).append(verdict.seconds)
    ordered = sorted(found.items(), key=lambda each: statistics.median(each[1]), reverse=True)
    return [(test, engine, seconds) for (test, engine), seconds in ordered[:count]]


def _judged(runs: Iterable[RunRecord]) -> Iterator[RunRecord]:
    return (ran for ran in runs if not ran.recording)


def report_lines(runs: Sequence[RunRecord]) -> Iterator[str]:
    """Yield the lines that ``nox -s flakes`` prints."""
    if not runs:
        yield f"no run is in the ledger, {history_folder()}"
        return
    yield f"{len(runs)} runs, {runs[0].date} to {runs[-1].date}, in {history_folder()}"
    yield "passed and failed, and nothing changed:"
    yield from _listed(
        f"{each.test} ({each.engine}): failed in {len(each.failed)} of {len(each.failed) + each.passed}: "
        f"{', '.join(each.failed)}"
        for each in find_flakes(runs)
    )
    yield "steps that were retried:"
    yield from _listed(
        f"{place} ({engine}): in {sum(n > 1 for n in tries)} of {len(tries)}, up to {max(tries)} tries"
        for (place, engine), tries in retried_steps(runs).items()
    )
    yield f"the slowest {SLOWEST}, by the median of the seconds that they took, with the least and the most:"
    yield from _listed(
        f"{statistics.median(seconds):7.1f} ({min(seconds):.1f} to {max(seconds):.1f}, {len(seconds)} runs) "
        f"{test} ({engine})"
        for test, engine, seconds in slowest_tests(runs)
    )


def _listed(lines: Iterable[str]) -> Iterator[str]:
    found = [f"  {line}" for line in lines]
    yield from found or ["  none"]


def main() -> int:
    """Print what the ledger has to say."""
    for line in report_lines(load_runs()):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
