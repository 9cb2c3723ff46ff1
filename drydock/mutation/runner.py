"""Runs the tests of examples against their mutants, and saves the mutation scores.

Tests run in a copy of the example, so the checkout and its evidence stay as they are. They run without a fault first.
Against each mutant run the checks of files, then the tests that use its file: first the one that killed the mutant last
time, then those that killed most mutants. A mutant is killed when a test fails twice.

Each result is saved at once, with the test that killed the mutant. A later run tries only the other mutants while the
example and its test are unchanged.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path, PurePosixPath
from typing import ClassVar

from drydock import ROOT, host
from drydock.engine import choose, resources
from drydock.engine.client import Engine
from drydock.errors import DrydockError
from drydock.host import print_status
from drydock.model import example as examples
from drydock.model.example import Example
from drydock.model.mutants import Mutant, is_current, load_mutants
from drydock.model.mutation_scores import Score, load_scores, save_scores
from drydock.testing.sandbox import copy_tests, start_module

#: Checks of files, which need no engine.
STATIC_TESTS = ("tests/test_conventions.py", "tests/test_security.py")
#: Content that neither a Dockerfile nor a Compose file can have.
SPOILT = "spoilt on purpose: [\n"
#: Timeout per test run, in seconds. A timeout counts as killed.
TIMEOUT = 900.0
#: Prune dangling images older than this: hundreds of them slow down the engine.
PRUNE_AGE = "30m"
#: Seconds between two lines about the progress.
PROGRESS_INTERVAL = 30.0
#: How much of a failure's report is shown, in lines.
REASON_LINES = 30
#: The first failure in pytest's summary, or what the plugin says of leftovers.
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (tests/\S+\[[^\]]*\]|\S+)|^drydock: (left behind)", re.MULTILINE)


class Sandbox:
    """A copy of an example with its tests, and a fork server that runs them. Use it as a context manager.

    :ivar folder: the copy of the repository.
    :ivar example_folder: the example's folder in it.
    :ivar engine_tests: the example's test files that need an engine.
    """

    _live: ClassVar[set[Sandbox]] = set()

    def __init__(self, example: Example, top: Path = ROOT) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="drydock-mutants-")
        self.folder = Path(self._temporary.name)
        self.example_folder = copy_tests(example, top, self.folder)
        self.engine_tests = (f"tests/examples/{example.test.name}", "tests/examples/test_transcripts.py")
        self._output = self.folder / "output.txt"
        tests = (*STATIC_TESTS, *self.engine_tests)
        pipe = subprocess.PIPE
        self._server = start_module(self.folder, "drydock.mutation.fork_server", *tests, stdin=pipe, stderr=pipe)
        self._running = 0
        self._live.add(self)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *error: object) -> None:
        self._live.discard(self)
        self.interrupt_run()
        self._server.communicate()
        self._temporary.cleanup()

    def interrupt_run(self) -> None:
        """Interrupt the tests that run, so that they clean up and end."""
        if self._running:
            os.kill(self._running, signal.SIGINT)

    @classmethod
    def interrupt_all(cls) -> None:
        """Interrupt the tests of all sandboxes."""
        for sandbox in [*cls._live]:
            sandbox.interrupt_run()

    def first_failure(self, *arguments: str) -> tuple[str, str]:
        """Run pytest until a test fails, and return the test's id and pytest's report; "" twice if none fails.

        :raises DrydockError: pytest ran no test.
        """
        status, output = self.run_tests("-x", "-rfE", *arguments)
        failure = _FAILURE.search(output)
        if status is None:
            return f"timeout after {TIMEOUT:g} s", output
        if status == 1 and failure:
            return failure[1] or failure[2], output
        if status:
            raise DrydockError(f"{' '.join(arguments)}: exit {status}\n{output[-2000:]}")
        return "", ""

    def run_tests(self, *arguments: str) -> tuple[int | None, str]:
        """Run pytest and return its exit status, None after a timeout, and its output."""
        assert self._server.stdin
        assert self._server.stdout
        unrecorded = ["--no-history"] if "--on-engine" in arguments else []
        quiet = ["-q", "--tb=short", "-p", "no:cacheprovider", *unrecorded]
        print(json.dumps([str(self._output), *quiet, *arguments]), file=self._server.stdin, flush=True)
        self._running = self._read_answer()
        in_time = select.select([self._server.stdout], [], [], TIMEOUT)[0]
        if not in_time:
            self.interrupt_run()
        status = self._read_answer()
        self._running = 0
        return status if in_time else None, self._output.read_text(errors="replace")

    def _read_answer(self) -> int:
        assert self._server.stdout
        answer = self._server.stdout.readline()
        if not answer:
            raise DrydockError(f"the process that runs the tests has ended: {self._server.communicate()[1][-2000:]}")
        return int(answer)


class Killers:
    """Finds a test that kills a mutant of an example.

    :param kills: which test killed which mutant earlier.
    """

    def __init__(self, example: Example, sandbox: Sandbox, kills: dict[str, str]) -> None:
        self._example = example
        self._sandbox = sandbox
        self._earlier = kills
        self._users: dict[str, list[str]] = {}
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for mutant, test in kills.items():
            self._counts[mutant.partition(":")[0]][test] += 1

    def check_tests(self) -> None:
        """Run the tests without a fault.

        :raises DrydockError: one fails, so it can't tell a mutant from the example.
        """
        slug = self._example.slug
        test, report = self._run_static()
        command = f"nox -s tests -- {' '.join(STATIC_TESTS)} -k '[{slug}]'"
        if not test:
            test, report = self._sandbox.first_failure("--on-engine", *self._sandbox.engine_tests)
            command = f"nox -s examples -- {slug}"
        if test:
            reason = _failure_reason(report)
            raise DrydockError(f"{slug}: {test} fails without any fault:\n{reason}\nFix this first; see: {command}")

    def find_killer(self, mutant: Mutant) -> str:
        """Return the id of a test that fails while the mutant replaces its file, or ""."""
        with _file_content(self._sandbox.example_folder / mutant.path, mutant.text):
            if mutant.claim:
                return self._failing_twice([f"{self._sandbox.engine_tests[0]}::{mutant.claim}"])
            killer = self._run_static()[0]
        if killer:
            return killer
        if mutant.path not in self._users:
            self._users[mutant.path] = self._find_users(mutant.path)
        counts, earlier = self._counts[mutant.path], self._earlier.get(str(mutant))
        users = sorted(self._users[mutant.path], key=lambda test: (test != earlier, -counts[test]))
        with _file_content(self._sandbox.example_folder / mutant.path, mutant.text):
            killer = self._failing_twice(users)
        counts[killer] += 1
        return killer

    def _failing_twice(self, tests: Sequence[str]) -> str:
        """Return the id of a test that fails twice: once may be chance on a busy machine."""
        left = [*tests]
        while left and (killer := self._sandbox.first_failure("--on-engine", *left)[0]):
            again = [killer] if killer in left else left
            if self._sandbox.first_failure("--on-engine", *again)[0]:
                return killer
            left = [test for test in left if test not in again]
        return ""

    def _run_static(self) -> tuple[str, str]:
        return self._sandbox.first_failure("-k", f"[{self._example.slug}]", *STATIC_TESTS)

    def _find_users(self, path: str) -> list[str]:
        """Return the tests that use a file: those that fail with it spoilt, and those that name it.

        A test that names a file may expect it to fail, and pass with it spoilt.
        """
        results = self._sandbox.folder / "results.json"
        with _file_content(self._sandbox.example_folder / path, SPOILT):
            _, output = self._sandbox.run_tests("--on-engine", f"--results={results}", *self._sandbox.engine_tests)
        if not results.is_file():
            raise DrydockError(f"{self._example.slug}: no test ran with {path} spoilt:\n{output[-2000:]}")
        outcomes = {result["test"]: result["outcome"] for result in json.loads(results.read_text(encoding="utf-8"))}
        results.unlink()  # so that they aren't taken for those of the next file
        failed = [test for test, outcome in outcomes.items() if outcome == "failed"]
        named = [f"{self._sandbox.engine_tests[0]}::{test}" for test in tests_naming(self._example, path)]
        return [*dict.fromkeys([*named, *failed])]


@contextlib.contextmanager
def _file_content(file: Path, text: str) -> Iterator[None]:
    before = file.read_bytes()
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_bytes(before)


def _failure_reason(report: str) -> str:
    """Return the beginning of pytest's failure report, without the summary below it."""
    failures = re.split(r"^=+ (?:FAILURES|ERRORS) =+\n", report, flags=re.MULTILINE)[-1]
    lines = re.split(r"^=+ (?:short test summary|warnings summary)", failures, flags=re.MULTILINE)[0].splitlines()
    return "\n".join(lines[:REASON_LINES])


