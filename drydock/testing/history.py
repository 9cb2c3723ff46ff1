"""The history of runs: the results of the last runs on this machine, and what differs between them.

Each run is a file in the user's cache folder, so a damaged file costs one run. ``nox -s history`` prints the report,
``nox -s history -- repeat N`` runs the tests N times and compares these runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gzip
import json
import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drydock import ROOT, host
from drydock.errors import DrydockError, did_you_mean
from drydock.host import exit_on_signals, print_status
from drydock.model import example as examples
from drydock.store import build, write_bytes
from drydock.testing.results import Result

#: Runs that the history keeps, over all engines. A run of all tests takes about 30 kB.
MAX_RUNS = 100
#: Tests in the report's list of the slowest.
MAX_SLOWEST = 20
#: Keeps a processor busy for as long as its parent lives, however that ends.
_BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(100_000): pass"


@dataclass(frozen=True)
class RunRecord:
    """A run of tests on an engine.

    :ivar run: its ID.
    :ivar engine: the engine's key, such as ``docker-28.5``.
    :ivar date: when it ended, in UTC, ISO 8601.
    :ivar digests: the sha256 of all that the tests of a unit depended on at the run's start, by unit.
    :ivar left: messages about what was left behind on the engine.
    :ivar recording: whether it recorded evidence: then a transcript passes with any output.
    """

    run: str
    engine: str
    date: str
    digests: dict[str, str] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    left: tuple[str, ...] = ()
    recording: bool = False


def history_folder() -> Path:
    """Return the folder of the history."""
    return host.cache_folder() / "history"


def save_run(run: RunRecord) -> None:
    """Write `run` to the history, and delete the oldest runs beyond :data:`MAX_RUNS`.

    :raises OSError: the folder isn't writable.
    """
    path = history_folder() / f"{re.sub(r'[^0-9]', '', run.date)}-{run.run}.json.gz"
    fields = dataclasses.asdict(run)
    # Without empty fields, loading takes half the time.
    fields["results"] = [{name: value for name, value in result.items() if value} for result in fields["results"]]
    data = gzip.compress(json.dumps(fields, separators=(",", ":")).encode(), mtime=0)
    # The lock keeps another run's half-written file from being taken for a leftover.
    with host.file_lock(host.cache_folder() / "history.lock"):
        write_bytes(path, data)
        # File names sort by date. Never delete the run just written, even if the clock went back.
        others = sorted(other for other in history_folder().iterdir() if other != path)
        for oldest in others[: 1 - MAX_RUNS]:
            oldest.unlink()


def load_runs(run: str = "*") -> list[RunRecord]:
    """Return the runs of the history, the oldest first, or one `run`. A damaged file is renamed and reported."""
    paths = sorted(history_folder().glob(f"*-{run}.json.gz"))
    return [record for path in paths if (record := _load_run(path))]


def _load_run(path: Path) -> RunRecord | None:
    try:
        return build(RunRecord, json.loads(gzip.decompress(path.read_bytes())))
    except FileNotFoundError:
        return None  # another run has just deleted it as the oldest
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        problem = f"({type(error).__name__}: {error!s:.200})"
        damaged = path.with_suffix(".damaged")
        try:
            path.replace(damaged)
            print_status(f"{path} is damaged {problem}; the history leaves it out and renames it to {damaged.name}")
        except OSError:
            print_status(f"{path} cannot be read {problem}; the history leaves it out")
        return None


# Comparing runs


def describe_flakes(runs: Iterable[RunRecord]) -> Iterator[str]:
    """Yield a line for each test whose outcome differs between runs with equal digests on the same engine."""
    outcomes: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for run in _comparing(runs):
        for result in run.results:
            digest = run.digests.get(result.unit, run.run)  # without a digest, no other run is comparable
            by_outcome = outcomes.setdefault((result.place, run.engine, digest), {})
            by_outcome.setdefault(result.outcome, []).append(f"{run.date} {run.run}")
    for (test, engine, _), by_outcome in sorted(outcomes.items()):
        if len(by_outcome) > 1:
            count = sum(map(len, by_outcome.values()))
            passed = by_outcome.pop("passed", [])
            others = [f"{name} in {len(ids)} of {count} ({', '.join(ids)})" for name, ids in sorted(by_outcome.items())]
            yield f"{test} on {engine}: {'; '.join(others)}" + ("" if passed else ", never passed")


def retried_steps(runs: Iterable[RunRecord]) -> dict[tuple[str, str], list[int]]:
    """Return the tries in each run of the steps that a run retried, by ``TRANSCRIPT:LINE`` and engine."""
    tries: dict[tuple[str, str], list[int]] = {}
    for run in runs:
        for result in run.results:
            for step in result.steps:
                tries.setdefault((f"{result.place}:{step.line}", run.engine), []).append(step.tries)
    return {key: counts for key, counts in sorted(tries.items()) if max(counts) > 1}


def slowest_tests(runs: Iterable[RunRecord], count: int = MAX_SLOWEST) -> list[tuple[str, str, list[float]]]:
    """Return test, engine, and seconds of the `count` slowest tests, by the median of the runs in which they passed."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for run in _comparing(runs):
        for result in run.results:
            if result.outcome == "passed":
                seconds.setdefault((result.place, run.engine), []).append(result.seconds)
    ordered = sorted(seconds.items(), key=lambda item: statistics.median(item[1]), reverse=True)
    return [(test, engine, durations) for (test, engine), durations in ordered[:count]]


