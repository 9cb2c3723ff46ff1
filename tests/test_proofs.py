"""Proofs of earlier runs: kept, held against what changed since, and forgotten; no engine."""

from __future__ import annotations

import time

import pytest

from drydock.engine.client import Engine
from drydock.model.example import Example
from drydock.testing import passed
from drydock.testing.passed import Passed

DAY = 24 * 3600
COMMANDS = "evidence/commands/docker-28.5.json"
FACTS = {"id": "one", "name": "Docker", "version": "28.5.2"}


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Return an engine, with a cache of its own for its proofs, and a tree of its own that they rest on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(passed, "ROOT", tmp_path)
    for name in (
        *passed.SHARED,
        "drydock/replay/shell.py",
        "base-images/Dockerfile",
        "tests/bases/test_contract.py",
        COMMANDS,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was\n")
    passed.keep_proofs(Engine({}, facts=FACTS), {"bases": Passed(2, 1, ("one: no room",)), "harness": Passed()}, ())
    return Engine({}, facts=FACTS)


def found(engine, **when):
    """Return the units whose proofs hold."""
    return set(passed.still_valid(engine, ["bases", "harness", "never-run"], **when))


def test_what_passed_is_proven(engine):
    """What passed is proven, with its counts and what was skipped, until it fails."""
    assert found(engine) == {"bases", "harness"}
    [proof] = passed.still_valid(engine, ["bases"]).values()
    assert (proof.claims, proof.transcripts, proof.skips) == (2, 1, ("one: no room",))
    passed.keep_proofs(engine, {}, ["bases"])
    assert found(engine) == {"harness"}


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("drydock/replay/shell.py", set()),
        ("requirements.txt", set()),
        ("base-images/Dockerfile", set()),
        (COMMANDS, set()),
        ("tests/bases/test_contract.py", {"harness"}),
        ("drydock/engine/private/daemon.py", set()),
        ("drydock/site/blocks/code.py", {"bases", "harness"}),
        ("drydock/mutation/runner.py", {"bases", "harness"}),
    ],
)
def test_a_change_ends_what_rests_on_it(engine, tmp_path, name, left):
    """A changed file ends the proofs that rest on it, and no others."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("changed\n")

    assert found(engine) == left


def test_a_changed_example_ends_the_proof_of_tests_that_run_examples(engine, tmp_path, monkeypatch):
    """The harness is tested with examples, so its proof ends with a change of any of them."""
    root = tmp_path / "examples" / "hello"
    root.mkdir(parents=True)
    monkeypatch.setattr(passed.examples, "load_examples", lambda: {"hello": Example(root)})

    assert found(engine) == set()


def test_another_engine_has_proven_nothing(engine):
    """A proof is one engine's; the same engine in another version has to prove anew."""
    assert found(Engine({}, facts={**FACTS, "id": "two"})) == set()
    assert found(Engine({}, facts={**FACTS, "version": "29.0.0"})) == set()


def test_a_proof_is_fresh_for_a_day(engine):
    """A proof holds for a day, and not when the clock was put back."""
    [proof] = passed.still_valid(engine, ["bases"]).values()

    assert found(engine, now=proof.at + DAY - 1) == {"bases", "harness"}
    assert found(engine, now=proof.at + DAY) == found(engine, now=proof.at - 1) == set()
    assert [passed.proof_age(proof, proof.at + age) for age in (240, 4 * 3600)] == ["4 min", "4 h"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"bases": 1}', '{"bases": {"odd": 1}}', '{"bases": {"digest": "", "at": 1, "claims": 2, "skips": 3}}'],
)
def test_a_broken_file_proves_nothing(engine, tmp_path, text):
    """A file that is not what was written proves nothing, and is written anew."""
    [place] = (tmp_path / "cache").rglob("*.json")
    place.write_text(text)

    assert found(engine) == set()
    passed.keep_proofs(engine, {"bases": Passed()}, ())
    assert found(engine) == {"bases"}


def test_what_needs_no_engine_is_proven_by_its_files(engine, tmp_path):
    """The proof holds for the same bytes within a day, and for no others; a damaged file is none."""
    page = tmp_path / "page.html"
    page.write_text("one")
    now = passed.files_digest([page])
    passed.save_proof("site", now)

    assert passed.load_proof("site", now).digest == now
    assert passed.load_proof("other", now) is None
    assert passed.load_proof("site", now, now=time.time() + DAY) is None
    page.write_text("two")
    assert passed.load_proof("site", passed.files_digest([page])) is None
    next((tmp_path / "cache").rglob("without-engine-site.json")).write_text("{")
    assert passed.load_proof("site", now) is None