def tests_naming(example: Example, path: str) -> list[str]:
    """Return the names of the example's tests that name the file; most don't name the one that is built by default."""
    text = example.test.read_text(encoding="utf-8")
    tests = [
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    name = PurePosixPath(path).name
    wanted = re.compile(rf"\b{re.escape('compose' if name == 'compose.yaml' else name)}(?![\w.-])")
    return [node.name for node in tests if wanted.search(ast.get_source_segment(text, node) or "")]


class Trial:
    """The mutants of one example, and their results so far.

    :param previous: the score before. While the example and its test are unchanged, what it counts as killed stays so.
    :param again: try the killed mutants as well.
    :raises MalformedError: see :func:`drydock.model.mutants.load_mutants`.
    :ivar left: the mutants still to try: survivors and new ones first.
    """

    def __init__(
        self, example: Example, previous: Score | None = None, top: Path = ROOT, *, again: bool = False
    ) -> None:
        self.example = example
        self._top = top
        self._digest = example.digest(readme=False)
        self._to_try, self._equivalent = load_mutants(example, top)
        self._earlier = dict(previous.kills) if previous else {}
        self._kills = self._still_killed(previous) if previous and not again else {}
        self._survivors: set[str] = set()
        self.left = [mutant for mutant in self._to_try if str(mutant) not in self._kills]
        self.left.sort(key=lambda mutant: str(mutant) in self._earlier)

    def _still_killed(self, previous: Score) -> dict[str, str]:
        if previous.digest != self._digest:
            return {}
        killed = self._earlier
        if is_current(previous, self.example, self._top):
            # Older scores don't name the tests: each mutant that didn't survive was killed by one of them.
            mutants = (str(mutant) for mutant in self._to_try)
            killed = {mutant: killed.get(mutant, "") for mutant in mutants if mutant not in previous.survivors}
        return {str(mutant): killed[str(mutant)] for mutant in self._to_try if str(mutant) in killed}

    @property
    def score(self) -> Score:
        """The score so far. Until no mutant is left, it counts fewer than there are, and isn't current."""
        survivors = tuple(str(mutant) for mutant in self._to_try if str(mutant) in self._survivors)
        equivalent = tuple(map(str, self._equivalent))
        kills = {mutant: test for mutant, test in self._kills.items() if test}
        tried = len(self._kills) + len(survivors) + len(equivalent)
        return Score(self._digest, tried, len(self._kills), equivalent, survivors, kills)

    def run(self, on_result: Callable[[Trial], None] = lambda trial: None) -> Score:
        """Try the mutants that are left and return the score.

        :param on_result: called after each mutant.
        :raises DrydockError: a test fails without any fault, or pytest runs none.
        """
        if not self.left:
            return self.score
        with Sandbox(self.example, self._top) as sandbox:
            killers = Killers(self.example, sandbox, self._earlier)
            print_status(f"{self.example.slug}: the tests run without a fault first")
            killers.check_tests()
            while self.left:
                mutant = self.left[0]
                killer = killers.find_killer(mutant)
                print_status(
                    f"examples/{self.example.slug}/{mutant}: {f'killed by {killer}' if killer else 'SURVIVED'}"
                )
                if killer:
                    self._kills[str(mutant)] = killer
                else:
                    self._survivors.add(str(mutant))
                del self.left[0]
                on_result(self)
        return self.score


def main(arguments: Sequence[str]) -> int:
    """Try the mutants of the examples named, or of all; return 1 if one survives or can't be tried."""
    options = _parse_arguments(arguments)
    try:
        picked = examples.pick_examples(options.slugs, examples.load_examples())
        scores = load_scores()
        trials = [Trial(example, scores.get(example.slug), again=options.all) for example in picked]
        engine = choose.get_engine()
    except DrydockError as error:
        print_status(str(error))
        return 1
    problems = _run_trials(trials, engine, options.workers)
    for trial in trials:
        problems += [f"survived: examples/{trial.example.slug}/{survivor}" for survivor in trial.score.survivors]
    for problem in problems:
        print_status(problem)
    return 1 if problems else 0


def _run_trials(trials: Sequence[Trial], engine: Engine, workers: int) -> list[str]:
    """Run trials, the longest first, report the progress, and return the errors."""
    errors: list[str] = []

    def run_trial(trial: Trial) -> None:
        try:
            score = trial.run(_save_score)
        except DrydockError as error:
            errors.append(str(error))
            return
        _save_score(trial)
        resources.prune_images(engine, until=PRUNE_AGE)
        counts = f"{score.killed} killed, {len(score.equivalent)} equivalent"
        print_status(f"{trial.example.slug}: {score.tried} mutants, {counts}, {len(score.survivors)} survived")

    total = sum(len(trial.left) for trial in trials)
    with ThreadPoolExecutor(workers) as pool:
        jobs: set[Future[None]] = {
            pool.submit(run_trial, trial) for trial in sorted(trials, key=lambda trial: -len(trial.left))
        }
        try:
            while jobs:
                done, jobs = wait(jobs, PROGRESS_INTERVAL, FIRST_EXCEPTION)
                for job in done:
                    job.result()
                if jobs:
                    print_status(f"{total - sum(len(trial.left) for trial in trials)} of {total} mutants tried")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            Sandbox.interrupt_all()
            raise
    return errors


def _save_score(trial: Trial) -> None:
    with host.file_lock(host.cache_folder() / "mutation-scores.lock"):
        save_scores({**load_scores(), trial.example.slug: trial.score})


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s mutants --", description="Run tests against mutants of examples.")
    parser.add_argument("slugs", nargs="*", metavar="slug", help="only these examples")
    parser.add_argument("--all", action="store_true", help="also try mutants that were killed before")
    parser.add_argument("--workers", type=int, default=1, help="number of examples at a time")
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    host.exit_on_signals()
    sys.exit(main(sys.argv[1:]))