def missing_tests(runs: Sequence[RunRecord]) -> Iterator[str]:
    """Yield a line for each test that only some of `runs` ran."""
    tests = {run.run: {result.place for result in run.results} for run in runs}
    for test in sorted(set().union(*tests.values())):
        without = [run for run, ran in tests.items() if test not in ran]
        if without:
            yield f"{test}: not in {len(without)} of {len(runs)} runs ({', '.join(without)})"


def _comparing(runs: Iterable[RunRecord]) -> Iterator[RunRecord]:
    """Yield the runs that compare: in a run that records, a transcript passes with any output."""
    return (run for run in runs if not run.recording)


def report_lines(runs: Sequence[RunRecord]) -> Iterator[str]:
    """Yield the lines of the report on `runs`."""
    if not runs:
        yield f"no runs in {history_folder()}"
        return
    yield f"{len(runs)} runs, {runs[0].date} to {runs[-1].date}, in {history_folder()}"
    yield "Different results with nothing changed:"
    yield from _indented(describe_flakes(runs))
    yield "Retried steps:"
    yield from _indented(
        f"{step} on {engine}: in {sum(n > 1 for n in tries)} of {len(tries)} runs, up to {max(tries)} tries"
        for (step, engine), tries in retried_steps(runs).items()
    )
    yield f"The {MAX_SLOWEST} slowest tests (median seconds, minimum to maximum):"
    yield from _indented(
        f"{statistics.median(seconds):7.1f} ({min(seconds):.1f} to {max(seconds):.1f}, {len(seconds)} runs) "
        f"{test} on {engine}"
        for test, engine, seconds in slowest_tests(runs)
    )


def _indented(lines: Iterable[str]) -> Iterator[str]:
    yield from [f"  {line}" for line in lines] or ["  none"]


# Repeating runs


@contextlib.contextmanager
def keep_busy(count: int) -> Iterator[list[int]]:
    """Run `count` processes that compute, and yield their IDs; they end with the context."""
    command = [sys.executable, "-I", "-S", "-c", _BUSY, str(os.getpid())]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            # In a new session, because Ctrl-C is for the tests.
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def pytest_command(slugs: Sequence[str], seed: int, workers: int, options: Sequence[str] = ()) -> list[str]:
    """Return the command that runs the tests of the examples `slugs`, or of all, in the random order of `seed`."""
    # Without --no-loadscope-reorder, xdist starts with the example that has most tests.
    order = ["--random-order", "--no-loadscope-reorder", f"--random-order-seed={seed}"]
    # One example stays on one worker, which can be this process.
    parallel = ["-n", str(0 if len(slugs) == 1 else workers), "--dist", "loadgroup"]
    chosen = [f"--example={slug}" for slug in slugs]
    return [sys.executable, "-m", "pytest", "-q", "--on-engine", *parallel, *order, *chosen, *options]


