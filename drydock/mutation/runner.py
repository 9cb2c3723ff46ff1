"""Tries mutants: has the tests of an example run against each, and keeps what became of it.

They run in a copy of what they need, so that the checkout and its evidence stay as they are. First the example's tests
run without a fault. Against a mutant run the checks of files, then the tests that use its file, until one fails, twice:
first those that noticed other mutants. Which use it is told by one run with the file spoilt, made when first needed.
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
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar

from drydock import ROOT
from drydock.engine import choose, resources
from drydock.errors import DrydockError
from drydock.host import exit_on_signals, print_status
from drydock.model import example as examples
from drydock.model.example import Example
from drydock.model.mutants import Mutant, derive_mutants, listed_mutants
from drydock.model.mutation_scores import Score, load_scores, save_scores
from drydock.mutation.noticed import Noticed
from drydock.testing.sandbox import copy_tests, start_module

#: Checks of files, which need no engine.
STATIC = ("tests/test_conventions.py", "tests/test_security.py")
#: What a Dockerfile or a Compose file holds that is spoilt: neither can be read.
SPOILT = "spoilt on purpose: [\n"
#: Seconds after which a mutant that ends nothing is ended: that it takes so long was noticed.
LIMIT = 900.0
#: Images that lost their names so long ago are in nobody's way any more, and slow the engine.
OLD = "30m"


class Copy:
    """A copy of an example with its tests, and a process that runs them; as a context manager.

    :ivar folder: of the copy; `place` is that of the example in it.
    :ivar tests: the files of its tests that need the engine.
    """

    _live: ClassVar[set[Copy]] = set()

    def __init__(self, example: Example, top: Path = ROOT) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="drydock-mutants-")
        self.folder = Path(self._scratch.name)
        self.place = copy_tests(example, top, self.folder)
        self._output = self.folder / "output.txt"
        self.tests = (f"tests/examples/{example.test.name}", "tests/examples/test_transcripts.py")
        pipe = subprocess.PIPE
        self._server = start_module(self.folder, "drydock.mutation.warm", *STATIC, *self.tests, stdin=pipe, stderr=pipe)
        self._running = 0
        self._live.add(self)

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.discard(self)
        self.interrupt()
        self._server.communicate()
        self._scratch.cleanup()

    def interrupt(self) -> None:
        """Have the tests that run take away what they made, and end."""
        if self._running:
            os.kill(self._running, signal.SIGINT)

    @classmethod
    def interrupt_all(cls) -> None:
        """Do so for all copies that there are."""
        for copy in [*cls._live]:
            copy.interrupt()

    def failed(self, *arguments: str) -> str:
        """Run pytest until a test fails, and return its id; "" when none does.

        :raises DrydockError: it ran no test.
        """
        status, said = self.run("-x", "-rfE", *arguments)
        found = re.search(r"^(?:FAILED|ERROR) (tests/\S+\[[^\]]*\]|\S+)|^drydock: (left behind)", said, re.MULTILINE)
        if status is None:
            return f"the limit of {LIMIT:g} s"
        if status == 1 and found:
            return found[1] or found[2]
        if status:
            raise DrydockError(f"{' '.join(arguments)}: exit {status}\n{said[-2000:]}")
        return ""

    def run(self, *arguments: str) -> tuple[int | None, str]:
        """Run pytest and return its exit status and what it printed; no status where it was ended at the limit."""
        assert self._server.stdin
        assert self._server.stdout
        unkept = ["--no-history"] if "--on-engine" in arguments else []
        quiet = ["-q", "--tb=no", "-p", "no:cacheprovider", *unkept]
        print(json.dumps([str(self._output), *quiet, *arguments]), file=self._server.stdin, flush=True)
        self._running = self._answer()
        in_time = select.select([self._server.stdout], [], [], LIMIT)[0]
        if not in_time:
            self.interrupt()
        status = self._answer()
        self._running = 0
        return status if in_time else None, self._output.read_text(errors="replace")

    def _answer(self) -> int:
        assert self._server.stdout
        answer = self._server.stdout.readline()
        if not answer:
            raise DrydockError(f"what runs the tests has ended: {self._server.communicate()[1][-2000:]}")
        return int(answer)


class Trial:
    """The mutants of one example, tried in a copy of it.

    :ivar noticed: by file, how often each test noticed a mutant of it.
    """

    def __init__(self, example: Example, copy: Copy) -> None:
        self._example = example
        self._copy = copy
        self._users: dict[str, list[str]] = {}
        self.noticed: dict[str, Counter[str]] = {}

    def without(self) -> None:
        """Run the tests without any fault.

        :raises DrydockError: one fails, so that they cannot tell.
        """
        noticed = self._static() or self._copy.failed("--on-engine", *self._copy.tests)
        if noticed:
            raise DrydockError(f"{self._example.slug}: {noticed} fails without any fault")

    def notices(self, mutant: Mutant) -> str:
        """Return the id of a test that fails with the mutant in place of the file, or ""."""
        with _changed(self._copy.place / mutant.path, mutant.text):
            if mutant.claim:
                return self._failing([f"{self._copy.tests[0]}::{mutant.claim}"])
            found = self._static()
        if found:
            return found
        if mutant.path not in self._users:
            self._users[mutant.path] = self._using(mutant.path)
        counts = self.noticed.setdefault(mutant.path, Counter())
        users = sorted(self._users[mutant.path], key=lambda test: -counts[test])
        with _changed(self._copy.place / mutant.path, mutant.text):
            found = self._failing(users)
        counts[found] += 1
        return found

    def _failing(self, tests: Sequence[str]) -> str:
        """Return the id of a test that fails, and fails once more: on a busy machine, one may do so by chance."""
        left = [*tests]
        while left and (found := self._copy.failed("--on-engine", *left)):
            again = [found] if found in left else left
            if self._copy.failed("--on-engine", *again):
                return found
            left = [test for test in left if test not in again]
        return ""

    def _static(self) -> str:
        return self._copy.failed("-k", f"[{self._example.slug}]", *STATIC)

    def _using(self, path: str) -> list[str]:
        """Return the tests that use the file: those that fail where it is spoilt, and those that name it.

        One that names it may well wait for its failure, and pass.
        """
        results = self._copy.folder / "results.json"
        with _changed(self._copy.place / path, SPOILT):
            self._copy.run("--on-engine", f"--results={results}", *self._copy.tests)
        found = json.loads(results.read_text(encoding="utf-8"))
        failed = [each["test"] for each in found if each["outcome"] == "failed"]
        named = [f"{self._copy.tests[0]}::{test}" for test in naming(self._example, path)]
        return [*dict.fromkeys([*named, *failed])]


@contextlib.contextmanager
def _changed(file: Path, text: str) -> Iterator[None]:
    """While this context lasts, a file has another text."""
    before = file.read_bytes()
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_bytes(before)


def score(example: Example, known: Score | None = None, top: Path = ROOT, *, again: bool = False) -> Score:
    """Try the example's mutants and return what became of them.

    :param known: what became of them before. Where neither the example nor its test has changed since, only those are
        tried again that survived: they may be equivalent now, or be noticed by a check of files.
    :param again: try also what would be noticed again, by :class:`Noticed`.
    :raises DrydockError: its tests fail without any fault, so that they cannot tell; or see :func:`listed`.
    """
    own, equivalent = listed_mutants(example, top)
    every = [*derive_mutants(example), *own]
    excused = tuple(str(mutant) for mutant in every if mutant.name in equivalent)
    tried = [mutant for mutant in every if mutant.name not in equivalent]
    unchanged = known and (known.digest, known.tried) == (example.digest(readme=False), len(every))
    if known and unchanged and set(known.equivalent) <= set(excused):  # else, what was excused was never tried
        tried = [mutant for mutant in tried if str(mutant) in known.survivors]
    survivors = _survivors(example, tried, top, again=again) if tried else ()
    killed = len(every) - len(excused) - len(survivors)
    return Score(example.digest(readme=False), len(every), killed, excused, survivors)


def _survivors(example: Example, tried: Iterable[Mutant], top: Path, *, again: bool) -> tuple[str, ...]:
    survivors = []
    memory = Noticed(example, top)
    before = {mutant: "" if again else memory.by(mutant) for mutant in tried}
    left = [mutant for mutant, test in before.items() if not test]
    if not left:
        return ()
    with Copy(example, top) as copy:
        trial = Trial(example, copy)
        for mutant, test in before.items():
            trial.noticed.setdefault(mutant.path, Counter())[test] += 1
        trial.without()
        for mutant in left:
            noticed = trial.notices(mutant)
            print_status(f"examples/{example.slug}/{mutant}: {f'noticed by {noticed}' if noticed else 'SURVIVED'}")
            memory.keep(mutant, noticed)
            survivors += [] if noticed else [str(mutant)]
    return tuple(survivors)


def naming(example: Example, path: str) -> list[str]:
    """Return the tests of the example that name the file; most do not name the one that is built by default."""
    text = example.test.read_text(encoding="utf-8")
    found = [
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    name = PurePosixPath(path).name
    wanted = re.compile(rf"\b{re.escape('compose' if name == 'compose.yaml' else name)}(?![\w.-])")
    return [node.name for node in found if wanted.search(ast.get_source_segment(text, node) or "")]


def main(arguments: Sequence[str]) -> int:
    """Try the mutants of the examples named, or of all; return 1 if one survives."""
    given = _given(arguments)
    try:
        picked = examples.pick_examples(given.slugs, examples.load_examples())
        scores = load_scores()
        on = choose.get_engine()
    except DrydockError as error:
        print_status(str(error))
        return 1
    wrong: list[str] = []
    lock = threading.Lock()

    def one(example: Example) -> None:
        try:
            found = score(example, None if given.all else scores.get(example.slug), again=given.all)
        except DrydockError as error:
            wrong.append(str(error))
            return
        with lock:  # what is found is kept at once: the whole takes hours
            save_scores({**load_scores(), example.slug: found})
            resources.prune_images(on, until=OLD)
        print_status(
            f"{example.slug}: {found.tried} mutants, {found.killed} killed, {len(found.equivalent)} equivalent"
        )
        wrong.extend(f"survived: examples/{example.slug}/{survivor}" for survivor in found.survivors)

    # The longest first, so that none is left over at the end.
    picked = sorted(picked, key=lambda example: -len(derive_mutants(example)))
    with ThreadPoolExecutor(given.workers) as pool:
        done = [pool.submit(one, example) for example in picked]
        try:
            for each in done:
                each.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            Copy.interrupt_all()
            raise
    for line in wrong:
        print_status(line)
    return 1 if wrong else 0


def _given(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s mutants --", description="Put small faults into copies of examples.")
    parser.add_argument("slugs", nargs="*", metavar="slug", help="only these examples")
    parser.add_argument(
        "--all", action="store_true", help="try also what was noticed before, with nothing changed since"
    )
    parser.add_argument("--workers", type=int, default=1, help="how many examples at a time")
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    exit_on_signals()
    sys.exit(main(sys.argv[1:]))
