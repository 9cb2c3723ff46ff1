"""Runs the tests again and again, in random order and on a busy machine, and tells in what the runs differ.

``nox -s soak`` calls it. What a run did is read from the ledger.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from drydock import ROOT, host
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.errors import DrydockError
from drydock.host import exit_on_signals, print_status
from drydock.model import example as examples, soak
from drydock.model.soak import Soak
from drydock.testing import history
from drydock.testing.history import RunRecord

#: How many times as long as in its quickest run something takes that is told of.
FACTOR = 3.0
#: Seconds by which it has to be longer, too: what takes a moment may take three of them.
SLACK = 3.0

#: Keeps a processor busy for as long as its parent lives, however that ends.
_BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(100_000): pass"


@contextlib.contextmanager
def keep_busy(count: int) -> Iterator[list[int]]:
    """Run `count` processes that compute, and yield their ids; they end with the context."""
    # In sessions of their own: Ctrl-C is for the tests, and for whoever ends these.
    command = [sys.executable, "-I", "-S", "-c", _BUSY, str(os.getpid())]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def pytest_command(slugs: Sequence[str], seed: int, workers: int, *options: str) -> list[str]:
    """Return the command that runs the tests of the examples named, or all, with the examples as `seed` orders them.

    :param options: others of pytest.
    """
    # Without the second option, xdist would begin with the example that has most tests, in any order.
    shuffled = ["--random-order", "--no-loadscope-reorder", f"--random-order-seed={seed}"]
    picked = [f"--example={slug}" for slug in slugs]
    # One example stays on one worker, which may as well be this process.
    count = 0 if len(slugs) == 1 else workers
    parallel = ["-n", str(count), "--dist", "loadgroup"]
    return [sys.executable, "-m", "pytest", "-q", "--on-engine", *parallel, *shuffled, *picked, *options]


def run_once(command: Sequence[str], top: Path = ROOT) -> tuple[int, RunRecord | None]:
    """Run the tests once, and return their exit status and what the ledger has of them; None if it has nothing."""
    name = host.new_run_id()  # a run of its own: it would wait for another one of the same name
    # Ctrl-C reaches it once, from here: a second one would end it in the middle of its cleaning up.
    running = subprocess.Popen(
        command,
        cwd=top,
        env={**os.environ, "DRYDOCK_RUN": name},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        status = running.wait()
    except BaseException:
        running.send_signal(signal.SIGINT)
        running.wait()
        raise
    return status, next(iter(history.load_runs(name)), None)


def find_differences(runs: Mapping[int, RunRecord], factor: float = FACTOR) -> list[str]:
    """Return in what the runs differ, by their numbers, and what one of them left behind."""
    tests = sorted({test for ran in runs.values() for test in ran.tests})
    found = [f"run {number}: {left}" for number, ran in runs.items() for left in ran.left]
    for test in tests:
        outcomes = {n: ran.tests[test].outcome if test in ran.tests else "not there" for n, ran in runs.items()}
        if len(set(outcomes.values())) > 1:
            found.append(f"{test}: {_told(outcomes)}")
    tries: dict[str, dict[int, int]] = {}
    for number, ran in runs.items():
        for place, step in history.steps_of(ran):
            tries.setdefault(place, {})[number] = step.tries
    # A step that waits for something is tried again in each run, and how often is chance.
    found += [
        f"{place}: {_told({n: f'{count} tries' if count > 1 else 'one try' for n, count in each.items()})}"
        for place, each in sorted(tries.items())
        if min(each.values()) == 1 < max(each.values())
    ]
    for what, seconds in _seconds(runs).items():
        if max(seconds.values()) > min(seconds.values()) * factor + SLACK:
            found.append(f"{what}: {_told({number: f'{took:.1f} s' for number, took in seconds.items()})}")
    return found


def _told(by_run: Mapping[int, str]) -> str:
    """Return what was so in which runs: ``failed in run 2, passed in run 1, 3``."""
    return ", ".join(
        f"{what} in run {', '.join(str(number) for number, each in by_run.items() if each == what)}"
        for what in sorted(set(by_run.values()))
    )


def _seconds(runs: Mapping[int, RunRecord]) -> dict[str, dict[int, float]]:
    """Return, by run, how long each transcript took, and the claims of each unit together, where all of it passed.

    Of its claims, the one that is first builds what all of them share: by itself it would differ with the order.
    """
    found: dict[str, dict[int, float]] = {}
    whole: dict[str, list[bool]] = {}
    for number, ran in runs.items():
        for test, verdict in ran.tests.items():
            what = test if verdict.steps else f"the other tests of {verdict.unit}"
            by_run = found.setdefault(what, {})
            by_run[number] = by_run.get(number, 0.0) + verdict.seconds
            whole.setdefault(what, []).append(verdict.outcome != "failed")
    return {what: by_run for what, by_run in found.items() if all(whole[what])}


def summarize(runs: Mapping[int, RunRecord], count: int, load: int, seed: int, differing: int) -> Soak:
    """Return what came of `count` runs, of which the ledger has `runs`."""
    last = list(runs.values())[-1]
    verdicts = [verdict for ran in runs.values() for verdict in ran.tests.values()]
    return Soak(
        runs=count,
        tests=statistics.mode(len(ran.tests) for ran in runs.values()),
        failures=sum(verdict.outcome == "failed" for verdict in verdicts),
        retries=sum(step.tries - 1 for verdict in verdicts for step in verdict.steps),
        left=sum(len(ran.left) for ran in runs.values()),
        differences=differing,
        busy=load,
        seed=seed,
        engine=last.engine,
        date=last.date[:10],
    )


def main(arguments: Sequence[str], top: Path = ROOT) -> int:
    """Do what `arguments` ask for; return 1 where the runs differ or one of them failed."""
    given = _given(arguments)
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    options = [*(["--shuffle-within"] if given.within else []), *([f"--engine={given.engine}"] if given.engine else [])]
    load = (os.cpu_count() or 1) if given.load else 0
    found: list[str] = []
    runs: dict[int, RunRecord] = {}
    told = None
    try:
        examples.pick_examples(given.slugs, examples.load_examples())
        earlier = soak.load_soaks(top)
        with keep_busy(load):
            for number in range(1, given.runs + 1):
                print_status(
                    f"run {number} of {given.runs}; its order again: nox -s soak -- 1 --seed={seed + number - 1}"
                )
                status, ran = run_once(pytest_command(given.slugs, seed + number - 1, given.workers, *options), top)
                found += [f"run {number} ended with exit status {status}"] if status else []
                found += [] if ran else [f"run {number} left nothing in the ledger"]
                runs |= {number: ran} if ran else {}
                if runs:
                    told = summarize(runs, number, load, seed, len(found) + len(find_differences(runs, given.factor)))
                if told and not given.slugs:
                    soak.save_soaks([*earlier, told], top)  # after each run: all of them take hours, and may be ended
    except DrydockError as error:
        print_status(str(error))
        return 1
    except KeyboardInterrupt:
        print_status("ended; of a run of all tests that was not at its end, only the ledger has something")
        return 130
    for line in (*found, *find_differences(runs, given.factor)):
        print_status(line)
    if not told:
        return 1
    print_status(
        f"{told.runs} runs of {told.tests} tests on {told.engine}, seed {told.seed}, {told.busy} busy processes: "
        f"{told.failures} failures, {told.retries} retries, {told.left} left behind, {told.differences} differences"
    )
    return 1 if told.differences else 0


def _given(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s soak --", description="Run the tests again and again.")
    parser.add_argument("runs", type=_positive, metavar="N", help="how many runs")
    parser.add_argument("slugs", nargs="*", metavar="slug", help="only the tests of these examples")
    parser.add_argument("--load", action="store_true", help="keep every processor busy all the while")
    parser.add_argument("--within", action="store_true", help="shuffle the tests of each file, too")
    parser.add_argument("--seed", type=int, help="of the first run's order; each later run adds one to it")
    parser.add_argument("--factor", type=float, default=FACTOR, help="tell of what took so many times as long")
    parser.add_argument("--workers", type=int, default=0, help="how many tests at a time")
    parser.add_argument("--engine", choices=sorted(ENGINE_SPECS), default="", help="use this private engine")
    return parser.parse_intermixed_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    exit_on_signals()
    sys.exit(main(sys.argv[1:]))
