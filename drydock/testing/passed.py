"""Proofs: which tests passed on this very engine, so that a second run need not run what nothing has touched since.

A unit is what stands or falls together: an example with its tests, or a folder of tests that belong to none. Its proof
holds as long as no file that it rests on changed, the engine is the same, and it is fresh: a build that downloads may
find another world tomorrow. Kept per engine in the user's cache; a fresh checkout on a fresh machine has none.

What needs no engine, as the built site that a browser has driven, is proven by its files alone.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from drydock import ROOT, host
from drydock.engine.client import Engine
from drydock.model import example as examples

#: Seconds for which a proof holds.
HOLDS = 24 * 3600.0
#: Rooms of the package that run on no engine, so that their code changes nothing that was tested there.
NOT_RUN = ("site", "mutation")
#: What every result depends on, apart from the unit's own files.
SHARED = ("conftest.py", "pyproject.toml", "requirements.txt", "tests/examples/test_transcripts.py")


class Passed(NamedTuple):
    """What a unit ran of which all tests passed, or were skipped with a reason.

    :ivar claims: how many claims were among the tests.
    :ivar transcripts: how many transcripts were.
    :ivar skips: a line for each test that was skipped, or not upheld as is known: its id, and the reason.
    """

    claims: int = 0
    transcripts: int = 0
    skips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """That a unit passed.

    :ivar digest: sha256 of all that it rests on.
    :ivar at: when, in seconds since the epoch.
    :ivar claims: see :class:`Passed`, as the next two.
    """

    digest: str
    at: float
    claims: int = 0
    transcripts: int = 0
    skips: tuple[str, ...] = ()


def still_valid(engine: Engine, units: Iterable[str], now: float | None = None) -> dict[str, Proof]:
    """Return the proofs of `units` that hold on `engine` at `now`, in seconds since the epoch."""
    now = time.time() if now is None else now
    kept = _load(engine)
    base = _base(engine)
    return {
        unit: kept[unit]
        for unit in units
        if unit in kept and 0 <= now - kept[unit].at < HOLDS and kept[unit].digest == _digest(unit, base)
    }


def keep_proofs(engine: Engine, passed: Mapping[str, Passed], failed: Iterable[str]) -> None:
    """Keep a proof of each unit of `passed`, and drop those of `failed`."""
    base, now = _base(engine), time.time()
    proofs = {unit: proof for unit, proof in _load(engine).items() if unit not in {*failed, *passed}}
    for unit, what in passed.items():
        proofs[unit] = Proof(_digest(unit, base), now, *what)
    _write(_place(engine), proofs)


def unit_digests(engine: Engine, units: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of all that the tests of each unit rest on, as a proof of it would have it now."""
    base = _base(engine)
    return {unit: _digest(unit, base) for unit in units}


def save_proof(name: str, digest: str) -> None:
    """Keep the proof that what has this name passed, as its files are now: see :func:`files_digest`."""
    _write(_named(name), {name: Proof(digest, time.time())})


def load_proof(name: str, digest: str, now: float | None = None) -> Proof | None:
    """Return the proof of what has this name, if it holds at `now` for files with this digest."""
    now = time.time() if now is None else now
    proof = _read(_named(name)).get(name)
    return proof if proof and proof.digest == digest and 0 <= now - proof.at < HOLDS else None


def _named(name: str) -> Path:
    return host.cache_folder() / "proofs" / f"without-engine-{name}.json"


def _place(engine: Engine) -> Path:
    name = "".join(c if c.isalnum() else "-" for c in engine.facts["id"])
    return host.cache_folder() / "proofs" / f"{name}.json"


def _load(engine: Engine) -> dict[str, Proof]:
    return _read(_place(engine))


def _write(place: Path, proofs: Mapping[str, Proof]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_text(json.dumps({unit: asdict(proof) for unit, proof in proofs.items()}), encoding="utf-8")
    fresh.replace(place)


def _read(place: Path) -> dict[str, Proof]:
    """Return all proofs that are kept; none where the file is not what :func:`_write` writes."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        return {unit: Proof(**{**fields, "skips": tuple(fields["skips"])}) for unit, fields in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return {}


def _base(engine: Engine) -> str:
    """Return the sha256 of what all proofs on `engine` rest on."""
    package = ROOT / "drydock"
    code = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in NOT_RUN]
    recipe = [path for path in (ROOT / "base-images").rglob("*") if path.is_file()]
    whole = hashlib.sha256(json.dumps(sorted(engine.facts.items())).encode())
    whole.update(files_digest([*(ROOT / name for name in SHARED), *code, *recipe]).encode())
    return whole.hexdigest()


def _digest(unit: str, base: str) -> str:
    known = examples.load_examples()
    if unit in known:
        own = known[unit].digest()
    else:
        # Tests of the harness run examples, and hold what was recorded of the command line to the engine.
        recorded = (ROOT / "evidence" / "commands").glob("*.json")
        files = [*(ROOT / "tests" / unit).rglob("*.py"), *(ROOT / "tests").glob("*.py"), *recorded]
        own = "\0".join([files_digest(files), *(example.digest() for example in known.values())])
    return hashlib.sha256(f"{unit}\0{base}\0{own}".encode()).hexdigest()


def files_digest(paths: Iterable[Path]) -> str:
    """Return the sha256 of the names and the bytes of files."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def proof_age(proof: Proof, now: float | None = None) -> str:
    """Return the age of the proof for a reader: ``4 min``."""
    minutes = ((time.time() if now is None else now) - proof.at) / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
