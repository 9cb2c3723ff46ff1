"""The expectations of single examples, and what other engines do not uphold."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from drydock import ROOT
from drydock.engine.private.specs import ENGINE_SPECS
from drydock.errors import MalformedError
from drydock.model import example as examples, exercises, expectations, known_failures
from drydock.model.evidence import DEFAULT_ENGINE
from drydock.model.expectations import Expectations
from drydock.model.known_failures import KnownFailure
from drydock.testing import plugin

GREETING = """
[known_failures."podman-5.4"]
"It has no such thing" = ["test_greets", "test_ends"]
"""
OTHER = """
[known_failures."podman-5.4"]
"Its message is another one" = ["test_one"]

[flaky."podman-5.4"]
"It is slow now and then" = ["transcripts/two"]
"""


def _written(top, slug, text):
    file = top / expectations.expectations_file(slug)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return top


def test_reasons_by_claim(tmp_path):
    """An engine's claims have their reasons; another engine has none."""
    _written(tmp_path, "greeting", GREETING)
    _written(tmp_path, "other", OTHER)
    failures = known_failures.failures_on("podman-5.4", tmp_path)

    assert {test: (failure.reason, failure.flaky) for test, failure in failures.items()} == {
        "greeting::test_greets": ("It has no such thing", False),
        "greeting::test_ends": ("It has no such thing", False),
        "other::test_one": ("Its message is another one", False),
        "other::transcripts/two": ("It is slow now and then", True),
    }
    assert known_failures.failures_on("docker-26.1", tmp_path) == {}


def test_no_file(tmp_path):
    """An example without a file has no exemption, no known failure, no mutant and no exercise."""
    assert known_failures.failures_on("podman-5.4", tmp_path) == {}
    assert expectations.load_expectations("greeting", tmp_path) == Expectations()


EXERCISE = "[exercise]\npage = 'a/b'\npath = 'y'\nold = '1'\nnew = '2'\ntask = 't'\nclaims = ['test_a']\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[x", "Expected"),
        ("podman = 1", "unknown key 'podman'"),
        ("[hardning]", "unknown key 'hardning'; did you mean hardening"),
        ("known_failures = 1", "known_failures is 1, not a table"),
        ('[known_failures.podman]\nreason = "test_a"', "known_failures.podman.reason is 'test_a', not a list"),
        ("[flaky.podman]\nreason = [1]", r"flaky.podman.reason\[0\] is 1, not text"),
        ('[flaky.podman]\n"" = ["test_a"]', "has no reason"),
        ('[conventions]\nDockerfile = { lacks = ["user"] }', "lacks the key 'why'"),
        ('[hardening]\n"compose.yaml a" = { lacks = [], why = "b" }', "an exemption says what is lacking"),
        ('[hardening]\n"compose.yaml a" = { lacks = ["user"], why = "" }', "an exemption says what is lacking"),
        ('[[mutants]]\npath = "a"\nold = "b"\nnew = "c"\nline = 3', "unknown key 'line'"),
        ('[equivalent]\n"Dockerfile: drop USER 1" = ""', "without a reason"),
        ("[exercise]\npage = 'a/b'", "lacks the key"),
        (EXERCISE.replace("['test_a']", "[]"), "nothing would notice the fault"),
        (EXERCISE.replace("['test_a']", "'test_a'"), "exercise.claims is 'test_a', not a list"),
        (EXERCISE.replace("'2'", "'1'"), "old has to be text that new changes"),
        (EXERCISE.replace("'1'", "''"), "old has to be text that new changes"),
        (EXERCISE.replace("'t'", "5"), "exercise.task is 5, not text"),
        (EXERCISE.replace("'y'", "5"), "exercise.path is 5, not text"),
        (EXERCISE.replace("'1'", "5"), "exercise.old is 5, not text"),
    ],
)
def test_malformed(tmp_path, text, problem):
    """A file with an unknown section or key, or a wrong value, is refused with its name and the place in it."""
    _written(tmp_path, "greeting", text)

    for load in (known_failures.failures_on, exercises.find_exercise, expectations.load_expectations):
        with pytest.raises(MalformedError, match=rf"^tests/examples/greeting\.toml.*{problem}"):
            load("greeting", tmp_path)


def test_every_file_is_of_an_example():
    """A file in tests/examples is named after the example that it is about."""
    assert set(expectations.load_all_expectations()) <= set(examples.load_examples())


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
    plugin.expect_failure(listed, KnownFailure("podman-5.4", "It has no such thing", "a::b", flaky=False))
    plugin.expect_failure(chance, KnownFailure("podman-5.4", "It is slow now and then", "a::c", flaky=True))
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
    for engine, reason, claim, _ in known_failures.all_failures():
        slug, _, test = claim.partition("::")
        tests = {node.name for node in ast.parse((ROOT / known[slug].test).read_text()).body if hasattr(node, "name")}
        tests |= {f"transcripts/{name}" for name in known[slug].transcripts}

        assert engine in ENGINE_SPECS
        assert engine != DEFAULT_ENGINE
        assert test in tests, claim
        assert reason
