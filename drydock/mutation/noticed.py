"""What noticed a mutant, kept in the user's cache, so that it is tried again only when that may have changed.

It would be noticed again while the files that run are the same, and so is that test with what its module has beside
tests, or that transcript. A trial that was interrupted goes on where it was, and a test that is added has only
survivors tried again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from pathlib import Path

from drydock import ROOT, host
from drydock.model.example import Example, without_step_names
from drydock.model.mutants import Mutant

#: The module that replays transcripts.
TRANSCRIPTS = "test_transcripts.py"
#: What checks of files rest on beside themselves.
LISTS = ("tests/examples/hardening.toml", "tests/examples/conventions.toml")


class Noticed:
    """What noticed the mutants of one example.

    :param top: the repository that has the tests.
    """

    def __init__(self, example: Example, top: Path = ROOT) -> None:
        self._example = example
        self._top = top
        self._place = host.cache_folder() / "mutants" / f"{example.slug}.json"
        run = [name for name in example.files if name != "README.md" and not name.startswith("transcripts/")]
        files = (f"{name}\0{hashlib.sha256((example.root / name).read_bytes()).hexdigest()}" for name in run)
        self._files = _sha256(*files)
        self._kept = self._read()

    def by(self, mutant: Mutant) -> str:
        """Return the id of the test that noticed the mutant and would do so again; "" where none is known."""
        test, digest = self._kept.get(self._key(mutant), ("", ""))
        return test if test and digest == self._digest(test) else ""

    def keep(self, mutant: Mutant, test: str) -> None:
        """Keep that this test noticed it. What is no test, such as a limit of time, is not kept."""
        digest = self._digest(test)
        if digest:
            # Another trial may have kept some since.
            self._kept = {**self._read(), self._key(mutant): (test, digest)}
            self._place.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._place.with_suffix(".new")
            fresh.write_text(json.dumps(self._kept), encoding="utf-8")
            fresh.replace(self._place)  # whole, also where the trial ends here

    def _key(self, mutant: Mutant) -> str:
        return _sha256(self._files, mutant.path, mutant.text, mutant.claim)

    def _digest(self, test: str) -> str:
        path, _, name = test.partition("::")
        module = self._top / path
        if not name or not module.is_file():
            return ""
        beside = [
            without_step_names(each.read_bytes()).decode() for each in self._beside(module.name, test) if each.is_file()
        ]
        return _sha256(*beside, *_parts(module.read_text(encoding="utf-8"), name.partition("[")[0]))

    def _beside(self, module: str, test: str) -> list[Path]:
        """Return the files that the test in `module` rests on beside that: a transcript, or lists of exceptions."""
        transcript = re.fullmatch(r".*\[[\w-]+/([\w-]+)\](?:@.*)?", test)
        if module == TRANSCRIPTS and transcript:
            return [self._example.root / "transcripts" / f"{transcript[1]}.console"]
        return [] if module == self._example.test.name else [self._top / each for each in LISTS]

    def _read(self) -> dict[str, tuple[str, str]]:
        try:
            found = json.loads(self._place.read_text(encoding="utf-8"))
            return {str(key): (str(test), str(digest)) for key, (test, digest) in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _parts(text: str, wanted: str) -> list[str]:
    """Return the source of what a module has beside tests, and of the test `wanted`."""
    tests = [
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    lines = text.splitlines()
    for node in reversed(tests):
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        if node.name != wanted:
            lines[first - 1 : node.end_lineno] = []
    # Comments between tests are no part of what runs.
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