def run_once(command: Sequence[str]) -> tuple[int, RunRecord | None]:
    """Run the tests, and return the exit status and the run's record, or None if the history has none."""
    run = host.new_run_id()
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "DRYDOCK_RUN": run},
        stdin=subprocess.DEVNULL,
        # In a new session, so that Ctrl-C reaches it once, from here: a second one would end its cleaning up.
        start_new_session=True,
    )
    try:
        status = running.wait()
    except BaseException:
        running.send_signal(signal.SIGINT)
        running.wait()
        raise
    return status, next(iter(load_runs(run)), None)


def repeat_runs(arguments: Sequence[str]) -> int:
    """Run the tests several times and compare the runs; return 1 where one failed or two differ, 130 after Ctrl-C."""
    given, options = _repeat_arguments(arguments)
    examples.pick_examples(given.slugs, examples.load_examples())
    runs: list[RunRecord] = []
    problems: list[str] = []
    status = 0
    try:
        with keep_busy((os.cpu_count() or 1) if given.load else 0):
            for number in range(1, given.runs + 1):
                seed = given.seed + number - 1
                print_status(f"run {number} of {given.runs}; for this order again: repeat 1 --seed={seed}")
                status, run = run_once(pytest_command(given.slugs, seed, given.workers, options))
                problems += [f"run {number} ended with exit status {status}"] if status else []
                if run is None:
                    problems.append(f"run {number} left nothing in the history")
                    break
                runs.append(run)
    except KeyboardInterrupt:
        status = 130
    problems += missing_tests(runs)
    problems += [f"{step} on {on}: not retried in each run" for (step, on), n in retried_steps(runs).items() if 1 in n]
    for line in (*report_lines(runs), *problems):
        print(line)
    return status if status == 130 else int(bool(problems or list(describe_flakes(runs))))


def _repeat_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the parsed arguments, and those left for pytest."""
    parser = argparse.ArgumentParser(
        prog="nox -s history -- repeat",
        description="Run the tests N times and compare the runs. Other options go to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", type=int, metavar="N", help="the number of runs")
    parser.add_argument("slugs", nargs="*", metavar="slug", help="run only the tests of these examples")
    parser.add_argument("--load", action="store_true", help="keep every processor busy meanwhile")
    parser.add_argument("--seed", type=int, help="the seed of the first run's order; each later run adds one")
    parser.add_argument("--workers", type=int, default=(os.cpu_count() or 1) + 1, help="the number of parallel tests")
    given, options = parser.parse_known_intermixed_args(arguments)
    if given.runs < 1:
        parser.error(f"the number of runs is {given.runs}, less than 1")
    if given.seed is None:
        given.seed = secrets.randbelow(1_000_000)
    return given, options


def main(arguments: Sequence[str]) -> int:
    """Print the report, or repeat runs."""
    action = arguments[0] if arguments else "flakes"
    try:
        if action == "repeat":
            return repeat_runs(arguments[1:])
        if action in ("-h", "--help"):
            print(__doc__)
            return 0
        if action != "flakes" or len(arguments) > 1:
            raise DrydockError(f"no action {action!r} of the history{did_you_mean(action, ('flakes', 'repeat'))}")
    except DrydockError as error:
        print_status(str(error))
        return 1
    for line in report_lines(load_runs()):
        print(line)
    return 0


if __name__ == "__main__":
    exit_on_signals()
    sys.exit(main(sys.argv[1:]))
