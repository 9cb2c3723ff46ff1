"""Tries mutants: has the tests of an example run against each, and keeps what became of it.

They run in a copy of what they need, so that the checkout and its evidence stay as they are: first the checks of the
files, then claims and transcripts on the engine, until one fails.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from drydock import ROOT, example as examples
from drydock.engine import say
from drydock.errors import DrydockError
from drydock.example import Example
from drydock.mutants import Mutant, Score, derived, listed, load, save

#: What the tests need beside the example and its test.
NEEDED: tuple[str, ...] = ("conftest.py", "pyproject.toml", "drydock", "base-images")
NEEDED += ("tests/conftest.py", "tests/test_security.py", "tests/test_site.py", "tests/examples/test_transcripts.py")
NEEDED += ("tests/examples/differences.toml", "tests/examples/hardening.toml")
#: Seconds after which a mutant that ends nothing is ended: that it takes so long was noticed.
LIMIT = 900.0


def tree(example: Example, top: Path, folder: Path) -> Path:
    """Copy what the tests of the example need from the repository `top` to `folder`, and return the example's place."""
    for name in (*NEEDED, f"tests/examples/{example.test.name}"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (top / name).is_dir():
            shutil.copytree(top / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (top / name).is_file():
            shutil.copy(top / name, folder / name)
    return example.copy_to(folder / "examples")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start pytest in such a copy. It is a run of its own: within another one, it would wait for that to end.

    What it says is of a fault, or of a reader's files, and none of it is kept in the ledger.
    """
    env = {name: value for name, value in os.environ.items() if name != "DRYDOCK_RUN"}
    unkept = ["--no-ledger"] if "--on-engine" in arguments else []
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *unkept, *arguments],
        cwd=folder,
        env={**env, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def score(example: Example, top: Path = ROOT) -> Score:
    """Try the example's mutants and return what became of them.

    :raises DrydockError: its tests fail without any fault, so that they cannot tell; or see :func:`listed`.
    """
    own, equivalent = listed(example, top)
    every = [*derived(example), *own]
    killed, survivors = 0, []
    with tempfile.TemporaryDirectory(prefix="drydock-mutants-") as scratch:
        folder = Path(scratch)
        place = tree(example, top, folder)
        noticed = _noticed(folder, example)
        if noticed:
            raise DrydockError(f"{example.slug}: {noticed} fails without any fault")
        for mutant in every:
            if mutant.name in equivalent:
                continue
            noticed = _tried(mutant, folder, place, example)
            killed += bool(noticed)
            survivors += [] if noticed else [f"{mutant.path}:{mutant.line}: {mutant.what}"]
            said = f"noticed by {noticed}" if noticed else "SURVIVED"
            say(f"examples/{example.slug}/{mutant.path}:{mutant.line}: {mutant.what}: {said}")
    return Score(example.digest(), len(every), killed, len(every) - killed - len(survivors), tuple(survivors))


def _tried(mutant: Mutant, folder: Path, place: Path, example: Example) -> str:
    file = place / mutant.path
    before = file.read_bytes()
    file.write_text(mutant.text, encoding="utf-8")
    try:
        return _noticed(folder, example, mutant)
    finally:
        file.write_bytes(before)


def _noticed(folder: Path, example: Example, mutant: Mutant | None = None) -> str:
    """Return the first test that fails, or "". Those that name the changed file are run before the others."""
    tests = f"tests/examples/{example.test.name}"
    if mutant and mutant.claim:
        return _failed(folder, "--on-engine", f"{tests}::{mutant.claim}")
    nearest = [f"{tests}::{test}" for test in naming(example, mutant.path)] if mutant else []
    static = _failed(folder, "-k", f"[{example.slug}]", "tests/test_security.py")
    return static or _failed(folder, "--on-engine", *nearest, tests, "tests/examples/test_transcripts.py")


def naming(example: Example, path: str) -> list[str]:
    """Return the tests of the example that name the file; most do not name the one that is built by default."""
    text = example.test.read_text(encoding="utf-8")
    found = [
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    name = PurePosixPath(path).name
    wanted = re.compile(rf"\b{re.escape('compose' if name == 'compose.yaml' else name)}(?![\w.-])")
    return [node.name for node in found if wanted.search(ast.get_source_segment(text, node) or "")]


def _failed(folder: Path, *arguments: str) -> str:
    """Run pytest in the copy until a test fails, and return its name; "" when none does.

    :raises DrydockError: it ran no test.
    """
    running = start(folder, "-x", "-rfE", "--tb=no", *arguments)
    try:
        said = running.communicate(timeout=LIMIT)[0]
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGINT)  # so that it takes away what it made
        running.communicate()
        return f"the limit of {LIMIT:g} s"
    except BaseException:
        running.send_signal(signal.SIGINT)
        running.communicate()
        raise
    found = re.search(r"^(?:FAILED|ERROR) (?:\S*/)?(\w+\.py\S*)|^drydock: (left behind)", said, re.MULTILINE)
    if running.returncode == 1 and found:
        return found[1] or found[2]
    if running.returncode:
        raise DrydockError(f"{' '.join(arguments)}: exit {running.returncode}\n{said[-2000:]}")
    return ""


def main(slugs: Iterable[str]) -> int:
    """Try the mutants of the examples named, or of all; return 1 if one survives."""
    survived = 0
    try:
        for example in examples.pick(list(slugs), examples.load()):
            found = score(example)
            save({**load(), example.slug: found})
            survived += len(found.survivors)
            say(f"{example.slug}: {found.tried} mutants, {found.killed} killed, {found.equivalent} equivalent")
            for survivor in found.survivors:
                say(f"  survived: examples/{example.slug}/{survivor}")
    except DrydockError as error:
        say(str(error))
        return 1
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
