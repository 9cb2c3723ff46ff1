"""The list of what other engines do not uphold."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from drydock import ROOT
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.errors import MalformedError
from drydock.model import example as examples, known_failures
from drydock.model.evidence import DEFAULT_ENGINE
from drydock.model.known_failures import KnownFailure
from drydock.testing import plugin

GOOD = """
["podman-5.4"]
"It has no such thing" = ["greeting::test_greets", "greeting::test_ends"]
"Its message is another one" = ["other::test_one"]

["podman-5.4".by-chance]
"It is slow now and then" = ["other::transcripts/two"]
"""


def _written(top, text):
    file = top / known_failures.FILE
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return top


def test_reasons_by_claim(tmp_path):
    """An engine's claims have their reasons; another engine has none."""
    top = _written(tmp_path, GOOD)

    assert {
        test: (found.reason, found.by_chance) for test, found in known_failures.failures_on("podman-5.4", top).items()
    } == {
        "greeting::test_greets": ("It has no such thing", False),
        "greeting::test_ends": ("It has no such thing", False),
        "other::test_one": ("Its message is another one", False),
        "other::transcripts/two": ("It is slow now and then", True),
    }
    assert known_failures.failures_on("docker-26.1", top) == {}


def test_no_list(tmp_path):
    """Without a list there is no difference."""
    assert known_failures.failures_on("podman-5.4", tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["[", "podman = 1", '[podman]\nreason = "a::b"', '[podman]\nreason = ["a"]', "[podman]\nby-chance = 1"]
)
def test_malformed(tmp_path, text):
    """What is no table of lists of claims is refused by the file's name."""
    with pytest.raises(MalformedError, match=r"differences\.toml"):
        known_failures.failures_on("podman", _written(tmp_path, text))


class Item:
    """A test, as far as it is marked."""

    def __init__(self):
        self.marks = []

    def add_marker(self, mark):
        """Keep the mark."""
        self.marks.append(mark)


def test_a_difference_that_is_gone_fails_the_run():
    """What is on the list has to fail, and a pass of it is a failure; what holds by chance is not run."""
    listed, chance, other = Item(), Item(), Item()
    plugin.expect_failure(listed, KnownFailure("podman-5.4", "It has no such thing", "a::b", by_chance=False))
    plugin.expect_failure(chance, KnownFailure("podman-5.4", "It is slow now and then", "a::c", by_chance=True))
    plugin.expect_failure(other, None)

    assert [(mark.name, mark.kwargs) for mark in listed.marks] == [
        ("xfail", {"reason": "It has no such thing", "strict": True})
    ]
    assert [(mark.name, mark.kwargs) for mark in chance.marks] == [("skip", {"reason": "It is slow now and then"})]
    assert other.marks == []


def test_transcripts_have_names_of_their_own():
    """A transcript is on the list by its own name, and a claim by its function, whatever it is tried with."""
    transcript = SimpleNamespace(
        path=Path("tests/examples/test_transcripts.py"),
        name="test_transcript[greeting/first-run]",
        originalname="test_transcript",
        callspec=SimpleNamespace(params={"slug": "greeting", "name": "first-run"}),
    )
    claim = SimpleNamespace(
        path=Path("tests/examples/test_greeting.py"),
        name="test_greets[one]",
        originalname="test_greets",
        callspec=SimpleNamespace(params={"name": "one"}),
    )

    assert plugin.claim_name(transcript) == "transcripts/first-run"
    assert plugin.claim_name(claim) == "test_greets"


def test_all_that_is_listed_is_there():
    """Every engine on the list is one that can be started, but for the default one, and every claim is a test."""
    known = examples.load_examples()
    for engine, reason, claim, _ in known_failures.all_entries():
        slug, _, test = claim.partition("::")
        tests = {node.name for node in ast.parse((ROOT / known[slug].test).read_text()).body if hasattr(node, "name")}
        tests |= {f"transcripts/{name}" for name in known[slug].transcripts}

        assert engine in ENGINE_SPECS
        assert engine != DEFAULT_ENGINE
        assert test in tests, claim
        assert reason
