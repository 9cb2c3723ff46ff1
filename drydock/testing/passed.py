"""The units that passed on this engine, so that a later run can skip what hasn't changed since.

A unit is an example with its tests, or a folder of tests that belong to no example. It stays passed for a day, as long
as the engine and all files that it depends on are the same. (A day, because a build that downloads can get something
else tomorrow.) The cache folder has a file per engine.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drydock import ROOT, host, store
from drydock.engine.client import Engine
from drydock.errors import MalformedError
from drydock.model import example as examples
from drydock.testing.results import Result, without_evidence

#: Seconds for which a unit stays passed.
MAX_AGE = 24 * 3600.0
#: Rooms of the package that run on no engine: a change of their code affects no test.
NOT_RUN = ("site", "mutation")
#: Files that every unit depends on.
SHARED = ("conftest.py", "pyproject.toml", "requirements.txt", "tests/examples/test_transcripts.py")


@dataclass(frozen=True)
class Passed:
    """A unit that passed.

    :ivar digest: sha256 of all that it depends on.
    :ivar at: when it passed, in seconds since the epoch.
    :ivar results: its results: passed, or skipped with a reason.
    """

    digest: str
    at: float
    results: tuple[Result, ...] = ()

    def age_text(self, now: float | None = None) -> str:
        """Return how long ago it passed: ``4 min``."""
        minutes = ((time.time() if now is None else now) - self.at) / 60
        return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def still_passed(engine: Engine, units: Iterable[str], now: float | None = None) -> dict[str, Passed]:
    """Return those of `units` that are still passed on `engine` at `now`, in seconds since the epoch."""
    now = time.time() if now is None else now
    saved = _load_passed(engine)
    digests = unit_digests(engine, [unit for unit in units if unit in saved])
    return {
        unit: saved[unit]
        for unit, digest in digests.items()
        if saved[unit].digest == digest and 0 <= now - saved[unit].at < MAX_AGE
    }


def save_passed(engine: Engine, passed: Mapping[str, Iterable[Result]], failed: Iterable[str]) -> None:
    """Save the units that passed with their results, and drop those of `failed`.

    :raises OSError: the file isn't writable.
    """
    dropped, now = set(failed), time.time()
    saved = {unit: former for unit, former in _load_passed(engine).items() if unit not in dropped}
    for unit, digest in unit_digests(engine, passed).items():
        results = tuple(dataclasses.replace(without_evidence(result), steps=()) for result in passed[unit])
        saved[unit] = Passed(digest, now, results)
    store.save_json(_passed_file(engine), saved)


def _load_passed(engine: Engine) -> dict[str, Passed]:
    try:
        return store.load_json(dict[str, Passed], _passed_file(engine), "passed units")
    except MalformedError:
        return {}  # the first run on this engine, or a damaged file: nothing is skipped


def _passed_file(engine: Engine) -> Path:
    name = "".join(c if c.isalnum() else "-" for c in engine.facts["id"])
    return host.cache_folder() / "passed" / f"{name}.json"


def unit_digests(engine: Engine, units: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of all that the tests of each unit depend on."""
    shared = _shared_digest(engine)
    return {unit: _unit_digest(unit, shared) for unit in units}


def _shared_digest(engine: Engine) -> str:
    """Return the sha256 of what all units on `engine` depend on."""
    package = ROOT / "drydock"
    code = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in NOT_RUN]
    recipe = [path for path in (ROOT / "base-images").rglob("*") if path.is_file()]
    facts = json.dumps(sorted(engine.facts.items()))
    return _join_digests([facts, _files_digest([*(ROOT / name for name in SHARED), *code, *recipe])])


def _unit_digest(unit: str, shared: str) -> str:
    all_examples = examples.load_examples()
    if unit in all_examples:
        return _join_digests([unit, shared, all_examples[unit].digest()])
    # Tests of the harness run examples, and compare the recorded command lines with the engine's.
    recorded = (ROOT / "evidence" / "commands").glob("*.json")
    files = [*(ROOT / "tests" / unit).rglob("*.py"), *(ROOT / "tests").glob("*.py"), *recorded]
    return _join_digests([unit, shared, _files_digest(files), *(each.digest() for each in all_examples.values())])


def _files_digest(paths: Iterable[Path]) -> str:
    """Return the sha256 of the names and the bytes of files."""
    return _join_digests(f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sorted(paths))


def _join_digests(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
